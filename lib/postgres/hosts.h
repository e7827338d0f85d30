/*
 * Several hosts in a URL, each of which may be the primary. libpq tries them in turn, but one that doesn't answer at
 * all would take the whole time of a try, the next one's too: so the next try begins with the one that follows.
 */
#ifndef POSTGRES_HOSTS_H
#define POSTGRES_HOSTS_H

#include <stdbool.h>

enum { PG_HOSTS_SIZE = 1024 };

/* As libpq takes them: lists with commas; "" where the URL has none. */
struct pg_hosts {
    char host[PG_HOSTS_SIZE], hostaddr[PG_HOSTS_SIZE], port[PG_HOSTS_SIZE];
    int count;
};

/* Of a URL that libpq can read, with lists of at most PG_HOSTS_SIZE; else a count of 0, and nothing is turned. */
void pg_hosts_read(const char *url, struct pg_hosts *out);
/* The same, beginning with another: one port for all stays as it is. */
void pg_hosts_turn(const struct pg_hosts *hosts, unsigned turn, struct pg_hosts *out);

#endif

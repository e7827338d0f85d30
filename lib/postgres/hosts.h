/*
 * Several hosts in a URL, each of which may be the primary. libpq tries them in turn, but a host that doesn't answer at
 * all takes the whole time of a try, and of the next one. So the next try begins with the host that follows.
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

/* Reads the hosts of a URL. Sets a count of 0 if libpq can't read it, or if a list exceeds PG_HOSTS_SIZE; then nothing
 * is turned. */
void pg_hosts_read(const char *url, struct pg_hosts *out);
/* Copies the lists, beginning with another host. One port for all stays as it is. */
void pg_hosts_turn(const struct pg_hosts *hosts, unsigned turn, struct pg_hosts *out);

#endif

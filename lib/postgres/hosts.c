#include "postgres/hosts.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

static int count_items(const char *list)
{
    int count = *list ? 1 : 0;
    for (; *list; list++)
        if (*list == ',') count++;
    return count;
}

void pg_hosts_read(const char *url, struct pg_hosts *out)
{
    *out = (struct pg_hosts){.count = 0};
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    bool fits = options != NULL;
    for (const PQconninfoOption *at = options; at && at->keyword; at++) {
        char *into = strcmp(at->keyword, "host") == 0       ? out->host
                     : strcmp(at->keyword, "hostaddr") == 0 ? out->hostaddr
                     : strcmp(at->keyword, "port") == 0     ? out->port
                                                            : NULL;
        if (!into || !at->val) continue;
        fits = fits && (size_t)snprintf(into, PG_HOSTS_SIZE, "%s", at->val) < PG_HOSTS_SIZE;
    }
    PQconninfoFree(options);
    int hosts = count_items(out->host), addresses = count_items(out->hostaddr);
    out->count = fits ? (hosts > addresses ? hosts : addresses) : 0;
}

/* "a,b,c" from its second on: "b,c,a". */
static void turn_list(const char *list, int skip, char out[PG_HOSTS_SIZE])
{
    const char *from = list;
    for (; skip > 0; skip--) from = strchr(from, ',') + 1;
    if (from == list)
        snprintf(out, PG_HOSTS_SIZE, "%s", list);
    else
        snprintf(out, PG_HOSTS_SIZE, "%s,%.*s", from, (int)(from - list - 1), list);
}

void pg_hosts_turn(const struct pg_hosts *hosts, unsigned turn, struct pg_hosts *out)
{
    int skip = hosts->count > 1 ? (int)(turn % (unsigned)hosts->count) : 0;
    *out = *hosts;
    if (count_items(hosts->host) == hosts->count) turn_list(hosts->host, skip, out->host);
    if (count_items(hosts->hostaddr) == hosts->count) turn_list(hosts->hostaddr, skip, out->hostaddr);
    if (count_items(hosts->port) == hosts->count) turn_list(hosts->port, skip, out->port);
}

#include "redis/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ADDRESSES = 8 };

struct resolver {
    pthread_mutex_t lock; /* held for short; the rest is under it */
    char *host;
    struct addrinfo hints;
    struct gaicb lookup;
    bool looking_up;
    char addresses[MAX_ADDRESSES][INET6_ADDRSTRLEN]; /* IPv4 first */
    size_t count;
    size_t turn; /* which of them to try */
};

struct resolver *resolver_open(const char *host)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);

    if (!resolver) return NULL;
    resolver->host = strdup(host);
    if (!resolver->host) {
        free(resolver);
        return NULL;
    }
    pthread_mutex_init(&resolver->lock, NULL);
    resolver->hints = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    return resolver;
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver) return;
    /* A look-up under way writes into this memory: then it stays, once, at the end of a process. */
    if (resolver->looking_up && gai_cancel(&resolver->lookup) == EAI_NOTCANCELED) return;
    if (resolver->looking_up && gai_error(&resolver->lookup) == 0) freeaddrinfo(resolver->lookup.ar_result);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver->host);
    free(resolver);
}

static void keep_family(struct resolver *resolver, const struct addrinfo *found, int family)
{
    for (const struct addrinfo *at = found; at && resolver->count < MAX_ADDRESSES; at = at->ai_next) {
        char *text = resolver->addresses[resolver->count];

        if (at->ai_family == family &&
            getnameinfo(at->ai_addr, at->ai_addrlen, text, INET6_ADDRSTRLEN, NULL, 0, NI_NUMERICHOST) == 0)
            resolver->count++;
    }
}

static void look_up(struct resolver *resolver, int64_t wait_ms)
{
    struct gaicb *list[] = {&resolver->lookup};
    const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};

    if (!resolver->looking_up) {
        resolver->lookup = (struct gaicb){.ar_name = resolver->host, .ar_request = &resolver->hints};
        if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) return;
        resolver->looking_up = true;
    }
    gai_suspend((const struct gaicb *const *)list, 1, &wait);
    if (gai_error(&resolver->lookup) == EAI_INPROGRESS) return;
    resolver->looking_up = false;
    if (gai_error(&resolver->lookup) != 0) return;
    keep_family(resolver, resolver->lookup.ar_result, AF_INET);
    keep_family(resolver, resolver->lookup.ar_result, AF_INET6);
    freeaddrinfo(resolver->lookup.ar_result);
}

static bool lock_within(struct resolver *resolver, int64_t wait_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_mutex_timedlock(&resolver->lock, &until) == 0;
}

bool resolver_address(struct resolver *resolver, int64_t wait_ms, char out[INET6_ADDRSTRLEN])
{
    bool known;

    if (wait_ms <= 0 || !lock_within(resolver, wait_ms)) return false;
    if (resolver->count == 0) look_up(resolver, wait_ms);
    known = resolver->count > 0;
    if (known) memcpy(out, resolver->addresses[resolver->turn % resolver->count], INET6_ADDRSTRLEN);
    pthread_mutex_unlock(&resolver->lock);
    return known;
}

void resolver_doubt(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    resolver->count = 0;
    resolver->turn++;
    pthread_mutex_unlock(&resolver->lock);
}

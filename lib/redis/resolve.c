/* A thread of our own runs the look-up, rather than glibc's getaddrinfo_a: the threads that one makes are unknown to
 * ThreadSanitizer, which crashes on them. */
#include "redis/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ADDRESSES = 8 };

struct resolver {
    char *host;
    pthread_mutex_t lock; /* held for short; the rest is under it */
    pthread_cond_t changed;
    int owners; /* the opener, and a look-up under way */
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
    resolver->owners = 1;
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&resolver->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return resolver;
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver) return;
    pthread_mutex_lock(&resolver->lock);
    bool is_last = --resolver->owners == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (!is_last) return;
    pthread_cond_destroy(&resolver->changed);
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

static void *look_up(void *context)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct resolver *resolver = context;
    pthread_setname_np(pthread_self(), "resolver");
    struct addrinfo *found = NULL;
    int error = getaddrinfo(resolver->host, NULL, &hints, &found);
    pthread_mutex_lock(&resolver->lock);
    resolver->count = 0;
    if (error == 0) {
        keep_family(resolver, found, AF_INET);
        keep_family(resolver, found, AF_INET6);
    }
    resolver->looking_up = false;
    pthread_cond_broadcast(&resolver->changed);
    pthread_mutex_unlock(&resolver->lock);
    if (error == 0) freeaddrinfo(found);
    resolver_close(resolver);
    return NULL;
}

/* With all signals blocked: they are for the threads that expect them. */
static void start_look_up(struct resolver *resolver)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    resolver->looking_up = pthread_create(&thread, &detached, look_up, resolver) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (resolver->looking_up) resolver->owners++;
}

bool resolver_address(struct resolver *resolver, int64_t wait_ms, char out[INET6_ADDRSTRLEN])
{
    if (wait_ms < 0) wait_ms = 0;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (until.tv_nsec / 1000000 + wait_ms) / 1000;
    until.tv_nsec = (until.tv_nsec / 1000000 + wait_ms) % 1000 * 1000000;
    pthread_mutex_lock(&resolver->lock);
    if (resolver->count == 0 && !resolver->looking_up) start_look_up(resolver);
    while (resolver->count == 0 && resolver->looking_up) {
        if (pthread_cond_timedwait(&resolver->changed, &resolver->lock, &until) != 0) break;
    }
    bool known = resolver->count > 0;
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

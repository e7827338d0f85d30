#include "redis/local_rate.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum { SLOTS = 8192 }; /* a power of two; a quarter stays free, so that probing ends soon */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t current_window;
static size_t user_count;
static struct {
    uint64_t user; /* 64 bit FNV-1a of the id; 0 = free */
    int64_t used;
} slots[SLOTS];

int64_t local_rate_share(int64_t limit, int workers)
{
    if (limit <= 0 || workers <= 1) return limit;
    return limit > workers ? limit / workers : 1;
}

static uint64_t hash_of(const char *user_id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *byte = (const unsigned char *)user_id; *byte; byte++) {
        hash ^= *byte;
        hash *= UINT64_C(0x100000001b3);
    }
    return hash ? hash : 1;
}

/* The user's slot, or the free one where it belongs. */
static size_t find(uint64_t user)
{
    size_t at = (size_t)user % SLOTS;
    while (slots[at].user && slots[at].user != user) at = (at + 1) % SLOTS;
    return at;
}

static void turn_to(int64_t window)
{
    if (window == current_window) return;
    memset(slots, 0, sizeof slots);
    user_count = 0;
    current_window = window;
}

bool local_rate_take(const char *user_id, int64_t window, int units, int64_t share, int64_t *used)
{
    const uint64_t user = hash_of(user_id);
    pthread_mutex_lock(&lock);
    turn_to(window);
    size_t at = find(user);
    *used = slots[at].used;
    bool taken = false;
    if (slots[at].used + units <= share && (slots[at].user || user_count < LOCAL_RATE_USERS)) {
        if (!slots[at].user) user_count++;
        slots[at].user = user;
        slots[at].used += units;
        *used = slots[at].used;
        taken = true;
    } else if (!slots[at].user && share > 0) {
        *used = share; /* no place left: as good as spent */
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

int64_t local_rate_used(const char *user_id, int64_t window)
{
    pthread_mutex_lock(&lock);
    turn_to(window);
    int64_t used = slots[find(hash_of(user_id))].used;
    pthread_mutex_unlock(&lock);
    return used;
}

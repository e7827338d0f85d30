#include "metrics/metrics.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Slots lie at fixed places and begin alike in every version, so that the master needn't know what a newer binary
 * counts. One of another layout is not read. */
enum { SLOT_BYTES = 64 << 10, LAYOUT = 1, LOST_AT = SLOT_BYTES - sizeof(uint64_t) };

struct slot {
    uint64_t layout; /* of the values: their version and size */
    uint64_t alive;  /* its worker runs */
    struct metrics_values values;
};
_Static_assert(sizeof(struct slot) <= LOST_AT,
               "a slot holds the values, and at its end how many of its workers were lost");

static const uint64_t own_layout = (uint64_t)LAYOUT << 32 | sizeof(struct metrics_values);
static struct metrics_values alone;
static char *region; /* NULL: counts for itself */
static uint32_t account_alone;
static uint32_t *account = &account_alone; /* enum metrics_account */
static pthread_mutex_t models_lock = PTHREAD_MUTEX_INITIALIZER;

struct metrics_values *metrics = &alone;

static struct slot *slot_at(char *from, int slot)
{
    return (struct slot *)(void *)(from + (size_t)slot * SLOT_BYTES);
}

/* Behind the slots: one word of all workers. A region of an older master ends before it. */
enum { REGION_BYTES = METRICS_SLOTS * SLOT_BYTES + 4096 };

static char *map(int fd)
{
    void *memory = mmap(NULL, (size_t)METRICS_SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int metrics_region(void)
{
    int fd = memfd_create("chat-metrics", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, REGION_BYTES) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static void join_account(int fd)
{
    struct stat region_is;
    if (fstat(fd, &region_is) != 0 || region_is.st_size < REGION_BYTES) return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)METRICS_SLOTS * SLOT_BYTES);
    if (page != MAP_FAILED) account = page;
}

bool metrics_join(int fd, int slot)
{
    if (slot < 0 || slot >= METRICS_SLOTS) return false;
    char *memory = map(fd);
    if (!memory) return false;
    struct slot *own = slot_at(memory, slot);
    if (own->layout != own_layout) memset(own, 0, sizeof *own);
    memset(&own->values.gauges, 0, sizeof own->values.gauges);
    __atomic_store_n(&own->layout, own_layout, __ATOMIC_RELEASE);
    __atomic_store_n(&own->alive, 1, __ATOMIC_RELEASE);
    region = memory;
    metrics = &own->values;
    join_account(fd);
    return true;
}

void metrics_leave(int fd, int slot)
{
    if (fd < 0 || slot < 0 || slot >= METRICS_SLOTS) return;
    uint64_t no = 0;
    off_t at = (off_t)slot * SLOT_BYTES + (off_t)offsetof(struct slot, alive);
    ssize_t written = pwrite(fd, &no, sizeof no, at); /* it can't fail: the memory is there */
    (void)written;
}

void metrics_lost(int fd, int slot)
{
    if (fd < 0 || slot < 0 || slot >= METRICS_SLOTS) return;
    uint64_t lost = 0;
    off_t at = (off_t)slot * SLOT_BYTES + (off_t)LOST_AT;
    bool fine = pread(fd, &lost, sizeof lost, at) == (ssize_t)sizeof lost;
    lost++;
    fine = fine && pwrite(fd, &lost, sizeof lost, at) == (ssize_t)sizeof lost;
    (void)fine; /* it can't fail: the memory is there */
}

/* ---- sums ---- */

static void add_counters(struct metrics_counters *to, const struct metrics_counters *from)
{
    uint64_t *sum = (uint64_t *)to;
    const uint64_t *part = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *sum; i++) sum[i] += __atomic_load_n(&part[i], __ATOMIC_RELAXED);
}

static void add_gauges(struct metrics_gauges *to, const struct metrics_gauges *from)
{
    int64_t *sum = (int64_t *)to;
    const int64_t *part = (const int64_t *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *sum; i++) sum[i] += __atomic_load_n(&part[i], __ATOMIC_RELAXED);
}

/* The model's place; the last one where all are taken. */
static struct metrics_model *model_in(struct metrics_model models[METRICS_MODELS], const char *name)
{
    for (int i = 0; i < METRICS_MODELS - 1; i++) {
        struct metrics_model *model = &models[i];
        if (strncmp(model->name, name, sizeof model->name) == 0) return model;
        if (model->name[0]) continue;
        size_t len = strlen(name);
        if (len == 0 || len >= sizeof model->name) break;
        memcpy(model->name, name, len + 1);
        return model;
    }
    struct metrics_model *other = &models[METRICS_MODELS - 1];
    if (!other->name[0]) memcpy(other->name, "other", sizeof "other");
    return other;
}

static void add_models(struct metrics_values *to, const struct metrics_values *from)
{
    for (int i = 0; i < METRICS_MODELS; i++) {
        const struct metrics_model *part = &from->models[i];
        if (!part->name[0]) continue;
        struct metrics_model *sum =
            i == METRICS_MODELS - 1 ? model_in(to->models, "") : model_in(to->models, part->name);
        sum->prompt_tokens += __atomic_load_n(&part->prompt_tokens, __ATOMIC_RELAXED);
        sum->completion_tokens += __atomic_load_n(&part->completion_tokens, __ATOMIC_RELAXED);
        sum->cost_micro_usd += __atomic_load_n(&part->cost_micro_usd, __ATOMIC_RELAXED);
    }
}

void metrics_sum(struct metrics_values *out, int *workers)
{
    memset(out, 0, sizeof *out);
    *workers = 0;
    if (!region) {
        *out = alone;
        *workers = 1;
        return;
    }
    uint64_t lost = 0;
    for (int i = 0; i < METRICS_SLOTS; i++) {
        const struct slot *slot = slot_at(region, i);
        lost += __atomic_load_n((const uint64_t *)(const void *)((const char *)slot + LOST_AT), __ATOMIC_RELAXED);
        if (__atomic_load_n(&slot->layout, __ATOMIC_ACQUIRE) != own_layout) continue;
        add_counters(&out->counters, &slot->values.counters);
        add_models(out, &slot->values);
        if (!__atomic_load_n(&slot->alive, __ATOMIC_ACQUIRE)) continue;
        add_gauges(&out->gauges, &slot->values.gauges);
        ++*workers;
    }
    out->counters.workers_lost = lost;
}

/* ---- the provider's word ---- */

bool metrics_tell_account(enum metrics_account stands)
{
    if (__atomic_load_n(account, __ATOMIC_RELAXED) == (uint32_t)stands) return false; /* as a rule */
    uint32_t before = __atomic_exchange_n(account, (uint32_t)stands, __ATOMIC_RELAXED);
    return before != (uint32_t)stands && (stands == ACCOUNT_REFUSED || before == ACCOUNT_REFUSED);
}

enum metrics_account metrics_account(void)
{
    return (enum metrics_account)__atomic_load_n(account, __ATOMIC_RELAXED);
}

/* ---- counting ---- */

static const int64_t bounds_ms[METRICS_BUCKETS] = {5,    10,   25,    50,    100,   250,    500,   1000,
                                                   2500, 5000, 10000, 30000, 60000, 120000, 300000};
static const int statuses[METRICS_STATUSES] = {200, 201, 202, 204, 206, 302, 304, 400, 401, 402, 403, 404, 405, 408,
                                               409, 413, 414, 415, 422, 429, 499, 500, 501, 502, 503, 504, 0};

int64_t metrics_bucket_ms(int bucket)
{
    return bounds_ms[bucket];
}

int metrics_status(int at)
{
    return statuses[at];
}

void metrics_observe(struct metrics_histogram *histogram, int64_t ms)
{
    int bucket = 0;
    if (ms < 0) ms = 0;
    while (bucket < METRICS_BUCKETS && ms > bounds_ms[bucket]) bucket++;
    metrics_add(&histogram->buckets[bucket], 1);
    metrics_add(&histogram->sum_ms, (uint64_t)ms);
}

void metrics_request(int route, int status, int64_t duration_ms)
{
    int at = 0;
    if (route < 0 || route >= METRICS_ROUTES) route = METRICS_ROUTES - 1;
    while (at < METRICS_STATUSES - 1 && statuses[at] != status) at++;
    metrics_add(&metrics->counters.requests[route][at], 1);
    metrics_observe(&metrics->counters.request_time[route], duration_ms);
}

void metrics_usage(const char *model, int64_t prompt_tokens, int64_t completion_tokens, int64_t cost_micro_usd)
{
    pthread_mutex_lock(&models_lock);
    struct metrics_model *used = model_in(metrics->models, model ? model : "");
    pthread_mutex_unlock(&models_lock);
    if (prompt_tokens > 0) metrics_add(&used->prompt_tokens, (uint64_t)prompt_tokens);
    if (completion_tokens > 0) metrics_add(&used->completion_tokens, (uint64_t)completion_tokens);
    if (cost_micro_usd > 0) metrics_add(&used->cost_micro_usd, (uint64_t)cost_micro_usd);
}

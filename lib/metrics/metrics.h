/*
 * The figures of the service for its operator, over all workers as one view. The master maps one region of shared
 * memory before it starts them. Each worker writes plain numbers into a slot of its own; the worker that is asked sums
 * all slots. When a worker has ended, the next one gets its slot and counts on, so counters never go back. Gauges count
 * only while the slot's worker lives.
 *
 * Counting is a few atomic additions: any thread, no lock, no allocation, no system call. Before metrics_join a
 * process counts into memory of its own (tests, tools).
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    METRICS_SLOTS = 192,
    METRICS_ROUTES = 48,   /* rows of the routes table; the last one is for paths that no row has */
    METRICS_STATUSES = 28, /* the last one: any other */
    METRICS_MODELS = 32,   /* the last one: any other */
    METRICS_MODEL_SIZE = 96,
    METRICS_BUCKETS = 15, /* upper bounds; one more for all above */
};

enum metrics_admission {
    ADMISSION_ADMITTED,
    ADMISSION_RATE_LIMITED,
    ADMISSION_QUOTA_EXCEEDED,
    ADMISSION_TOO_MANY_STREAMS,
    ADMISSION_QUOTA_UNAVAILABLE,
    ADMISSION_API_UNAVAILABLE, /* the breaker */
    ADMISSION_MODEL_RESTS,     /* after a 429 of the provider */
    ADMISSION_OVERLOADED,
    ADMISSION_SHUTTING_DOWN,
    ADMISSION_RESULTS
};
enum metrics_upstream {
    UPSTREAM_TIMEOUT,
    UPSTREAM_RATE_LIMITED,
    UPSTREAM_INVALID,
    UPSTREAM_ACCOUNT,
    UPSTREAM_OTHER,
    UPSTREAM_KINDS
};
enum metrics_answer { ANSWERS_COMPLETE, ANSWERS_STOPPED, ANSWERS_INTERRUPTED, ANSWERS_FAILED, ANSWER_RESULTS };
enum metrics_completion { COMPLETIONS_OK, COMPLETIONS_FAILED, COMPLETIONS_CLIENT_LEFT, COMPLETION_RESULTS };
enum metrics_quota { QUOTA_TAKEN, QUOTA_GIVEN_BACK, QUOTA_CHANGES }; /* units of the day */
enum metrics_feedback { RATED_UP, RATED_DOWN, RATED_NONE, RATINGS };
enum metrics_cohort { COHORT_ON, COHORT_OFF, COHORT_ADMIN, COHORTS };

enum metrics_account { ACCOUNT_UNKNOWN, ACCOUNT_FINE, ACCOUNT_REFUSED }; /* the provider's word of our key */

struct metrics_histogram {
    uint64_t buckets[METRICS_BUCKETS + 1]; /* each for itself, not cumulative */
    uint64_t sum_ms;
};

/* Everything here is a uint64_t: sums are made over it as one array. */
struct metrics_counters {
    uint64_t requests[METRICS_ROUTES][METRICS_STATUSES];
    struct metrics_histogram request_time[METRICS_ROUTES];
    struct metrics_histogram first_token;
    uint64_t chunks, chunk_bytes;         /* of text, from the provider */
    uint64_t upstream_reads;              /* of the provider's connections: one may bring several chunks */
    uint64_t stream_writes, stream_bytes; /* to clients of streams */
    uint64_t upstream_requests, upstream_errors[UPSTREAM_KINDS];
    uint64_t admissions[ADMISSION_RESULTS];
    uint64_t quota[QUOTA_CHANGES];
    uint64_t answers[ANSWER_RESULTS];
    uint64_t completions[COMPLETION_RESULTS];
    uint64_t feedback[RATINGS];
    uint64_t cohorts[COHORTS];
    uint64_t redis_late, redis_given_up, redis_repeated; /* calls; see redis/conn.h */
    uint64_t workers_lost;                               /* the master counts them (metrics_lost) */
};

struct metrics_gauges {
    int64_t answers_live, answers_detached, completions_live, attached_elsewhere, readers, jobs_queued,
        requests_running;
    int64_t pace_ms; /* between two readings of a stream that flows; the sum of all workers' */
    int64_t request_threads, job_threads, stream_places; /* how many there are */
};

struct metrics_model {
    char name[METRICS_MODEL_SIZE]; /* "" = free */
    uint64_t prompt_tokens, completion_tokens, cost_micro_usd;
};

struct metrics_values {
    struct metrics_counters counters;
    struct metrics_gauges gauges;
    struct metrics_model models[METRICS_MODELS];
};

/* The slot of this process; never NULL. */
extern struct metrics_values *metrics;

/* ---- the region ---- */

/* Returns a descriptor of a new region, or -1. For the master, before it starts workers. */
int metrics_region(void);
/* For a worker: counts into that slot from now on, added to what it holds. false: it counts for itself alone. */
bool metrics_join(int fd, int slot);
/* For the master: nobody counts into that slot any more. */
void metrics_leave(int fd, int slot);
/* For the master: that slot's worker ended, and nobody had asked it to. */
void metrics_lost(int fd, int slot);
/* Sums all slots; *workers: how many live. */
void metrics_sum(struct metrics_values *out, int *workers);

/* ---- counting ---- */

static inline void metrics_add(uint64_t *counter, uint64_t by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}
static inline void metrics_move(int64_t *gauge, int64_t by)
{
    __atomic_fetch_add(gauge, by, __ATOMIC_RELAXED);
}
void metrics_observe(struct metrics_histogram *histogram, int64_t ms);
/* Counts a request. route: its row in the table; any other number: none. */
void metrics_request(int route, int status, int64_t duration_ms);
/* Counts the use of an answer or a completion; tokens below 0 count as none. Only configured models may be named. */
void metrics_usage(const char *model, int64_t prompt_tokens, int64_t completion_tokens, int64_t cost_micro_usd);

/* Notes the provider's word about our key and account; the newest word of any worker counts. Returns whether that is
 * news for the log: it is refused now, or no longer. */
bool metrics_tell_account(enum metrics_account stands);
enum metrics_account metrics_account(void);

/* Returns the upper bound of a bucket in milliseconds. */
int64_t metrics_bucket_ms(int bucket);
/* Returns the status at that place in `requests`; 0 for the last. */
int metrics_status(int at);

#endif

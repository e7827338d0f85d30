#include "fcgi/worker.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/accept.h"
#include "fcgi/keeper.h"
#include "fcgi/stores.h"
#include "fcgi/upkeep.h"
#include "metrics/metrics.h"
#include "relay/relay.h"
#include "sambanova/provider.h"

enum {
    JOB_THREADS = 3,
    STEP_THREADS = 2,
    POOL_THREADS_MAX = 3,
    READERS_PER_USER = 32,   /* and two for each answer that a user may have at once */
    LARGE_BYTES = 256 << 10, /* a block as large goes back to the system at once when it is freed */
    REAP_MARGIN_MS = 60000,
    DRAIN_MARGIN_MS = 5000, /* on top of the longest answer */
    DRAIN_STEP_MS = 100,
    COUNT_USE_MS = 2000,   /* while it drains */
    END_SECONDS = 60,      /* for what comes after the last stream */
    MASTER_GONE = SIGUSR2, /* not SIGTERM: a worker that drains already would take a second one for a hurry */
};

/* A pool of job threads, and the stores of each thread. */
struct pool {
    struct job_pool *jobs;
    struct stores stores[POOL_THREADS_MAX];
};

struct worker {
    const struct settings *settings;
    const char *version;
    int listen_fd, stop_fd, signal_fd;
    atomic_bool draining;
    struct stores_base base;
    struct provider *provider;
    struct pool jobs, titles, log_jobs, step_jobs;
    struct relay *relay;
    struct http_app app;
    struct upkeep *upkeep;
    struct keeper *keeper;
    struct acceptor *acceptor;
};

/* ---- start ---- */

static void quiet_signals(struct worker *worker)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, MASTER_GONE);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* in every thread: libfcgi takes EINTR for the end of a connection */
    sigdelset(&set, SIGPIPE);
    worker->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    accept_init();
    signal(SIGPIPE, SIG_IGN); /* after accept_init, which sets handlers of its own */
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

static bool open_provider(struct worker *worker)
{
    const struct settings *settings = worker->settings;
    struct sambanova_settings provider = {
        .api_key = settings->api_key,
        .api_base = settings->api_base,
        .proxy = settings->proxy,
        .connect_timeout_ms = settings->connect_timeout_ms,
        .first_byte_timeout_ms = settings->first_byte_timeout_ms,
        .idle_timeout_ms = settings->idle_timeout_ms,
        .total_timeout_ms = settings->total_timeout_ms,
    };
    const char *problem;
    worker->provider = sambanova_open(&provider, &problem);
    worker->base.provider = worker->provider;
    return worker->provider != NULL;
}

static int readers_per_user(const struct settings *settings)
{
    int answers = settings->policy.max_concurrent_streams;
    return answers == QUOTA_UNLIMITED ? settings->max_streams : READERS_PER_USER + 2 * answers;
}

/* false: a thread can't have what it needs. pool->jobs stays NULL where no threads are to be had. */
static bool open_pool(struct worker *worker, struct pool *pool, int threads)
{
    const struct chat_ports *ports[POOL_THREADS_MAX];
    for (int i = 0; i < threads; i++) {
        if (!stores_open(&pool->stores[i], &worker->base)) return false;
        ports[i] = &pool->stores[i].ports;
    }
    pool->jobs = relay_jobs_open(ports, threads);
    return true;
}

static void close_pool(struct pool *pool)
{
    for (int i = 0; i < POOL_THREADS_MAX; i++) stores_close(&pool->stores[i]);
}

/* All but the titles' are needed. */
static bool open_pools(struct worker *worker)
{
    if (!open_pool(worker, &worker->jobs, JOB_THREADS)) return false;
    if (worker->settings->policy.title_model && !open_pool(worker, &worker->titles, 1)) return false;
    return open_pool(worker, &worker->log_jobs, 1) && open_pool(worker, &worker->step_jobs, STEP_THREADS) &&
           worker->jobs.jobs && worker->log_jobs.jobs && worker->step_jobs.jobs;
}

static bool open_relay(struct worker *worker)
{
    const struct settings *settings = worker->settings;
    struct relay_settings relay = {
        .titles = worker->titles.jobs,
        .log_jobs = worker->log_jobs.jobs,
        .step_jobs = worker->step_jobs.jobs,
        .provider = worker->provider,
        .ca_file = settings->ca.path,
        .clock = clock_system(),
        .max_streams = settings->max_streams,
        .pace_ms = settings->pace_ms,
        .max_readers_per_user = readers_per_user(settings),
        .detach_grace_ms = settings->policy.detach_grace_seconds * 1000,
        .keep_warm = true,
        .fallback_model = settings->policy.fallback_model,
    };
    worker->relay = relay_open(&relay, worker->jobs.jobs);
    for (int i = 0; worker->relay && i < STEP_THREADS; i++) /* before any request brings the first step */
        worker->step_jobs.stores[i].ports.answers = relay_answers(worker->relay);
    return worker->relay != NULL;
}

static bool open_upkeep(struct worker *worker)
{
    worker->upkeep = upkeep_open(&worker->base, worker->relay);
    return worker->upkeep != NULL;
}

static bool open_keeper(struct worker *worker)
{
    const struct keeper_settings keeper = {
        .base = &worker->base,
        .stop_fd = worker->stop_fd,
        .process_id = relay_process_id(worker->relay),
        .longest_answer_ms = worker->settings->total_timeout_ms + REAP_MARGIN_MS,
    };
    worker->keeper = keeper_open(&keeper);
    return worker->keeper != NULL;
}

static bool start_accepting(struct worker *worker)
{
    worker->app = (struct http_app){
        .jwt = &worker->settings->jwt,
        .draining = &worker->draining,
        .check_postgres = stores_check_postgres,
        .check_migrations = stores_check_migrations,
        .version = worker->version,
    };
    const struct accept_settings accepting = {
        .listen_fd = worker->listen_fd,
        .stop_fd = worker->stop_fd,
        .threads = worker->settings->request_threads,
        .app = &worker->app,
        .base = &worker->base,
        .answers = relay_answers(worker->relay),
    };
    worker->acceptor = acceptor_open(&accepting);
    return worker->acceptor && acceptor_start(worker->acceptor);
}

static bool start(struct worker *worker)
{
    worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return worker->stop_fd >= 0 && stores_base_open(&worker->base, worker->settings) && open_provider(worker) &&
           open_pools(worker) && open_relay(worker) && open_upkeep(worker) && open_keeper(worker) &&
           start_accepting(worker);
}

/* ---- run ---- */

/* 0: none within timeout_ms. */
static int next_signal(const struct worker *worker, int timeout_ms)
{
    struct signalfd_siginfo info;
    struct pollfd waiting = {.fd = worker->signal_fd, .events = POLLIN};
    if (poll(&waiting, 1, timeout_ms) <= 0) return 0;
    return read(worker->signal_fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static void run_until_told(struct worker *worker, int *signal_number)
{
    do *signal_number = next_signal(worker, upkeep_turn(worker->upkeep));
    while (*signal_number != SIGTERM && *signal_number != SIGINT && *signal_number != MASTER_GONE);
    if (*signal_number == MASTER_GONE) *signal_number = SIGTERM;
}

/* ---- drain and stop ---- */

/* Sees to it that the process ends, whatever a thread waits for: its master waits for it, and nobody else would end it.
 * SIGALRM, which nobody handles, kills it. */
static void end_at_latest(int drain_seconds)
{
    alarm((unsigned)(drain_seconds + END_SECONDS));
}

static void tell_threads_to_stop(const struct worker *worker)
{
    uint64_t one = 1;
    if (write(worker->stop_fd, &one, sizeof one) != (ssize_t)sizeof one) abort();
}

/* Waits until no place is taken in the relay. A second signal, or until_ms, ends the wait earlier. */
static void wait_for_streams(struct worker *worker, int64_t started_ms, int64_t until_ms)
{
    const struct clock *clock = clock_system();
    int64_t counted_ms = started_ms;
    while (relay_live(worker->relay) && clock_mono_ms(clock) < until_ms) {
        int next_ms = upkeep_turn(worker->upkeep);
        int signal_number = next_signal(worker, next_ms < DRAIN_STEP_MS ? next_ms : DRAIN_STEP_MS);
        bool haste = signal_number == SIGTERM || signal_number == SIGINT;
        if (haste) end_at_latest(0);
        if (clock_mono_ms(clock) - counted_ms >= COUNT_USE_MS) {
            counted_ms = clock_mono_ms(clock);
            keeper_count_use(worker->keeper);
        }
        if (haste) return;
    }
}

/* No more requests are taken. Streams finish, unless the operator is in a hurry; what is left then is ended. */
static void drain(struct worker *worker, int signal_number)
{
    const struct clock *clock = clock_system();
    int64_t started_ms = clock_mono_ms(clock);
    int longest_ms = worker->settings->total_timeout_ms + DRAIN_MARGIN_MS;
    log_write(LOG_INFO, "draining", LOG_INT("live", relay_live(worker->relay)));
    end_at_latest(signal_number == SIGTERM ? longest_ms / 1000 : 0);
    atomic_store(&worker->draining, true);
    upkeep_turn_now(worker->upkeep); /* what is being asked of the stores may take some seconds */
    tell_threads_to_stop(worker);
    acceptor_join(worker->acceptor); /* what they have accepted they still serve: nobody else can */
    relay_refuse(worker->relay);
    if (signal_number == SIGTERM) wait_for_streams(worker, started_ms, started_ms + longest_ms);
    relay_drain(worker->relay);
    log_write(LOG_INFO, "drained", LOG_INT("duration_ms", clock_mono_ms(clock) - started_ms));
}

/* After drain, or after a start that failed: ends all threads, and frees everything. */
static void stop(struct worker *worker)
{
    struct pool *const pools[] = {&worker->jobs, &worker->titles, &worker->log_jobs, &worker->step_jobs};
    enum { POOLS = sizeof pools / sizeof pools[0] };
    keeper_join(worker->keeper);
    relay_close(worker->relay);
    for (int i = 0; i < POOLS; i++) job_pool_close(pools[i]->jobs);
    upkeep_count_use(worker->upkeep);
    acceptor_close(worker->acceptor);
    for (int i = 0; i < POOLS; i++) close_pool(pools[i]);
    upkeep_close(worker->upkeep);
    keeper_close(worker->keeper);
    sambanova_close(worker->provider);
    stores_base_close(&worker->base);
    close(worker->stop_fd);
    close(worker->signal_fd);
}

int worker_run(const struct settings *settings, int listen_fd, int ready_fd, const char *version)
{
    struct worker worker = {.settings = settings, .version = version, .listen_fd = listen_fd};
    int signal_number = SIGINT;
    quiet_signals(&worker);
    prctl(PR_SET_PDEATHSIG, MASTER_GONE);
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES); /* else it grows with what is freed, and large bodies stay for ever */
    mallopt(M_ARENA_MAX, 2); /* what one thread takes another gives back: more arenas would only be full of holes */
    bool started = start(&worker);
    if (started) {
        metrics_move(&metrics->gauges.request_threads, settings->request_threads);
        metrics_move(&metrics->gauges.job_threads, JOB_THREADS + STEP_THREADS + (worker.titles.jobs ? 1 : 0));
        metrics_move(&metrics->gauges.stream_places, settings->max_streams);
        log_write(LOG_INFO, "worker_ready", LOG_INT("request_threads", settings->request_threads));
        if (ready_fd >= 0 && write(ready_fd, "1", 1) != 1) log_write(LOG_WARN, "ready_not_told");
        if (ready_fd >= 0) close(ready_fd);
        run_until_told(&worker, &signal_number);
    } else
        log_write(LOG_ERROR, "worker_start_failed");
    if (worker.upkeep) drain(&worker, signal_number);
    stop(&worker);
    return started ? 0 : 1;
}

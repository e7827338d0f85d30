#include "fcgi/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/migrations.h"
#include "fcgi/renewal.h"
#include "fcgi/request.h"
#include "http/serve.h"
#include "metrics/metrics.h"
#include "postgres/conn.h"
#include "postgres/message_repo.h"
#include "postgres/session_repo.h"
#include "postgres/usage_repo.h"
#include "redis/admission.h"
#include "redis/answer_log.h"
#include "redis/breaker.h"
#include "redis/conn.h"
#include "redis/idempotency.h"
#include "relay/relay.h"
#include "sambanova/provider.h"
#include "usecases/purge_sessions.h"
#include "usecases/reap_answers.h"
#include "usecases/use_ledger.h"

enum {
    JOB_THREADS = 3,
    STEP_THREADS = 2,
    READERS_PER_USER = 32, /* and two for each answer that a user may have at once */
    WARM_UP_TRIES = 3,
    THREAD_STACK_BYTES = 512 << 10, /* cJSON and libpq need some of it */
    TRIM_AFTER_STREAMS = 256,
    TRIM_AFTER_LAST = 64,
    TRIM_AFTER_BYTES = 1 << 20, /* of one request */
    LARGE_BYTES = 256 << 10,    /* what is as large goes back to the system at once when it is freed */
    HOUSEKEEPING_MS = 2000,
    MEMORY_LOOK_MS = 500,
    RENEWAL_STEP_MS = 50, /* all leases within a second */
    REAP_MARGIN_MS = 60000,
    DRAIN_MARGIN_MS = 5000, /* on top of the longest answer */
    DRAIN_STEP_MS = 100,
    END_SECONDS = 60,      /* for what comes after the last stream */
    MASTER_GONE = SIGUSR2, /* no SIGTERM: to one that drains already a second one would be haste */
    ACCEPT_RETRY_MS = 100,
};

/* What one thread has for itself: a connection to each store. */
struct stores {
    struct worker *worker;
    struct pg_conn *pg;
    struct redis_conn *redis;
    struct session_repo *sessions;
    struct message_repo *messages;
    struct usage_repo *usage;
    struct admission *admission;
    struct idempotency *idempotency;
    struct answer_log *log;
    struct shared_breaker *breaker;
    struct chat_ports ports;
};

struct request_thread {
    pthread_t thread;
    bool running;
    struct stores stores;
};

/* What the first thread does as long as the process lives, and when it is due. */
struct upkeep {
    int64_t alive_at_ms, memory_at_ms;
    struct renewal renewal;
    int live_peak; /* most streams at once since memory was last given back */
};

struct worker {
    const struct settings *settings;
    struct reaper reaper;
    struct upkeep upkeep;
    int64_t purge_at_ms;
    const char *version;
    int listen_fd, stop_fd, signal_fd;
    int accept_fd; /* where request threads wait */
    pthread_mutex_t accept_lock;
    struct pg_health *pg_health;
    struct redis_server *redis_server;
    struct local_breaker *local_breaker;
    struct provider *provider;
    struct job_pool *jobs, *titles, *log_jobs, *step_jobs;
    struct use_ledger *ledger;
    struct relay *relay;
    struct http_app app;
    atomic_bool draining;
    struct stores job_stores[JOB_THREADS], step_stores[STEP_THREADS], title_stores, log_stores, own_stores,
        keeper_stores;
    struct request_thread *threads;
    pthread_t keeper;
    bool keeper_running;
    bool postgres_seen, redis_seen, stores_looked_at;
};

/* ---- stores ---- */

static bool stores_open(struct stores *stores, struct worker *worker)
{
    const struct settings *settings = worker->settings;
    const struct clock *clock = clock_system();
    stores->worker = worker;
    stores->pg = pg_conn_open(settings->database_url, clock, worker->pg_health, 0);
    stores->redis = redis_conn_open(worker->redis_server);
    if (!stores->pg || !stores->redis) return false;
    stores->sessions = pg_session_repo_open(stores->pg);
    stores->messages = pg_message_repo_open(stores->pg);
    stores->usage = pg_usage_repo_open(stores->pg);
    stores->admission = redis_admission_open(stores->redis, &settings->policy, clock, settings->workers);
    stores->idempotency = redis_idempotency_open(stores->redis, clock);
    stores->log = redis_answer_log_open(stores->redis);
    stores->breaker = redis_breaker_open(stores->redis, worker->local_breaker, clock);
    stores->ports = (struct chat_ports){
        .policy = &settings->policy,
        .prices = &settings->prices,
        .clock = clock,
        .provider = worker->provider,
        .sessions = stores->sessions,
        .messages = stores->messages,
        .usage = stores->usage,
        .ledger = worker->ledger,
        .admission = stores->admission,
        .idempotency = stores->idempotency,
        .log = stores->log,
        .breaker = stores->breaker,
    };
    return stores->sessions && stores->messages && stores->usage && stores->admission && stores->idempotency &&
           stores->log && stores->breaker;
}

static void stores_close(struct stores *stores)
{
    if (stores->breaker) redis_breaker_close(stores->breaker);
    if (stores->log) redis_answer_log_close(stores->log);
    if (stores->idempotency) redis_idempotency_close(stores->idempotency);
    if (stores->admission) redis_admission_close(stores->admission);
    if (stores->usage) pg_usage_repo_close(stores->usage);
    if (stores->messages) pg_message_repo_close(stores->messages);
    if (stores->sessions) pg_session_repo_close(stores->sessions);
    if (stores->redis) redis_conn_close(stores->redis);
    if (stores->pg) pg_conn_close(stores->pg);
}

static enum chat_error check_postgres(void *stores)
{
    return pg_ping(((struct stores *)stores)->pg);
}

static enum chat_error check_migrations(void *stores)
{
    char level[PG_SCHEMA_LEVEL_SIZE];
    enum chat_error error = pg_schema_level(((struct stores *)stores)->pg, level);
    if (error != CHAT_OK) return error;
    /* a newer schema is fine: a running old version survives each step up */
    return strcmp(level, MIGRATION_LEVEL) >= 0 ? CHAT_OK : CHAT_ERR_DATABASE_UNAVAILABLE;
}

/* ---- request threads ---- */

static bool watch_listener(const struct worker *worker)
{
    struct epoll_event listening = {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, .data.fd = worker->listen_fd};
    return epoll_ctl(worker->accept_fd, EPOLL_CTL_ADD, worker->listen_fd, &listening) == 0;
}

/* All threads wait in one epoll: of a connection the kernel tells one, the one that began to wait last. What it, and
 * its connections to the stores, need is still in the processor's caches. A stop is told to all. */
static bool open_accept(struct worker *worker)
{
    struct epoll_event stop = {.events = EPOLLIN, .data.fd = worker->stop_fd};
    pthread_mutex_init(&worker->accept_lock, NULL);
    worker->accept_fd = epoll_create1(EPOLL_CLOEXEC);
    return worker->accept_fd >= 0 && watch_listener(worker) &&
           epoll_ctl(worker->accept_fd, EPOLL_CTL_ADD, worker->stop_fd, &stop) == 0;
}

/* The kernel tells the first in the socket's queue: who takes a connection goes to the queue's end, or one worker would
 * get nearly all. What else waits to be taken is told anew. */
static void go_to_the_end(struct worker *worker)
{
    pthread_mutex_lock(&worker->accept_lock);
    bool fine = epoll_ctl(worker->accept_fd, EPOLL_CTL_DEL, worker->listen_fd, NULL) == 0 && watch_listener(worker);
    pthread_mutex_unlock(&worker->accept_lock);
    if (fine) return;
    log_write(LOG_ERROR, "accept_setup_failed", LOG_STR("reason", strerror(errno)));
    abort();
}

/* -1: none, mostly because another thread or worker was faster (the socket doesn't block). */
static int take_connection(struct worker *worker)
{
    int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_CLOEXEC), error = fd < 0 ? errno : 0;
    if (error == EAGAIN || error == EINTR) return -1;
    if (error && error != ECONNABORTED) { /* out of descriptors, say: it still waits, and will be told of again */
        log_write(LOG_ERROR, "accept_failed", LOG_STR("reason", strerror(error)));
        clock_sleep_ms(clock_system(), ACCEPT_RETRY_MS);
    }
    go_to_the_end(worker);
    return fd;
}

/* Whether there may be a connection; *stop: it is the last one to take. A connection that this worker was told of no
 * other knows, so it is taken before a stop; only one, as under load there is always another. */
static bool wait_for_connection(const struct worker *worker, bool *stop)
{
    struct epoll_event events[2];
    int count = epoll_wait(worker->accept_fd, events, 2, -1);
    bool connection = false;
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == worker->stop_fd) *stop = true;
        if (events[i].data.fd == worker->listen_fd) connection = true;
    }
    return connection;
}

/* Connects before the first request comes, which then has all of its short time limits for itself. */
static void warm_up(struct stores *stores)
{
    bool postgres = pg_ping(stores->pg) == CHAT_OK, redis = false;
    for (int tries = 0; !redis && tries < WARM_UP_TRIES; tries++) { /* a start is a busy moment */
        redis_conn_new_request(stores->redis);
        redis = stores->admission->ops->ping(stores->admission) == CHAT_OK;
    }
    if (!postgres || !redis) log_write(LOG_DEBUG, "thread_starts_without_stores");
}

static void *request_main(void *argument)
{
    struct request_thread *self = argument;
    struct worker *worker = self->stores.worker;
    pthread_setname_np(pthread_self(), "request"); /* as `top -H` and gdb show it */
    warm_up(&self->stores);
    FCGX_Request fcgi;
    struct arena arena;
    arena_init(&arena);
    FCGX_InitRequest(&fcgi, worker->listen_fd, FCGI_FAIL_ACCEPT_ON_INTR);
    for (bool stop = false; !stop;) {
        int fd = wait_for_connection(worker, &stop) ? take_connection(worker) : -1;
        if (fd < 0) continue;
        fcgi.ipcFd = fd; /* libfcgi reads the request from it, as from one that was kept */
        fcgi.keepConnection = 1;
        if (FCGX_Accept_r(&fcgi) < 0) continue; /* no request came, and it doesn't wait for another connection */
        struct fcgi_request request;
        fcgi_request_init(&request, &fcgi, &arena);
        redis_conn_new_request(self->stores.redis);
        metrics_move(&metrics->gauges.requests_running, 1);
        http_serve(&worker->app, &self->stores.ports, &self->stores, &request.request, &arena);
        metrics_move(&metrics->gauges.requests_running, -1);
        FCGX_Finish_r(&fcgi);
        bool large = arena.used_bytes > TRIM_AFTER_BYTES;
        arena_reset(&arena);
        if (large) malloc_trim(0);
    }
    arena_fini(&arena);
    return NULL;
}

static bool start_request_threads(struct worker *worker)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    bool fine = true;
    for (int i = 0; fine && i < worker->settings->request_threads; i++) {
        struct request_thread *thread = &worker->threads[i];
        fine = stores_open(&thread->stores, worker);
        thread->stores.ports.answers = relay_answers(worker->relay);
        thread->running = fine && pthread_create(&thread->thread, &attributes, request_main, thread) == 0;
        fine = thread->running;
    }
    pthread_attr_destroy(&attributes);
    return fine;
}

static void stop_request_threads(struct worker *worker)
{
    uint64_t one = 1;
    if (write(worker->stop_fd, &one, sizeof one) != (ssize_t)sizeof one) abort();
    for (int i = 0; i < worker->settings->request_threads; i++)
        if (worker->threads[i].running) pthread_join(worker->threads[i].thread, NULL);
}

/* ---- the keeper: a thread that may wait for Postgres, so that the process says in time that it lives ---- */

static void tell_store(const char *name, bool there, bool *seen, bool first)
{
    if (there == *seen && !first) return;
    if (there)
        log_write(LOG_INFO, "store_reached", LOG_STR("store", name));
    else
        log_write(LOG_WARN, "store_away", LOG_STR("store", name), LOG_STR("hint", "trying again; see /readyz"));
    *seen = there;
}

/* Postgres away: it is kept. */
static void count_use(struct worker *worker)
{
    if (!use_ledger_flush(worker->ledger, worker->keeper_stores.usage)) log_write(LOG_DEBUG, "use_not_written_yet");
}

static void housekeeping(struct worker *worker)
{
    struct admission *admission = worker->keeper_stores.admission;
    bool first = !worker->stores_looked_at;
    tell_store("postgres", pg_ping(worker->keeper_stores.pg) == CHAT_OK, &worker->postgres_seen, first);
    tell_store("redis", admission->ops->ping(admission) == CHAT_OK, &worker->redis_seen, first);
    worker->stores_looked_at = true;
    count_use(worker);
    int64_t now_ms = clock_mono_ms(clock_system());
    if (worker->redis_seen) reap_answers(&worker->keeper_stores.ports, &worker->reaper);
    if (worker->postgres_seen && now_ms >= worker->purge_at_ms)
        worker->purge_at_ms = now_ms + purge_sessions(&worker->keeper_stores.ports);
}

static void *keeper_main(void *argument)
{
    struct worker *worker = argument;
    struct pollfd stopping = {.fd = worker->stop_fd, .events = POLLIN};
    pthread_setname_np(pthread_self(), "housekeeping");
    do housekeeping(worker);
    while (poll(&stopping, 1, HOUSEKEEPING_MS) <= 0);
    return NULL;
}

static bool start_keeper(struct worker *worker)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    worker->reaper.process_id = relay_process_id(worker->relay);
    worker->keeper_running = stores_open(&worker->keeper_stores, worker) &&
                             pthread_create(&worker->keeper, &attributes, keeper_main, worker) == 0;
    pthread_attr_destroy(&attributes);
    return worker->keeper_running;
}

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
    FCGX_Init();
    signal(SIGPIPE, SIG_IGN); /* after FCGX_Init, which sets handlers of its own */
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

static bool open_redis(struct worker *worker)
{
    const char *problem;
    worker->redis_server = redis_server_open(worker->settings->redis_url, REDIS_CALL_MS, &problem);
    if (!worker->redis_server)
        log_write(LOG_ERROR, "setting_wrong", LOG_STR("name", "REDIS_URL"), LOG_STR("problem", problem));
    return worker->redis_server != NULL;
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
    return worker->provider != NULL;
}

static int readers_per_user(const struct settings *settings)
{
    int answers = settings->policy.max_concurrent_streams;
    return answers == QUOTA_UNLIMITED ? settings->max_streams : READERS_PER_USER + 2 * answers;
}

static bool open_relay(struct worker *worker)
{
    const struct chat_ports *ports[JOB_THREADS];
    for (int i = 0; i < JOB_THREADS; i++) {
        if (!stores_open(&worker->job_stores[i], worker)) return false;
        ports[i] = &worker->job_stores[i].ports;
    }
    worker->jobs = relay_jobs_open(ports, JOB_THREADS);
    if (!stores_open(&worker->title_stores, worker)) return false;
    ports[0] = &worker->title_stores.ports;
    worker->titles = worker->settings->policy.title_model ? relay_jobs_open(ports, 1) : NULL;
    if (!stores_open(&worker->log_stores, worker)) return false;
    ports[0] = &worker->log_stores.ports;
    worker->log_jobs = relay_jobs_open(ports, 1);
    for (int i = 0; i < STEP_THREADS; i++) {
        if (!stores_open(&worker->step_stores[i], worker)) return false;
        ports[i] = &worker->step_stores[i].ports;
    }
    worker->step_jobs = relay_jobs_open(ports, STEP_THREADS);
    struct relay_settings relay = {
        .titles = worker->titles,
        .log_jobs = worker->log_jobs,
        .step_jobs = worker->step_jobs,
        .provider = worker->provider,
        .ca_file = worker->settings->ca.path,
        .clock = clock_system(),
        .max_streams = worker->settings->max_streams,
        .max_readers_per_user = readers_per_user(worker->settings),
        .detach_grace_ms = worker->settings->policy.detach_grace_seconds * 1000,
        .keep_warm = true,
        .fallback_model = worker->settings->policy.fallback_model,
    };
    bool pools = worker->jobs && worker->log_jobs && worker->step_jobs;
    worker->relay = pools ? relay_open(&relay, worker->jobs) : NULL;
    for (int i = 0; worker->relay && i < STEP_THREADS; i++) /* before any request brings the first step */
        worker->step_stores[i].ports.answers = relay_answers(worker->relay);
    return worker->relay != NULL;
}

static bool start(struct worker *worker)
{
    worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->pg_health = pg_health_open(clock_system());
    if (worker->pg_health && !worker->settings->database_prepare) pg_health_dont_prepare(worker->pg_health);
    worker->local_breaker = local_breaker_open();
    worker->ledger = use_ledger_open(clock_system());
    worker->threads = calloc((size_t)worker->settings->request_threads, sizeof *worker->threads);
    worker->app = (struct http_app){
        .jwt = &worker->settings->jwt,
        .draining = &worker->draining,
        .check_postgres = check_postgres,
        .check_migrations = check_migrations,
        .version = worker->version,
    };
    return worker->stop_fd >= 0 && worker->pg_health && worker->local_breaker && worker->ledger && worker->threads &&
           open_redis(worker) && open_provider(worker) && open_relay(worker) &&
           stores_open(&worker->own_stores, worker) && start_keeper(worker) && open_accept(worker) &&
           start_request_threads(worker);
}

/* ---- run and stop ---- */

static void say_alive(struct worker *worker)
{
    struct answer_log *log = worker->own_stores.log;
    bool forgotten;
    if (log->ops->say_alive(log, relay_process_id(worker->relay), &forgotten) != CHAT_OK)
        log_write(LOG_DEBUG, "alive_not_told");
    if (forgotten) relay_log_forgotten(worker->relay);
}

static void take_leases(struct worker *worker)
{
    struct admission_ticket *tickets = NULL;
    size_t count = relay_tickets(worker->relay, &tickets);
    renewal_begin(&worker->upkeep.renewal, tickets, count);
}

static void renew_leases(struct worker *worker, bool rest)
{
    renewal_step(&worker->upkeep.renewal, worker->own_stores.admission, rest);
}

/* Many streams have ended: the allocator keeps their memory until it is told. */
static void give_memory_back(struct worker *worker)
{
    int live = relay_live(worker->relay), *peak = &worker->upkeep.live_peak;
    if (live > *peak) *peak = live;
    int ended = *peak - live;
    if (live > 0 ? ended < TRIM_AFTER_STREAMS || live > ended : ended < TRIM_AFTER_LAST) return;
    *peak = live;
    malloc_trim(0);
}

/* Does what is due, and says how soon more will be. */
static int keep_up(struct worker *worker)
{
    struct upkeep *upkeep = &worker->upkeep;
    int64_t now_ms = clock_mono_ms(clock_system());
    if (now_ms >= upkeep->alive_at_ms) {
        upkeep->alive_at_ms = now_ms + HOUSEKEEPING_MS;
        say_alive(worker);
        take_leases(worker);
    }
    if (now_ms >= upkeep->memory_at_ms) {
        upkeep->memory_at_ms = now_ms + MEMORY_LOOK_MS;
        give_memory_back(worker);
    }
    renew_leases(worker, false);
    if (!renewal_is_over(&upkeep->renewal)) return RENEWAL_STEP_MS;
    int64_t next_ms = upkeep->alive_at_ms < upkeep->memory_at_ms ? upkeep->alive_at_ms : upkeep->memory_at_ms;
    int64_t left_ms = next_ms - clock_mono_ms(clock_system());
    return left_ms > 0 ? (int)left_ms : 0;
}

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
    do *signal_number = next_signal(worker, keep_up(worker));
    while (*signal_number != SIGTERM && *signal_number != SIGINT && *signal_number != MASTER_GONE);
    if (*signal_number == MASTER_GONE) *signal_number = SIGTERM;
}

/* Whatever a thread waits for then: nobody would end this process, and its master waits for it. SIGALRM's own way is to
 * end it. */
static void end_at_latest(int drain_seconds)
{
    alarm((unsigned)(drain_seconds + END_SECONDS));
}

/* Streams finish, unless the operator is in a hurry. */
static void drain(struct worker *worker, int signal_number)
{
    const struct clock *clock = clock_system();
    int64_t started_ms = clock_mono_ms(clock), counted_ms = started_ms;
    int64_t until_ms = started_ms + worker->settings->total_timeout_ms + DRAIN_MARGIN_MS;
    log_write(LOG_INFO, "draining", LOG_INT("live", relay_live(worker->relay)));
    end_at_latest(signal_number == SIGTERM ? (worker->settings->total_timeout_ms + DRAIN_MARGIN_MS) / 1000 : 0);
    atomic_store(&worker->draining, true);
    worker->upkeep.alive_at_ms = 0; /* now: what is being asked of the stores may take some seconds */
    keep_up(worker);
    renew_leases(worker, true);
    stop_request_threads(worker); /* what they have accepted they still serve: nobody else can */
    relay_refuse(worker->relay);
    while (signal_number == SIGTERM && relay_live(worker->relay) && clock_mono_ms(clock) < until_ms) {
        int next_ms = keep_up(worker), another = next_signal(worker, next_ms < DRAIN_STEP_MS ? next_ms : DRAIN_STEP_MS);
        if (another == SIGTERM || another == SIGINT) signal_number = SIGINT;
        if (signal_number == SIGINT) end_at_latest(0);
        if (clock_mono_ms(clock) - counted_ms < HOUSEKEEPING_MS) continue;
        counted_ms = clock_mono_ms(clock);
        count_use(worker);
    }
    relay_drain(worker->relay);
    log_write(LOG_INFO, "drained", LOG_INT("duration_ms", clock_mono_ms(clock) - started_ms));
}

/* What was gathered last, and where that failed what is left: one batch each. */
static void settle_use(struct worker *worker)
{
    enum { TRIES = 5, PAUSE_MS = 1000 };
    if (!worker->ledger || !worker->own_stores.usage) return;
    for (int batch = 0; batch < 2; batch++)
        for (int i = 0; !use_ledger_flush(worker->ledger, worker->own_stores.usage); i++) {
            if (i == TRIES) {
                log_write(LOG_ERROR, "use_not_counted", LOG_STR("hint", "Postgres is away; see completion_ended"));
                return;
            }
            clock_sleep_ms(clock_system(), PAUSE_MS);
        }
}

static void stop(struct worker *worker)
{
    if (worker->keeper_running) pthread_join(worker->keeper, NULL);
    relay_close(worker->relay);
    job_pool_close(worker->jobs);
    job_pool_close(worker->titles);
    job_pool_close(worker->log_jobs);
    job_pool_close(worker->step_jobs);
    settle_use(worker);
    renewal_end(&worker->upkeep.renewal);
    for (int i = 0; worker->threads && i < worker->settings->request_threads; i++)
        stores_close(&worker->threads[i].stores);
    for (int i = 0; i < JOB_THREADS; i++) stores_close(&worker->job_stores[i]);
    for (int i = 0; i < STEP_THREADS; i++) stores_close(&worker->step_stores[i]);
    stores_close(&worker->title_stores);
    stores_close(&worker->log_stores);
    stores_close(&worker->own_stores);
    stores_close(&worker->keeper_stores);
    free(worker->threads);
    sambanova_close(worker->provider);
    if (worker->redis_server) redis_server_close(worker->redis_server);
    local_breaker_close(worker->local_breaker);
    use_ledger_close(worker->ledger);
    pg_health_close(worker->pg_health);
    if (worker->accept_fd >= 0) close(worker->accept_fd);
    close(worker->stop_fd);
    close(worker->signal_fd);
}

int worker_run(const struct settings *settings, int listen_fd, int ready_fd, const char *version)
{
    struct worker worker = {
        .settings = settings,
        .listen_fd = listen_fd,
        .accept_fd = -1,
        .version = version,
        .reaper = {.longest_ms = settings->total_timeout_ms + REAP_MARGIN_MS},
    };
    int signal_number = SIGINT;
    quiet_signals(&worker);
    prctl(PR_SET_PDEATHSIG, MASTER_GONE);
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES); /* else it grows with what is freed, and large bodies stay for ever */
    mallopt(M_ARENA_MAX, 2); /* what one thread takes another gives back: more arenas would only be full of holes */
    bool started = start(&worker);
    if (started) {
        metrics_move(&metrics->gauges.request_threads, settings->request_threads);
        metrics_move(&metrics->gauges.job_threads, JOB_THREADS + STEP_THREADS + (worker.titles ? 1 : 0));
        metrics_move(&metrics->gauges.stream_places, settings->max_streams);
        log_write(LOG_INFO, "worker_ready", LOG_INT("request_threads", settings->request_threads));
        if (ready_fd >= 0 && write(ready_fd, "1", 1) != 1) log_write(LOG_WARN, "ready_not_told");
        if (ready_fd >= 0) close(ready_fd);
        run_until_told(&worker, &signal_number);
    } else
        log_write(LOG_ERROR, "worker_start_failed");
    if (worker.relay) drain(&worker, signal_number);
    stop(&worker);
    return started ? 0 : 1;
}

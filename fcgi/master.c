#include "fcgi/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"

enum {
    WORKERS_MAX = 64,
    SLOTS = WORKERS_MAX * 3, /* two generations may overlap, and a slow drainer of an earlier one */
    BACKLOG = 4096,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    STEADY_MS = 10000, /* a worker that ran this long didn't fail at its start */
    DESCRIPTORS = 65536,
};

struct slot {
    pid_t pid; /* 0: free */
    int generation;
    int ready_fd; /* -1: has said it, or died */
    bool ready;
    bool draining; /* told to */
    int64_t started_ms;
};

struct master {
    struct settings *settings;
    const struct master_options *options;
    struct settings_kept kept; /* the settings in force: what a worker that is started gets */
    int listen_fd, signal_fd;
    int metrics_fd; /* -1: none; a worker's place in it is its slot's */
    bool owns_path;
    struct slot slots[SLOTS];
    int generation; /* of the workers that are wanted */
    int backoff_ms;
    int64_t start_at_ms; /* not before: after workers died at their start */
    bool stopping, leaving;
};
_Static_assert((int)SLOTS <= (int)METRICS_SLOTS, "each worker counts somewhere");

static int64_t now_ms(void)
{
    return clock_mono_ms(clock_system());
}

/* ---- the socket ---- */

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == 0;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listens = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0) close(fd);
    return listens;
}

static int bind_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        log_write(LOG_ERROR, "listen_failed", LOG_STR("reason", "CHAT_LISTEN takes a path of at most 107 bytes"));
        return -1;
    }
    strcpy(address.sun_path, path);
    if (somebody_listens(&address)) {
        log_write(LOG_ERROR, "listen_failed", LOG_STR("path", path),
                  LOG_STR("reason", "already served by another process"));
        return -1;
    }
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0117); /* 0660: nginx's group, nobody else */
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0;
    umask(mask);
    if (bound) return fd;
    log_write(LOG_ERROR, "listen_failed", LOG_STR("path", path), LOG_STR("reason", strerror(errno)));
    if (fd >= 0) close(fd);
    return -1;
}

static bool open_socket(struct master *master)
{
    const char *listen_at = master->settings->listen;
    master->owns_path = !is_number(listen_at);
    master->listen_fd = master->owns_path ? bind_path(listen_at) : atoi(listen_at);
    if (master->listen_fd < 0) return false;
    /* request threads wait in epoll and may find that another was faster */
    int flags = fcntl(master->listen_fd, F_GETFL);
    if (flags >= 0 && fcntl(master->listen_fd, F_SETFL, flags | O_NONBLOCK) == 0) return true;
    log_write(LOG_ERROR, "listen_failed", LOG_STR("reason", strerror(errno)));
    return false;
}

/* ---- workers ---- */

static int count(const struct master *master, int generation)
{
    int found = 0;
    for (int i = 0; i < SLOTS; i++)
        if (master->slots[i].pid && (generation < 0 || master->slots[i].generation == generation)) found++;
    return found;
}

static void become_worker(const struct master *master, int slot, int ready_fd)
{
    char listen_fd[16], ready[16], metrics_fd[16], place[16], env_file[32];
    snprintf(listen_fd, sizeof listen_fd, "%d", master->listen_fd);
    snprintf(ready, sizeof ready, "%d", ready_fd);
    snprintf(metrics_fd, sizeof metrics_fd, "%d", master->metrics_fd);
    snprintf(place, sizeof place, "%d", slot);
    fcntl(master->listen_fd, F_SETFD, 0);
    fcntl(ready_fd, F_SETFD, 0);
    if (master->metrics_fd >= 0) fcntl(master->metrics_fd, F_SETFD, 0);
    for (int i = 0; i < master->kept.count; i++) fcntl(master->kept.fds[i], F_SETFD, 0);
    snprintf(env_file, sizeof env_file, "/proc/self/fd/%d", master->kept.fds[0]);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const char *program = master->options->program;
    execl(program, "chat-fcgi", "--worker", listen_fd, ready, "--metrics", metrics_fd, place, "--env-file", env_file,
          (char *)NULL);
    log_write(LOG_ERROR, "exec_failed", LOG_STR("program", program), LOG_STR("reason", strerror(errno)));
    _exit(127);
}

static void start_worker(struct master *master)
{
    struct slot *slot = master->slots;
    while (slot < master->slots + SLOTS && slot->pid) slot++;
    int ready[2];
    if (slot == master->slots + SLOTS || pipe2(ready, O_CLOEXEC) < 0) return;
    pid_t master_pid = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* no worker outlives its master */
        if (getppid() != master_pid) _exit(1);
        close(ready[0]);
        become_worker(master, (int)(slot - master->slots), ready[1]);
    }
    close(ready[1]);
    if (pid < 0) {
        log_write(LOG_ERROR, "fork_failed", LOG_STR("reason", strerror(errno)));
        close(ready[0]);
        return;
    }
    *slot = (struct slot){.pid = pid, .generation = master->generation, .ready_fd = ready[0], .started_ms = now_ms()};
    log_write(LOG_INFO, "worker_started", LOG_INT("pid", pid), LOG_INT("generation", master->generation));
}

static void start_missing(struct master *master)
{
    if (master->stopping || now_ms() < master->start_at_ms) return;
    for (int missing = master->settings->workers - count(master, master->generation); missing > 0; missing--)
        start_worker(master);
}

static void signal_workers(const struct master *master, int signal_number)
{
    for (int i = 0; i < SLOTS; i++)
        if (master->slots[i].pid) kill(master->slots[i].pid, signal_number);
}

/* Once each: streams may outlive several reloads, and a second SIGTERM would cut them off. */
static void drain_workers(struct master *master, int but_generation)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &master->slots[i];
        if (!slot->pid || slot->generation == but_generation || slot->draining) continue;
        slot->draining = true;
        kill(slot->pid, SIGTERM);
    }
}

static void worker_gone(struct master *master, pid_t pid, int status)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &master->slots[i];
        if (slot->pid != pid) continue;
        bool expected = master->stopping || slot->generation != master->generation;
        log_write(expected ? LOG_INFO : LOG_ERROR, "worker_gone", LOG_INT("pid", pid),
                  LOG_INT("exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
                  LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
        bool steady = slot->ready && now_ms() - slot->started_ms >= STEADY_MS;
        if (slot->ready_fd >= 0) close(slot->ready_fd);
        *slot = (struct slot){0};
        metrics_leave(master->metrics_fd, i);
        if (expected) return;
        metrics_lost(master->metrics_fd, i);
        int doubled = master->backoff_ms * 2;
        master->backoff_ms = steady ? BACKOFF_MIN_MS : doubled < BACKOFF_MAX_MS ? doubled : BACKOFF_MAX_MS;
        master->start_at_ms = now_ms() + master->backoff_ms;
        return;
    }
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) worker_gone(master, pid, status);
}

/* When all of the new generation accept, the old ones may drain. */
static void look_at_ready(struct master *master, struct slot *slot)
{
    char byte;
    slot->ready = read(slot->ready_fd, &byte, 1) == 1;
    close(slot->ready_fd);
    slot->ready_fd = -1;
    int ready = 0;
    for (int i = 0; i < SLOTS; i++)
        if (master->slots[i].pid && master->slots[i].generation == master->generation && master->slots[i].ready)
            ready++;
    if (ready < master->settings->workers) return;
    log_write(LOG_INFO, "serving", LOG_INT("workers", ready), LOG_INT("generation", master->generation));
    drain_workers(master, master->generation);
}

/* ---- signals ---- */

/* Files that change later, well or badly, change nothing until the next SIGHUP: not for a worker that is replaced
 * either. */
static bool keep_settings(struct master *master, const struct settings *settings)
{
    struct settings_kept kept;
    if (!settings_keep(settings, &kept)) return false;
    settings_drop(&master->kept);
    master->kept = kept;
    return true;
}

static void reload(struct master *master)
{
    struct settings *fresh = calloc(1, sizeof *fresh);
    char problem[256] = "out of memory";
    if (!fresh || !settings_load(fresh, master->options->env_file, problem, sizeof problem) ||
        !keep_settings(master, fresh)) {
        log_write(LOG_ERROR, "reload_refused", LOG_STR("problem", problem));
        if (fresh) settings_fini(fresh);
        free(fresh);
        return;
    }
    settings_fini(master->settings);
    *master->settings = *fresh; /* its arena moves along */
    free(fresh);
    log_set_level(master->settings->log_level);
    master->generation++;
    master->backoff_ms = BACKOFF_MIN_MS;
    master->start_at_ms = 0;
    log_write(LOG_INFO, "reloading", LOG_INT("generation", master->generation));
}

enum { NO_GENERATION = -1 };

static void stop(struct master *master, int signal_number)
{
    if (master->stopping || signal_number == SIGINT)
        signal_workers(master, signal_number); /* in a hurry */
    else
        drain_workers(master, NO_GENERATION);
    master->stopping = true;
}

static void take_signal(struct master *master)
{
    struct signalfd_siginfo info;
    if (read(master->signal_fd, &info, sizeof info) != (ssize_t)sizeof info) return;
    switch (info.ssi_signo) {
    case SIGCHLD: reap(master); break;
    case SIGHUP:
        if (!master->stopping) reload(master);
        break;
    case SIGQUIT: /* a restart: whoever comes next serves the socket at once */
        drain_workers(master, NO_GENERATION);
        master->leaving = true;
        break;
    default: stop(master, (int)info.ssi_signo);
    }
}

static bool watch_signals(struct master *master)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    master->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return master->signal_fd >= 0;
}

static void turn(struct master *master)
{
    struct pollfd waiting[SLOTS + 1] = {{.fd = master->signal_fd, .events = POLLIN}};
    struct slot *owners[SLOTS + 1];
    nfds_t used = 1;
    for (int i = 0; i < SLOTS; i++) {
        if (!master->slots[i].pid || master->slots[i].ready_fd < 0) continue;
        owners[used] = &master->slots[i];
        waiting[used++] = (struct pollfd){.fd = master->slots[i].ready_fd, .events = POLLIN};
    }
    int64_t wait_ms = master->start_at_ms - now_ms();
    bool missing = !master->stopping && count(master, master->generation) < master->settings->workers;
    poll(waiting, used, missing ? (wait_ms > 0 ? (int)wait_ms : 0) : -1);
    for (nfds_t i = 1; i < used; i++)
        if (waiting[i].revents) look_at_ready(master, owners[i]);
    if (waiting[0].revents) take_signal(master);
    start_missing(master);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > DESCRIPTORS ? DESCRIPTORS : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* a stream takes two */
}

int master_run(struct settings *settings, const struct master_options *options)
{
    static struct master master;
    master = (struct master){.settings = settings, .options = options, .backoff_ms = BACKOFF_MIN_MS};
    raise_descriptor_limit();
    master.metrics_fd = metrics_region();
    if (master.metrics_fd < 0) log_write(LOG_WARN, "metrics_apart", LOG_STR("reason", strerror(errno)));
    if (!keep_settings(&master, settings)) {
        log_write(LOG_ERROR, "settings_not_kept", LOG_STR("reason", strerror(errno)));
        return 1;
    }
    if (!watch_signals(&master) || !open_socket(&master)) return 1;
    char *path = strdup(settings->listen);
    while (!master.leaving && (!master.stopping || count(&master, -1) > 0)) turn(&master);
    if (master.owns_path && path) unlink(path);
    free(path);
    log_write(LOG_INFO, "stopped", LOG_INT("draining", count(&master, -1)));
    return 0;
}

/*
 * chat-fcgi: the chat service behind nginx.
 *
 *   master ──┬─ worker   request threads · relay loop · job threads      (worker.c)
 *            └─ worker …                                                  one a core
 *
 * The master (master.c) owns the FastCGI socket and the workers' lives. Workers are this same binary, started with
 * --worker, so that a reload runs whatever binary and settings are there then.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/admin.h"
#include "fcgi/master.h"
#include "fcgi/worker.h"
#include "http/routes.h"
#include "metrics/metrics.h"
#include "version.h" /* made by scripts/version */

struct options {
    const char *env_file;
    bool check, worker;
    int listen_fd, ready_fd;
    int metrics_fd, metrics_slot; /* -1: none */
    const char *export_user, *erase_user;
    const char *token_user, *role;
    int ttl_s;
};

static const char usage[] =
    "chat-fcgi [--env-file FILE] [--check | --export-user ID | --erase-user ID |\n"
    "          --token ID [--role ROLE] [--ttl SECONDS] | --print-env | --print-docs | --print-routes | --version]\n"
    "  Serves FastCGI on CHAT_LISTEN. Settings come from the environment; see docs/configuration.md.\n"
    "  --env-file FILE  settings from NAME=value lines, read again on SIGHUP\n"
    "  --check          validate the settings, print them with secrets masked, exit\n"
    "  --export-user ID print all that is stored of a user as JSON\n"
    "  --erase-user ID  erase all that is stored of a user, print what went and what is left\n"
    "  --token ID       print a token of a user: ROLE user or admin, good for SECONDS (user, 3600)\n"
    "  --print-env      print .env.example\n"
    "  --print-docs     print docs/configuration.md\n"
    "  --print-routes   print the method and path of every route\n";

/* Ends the process for what only prints. */
static void read_options(int argc, char **argv, struct options *out)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--env-file") == 0 && i + 1 < argc)
            out->env_file = argv[++i];
        else if (strcmp(argv[i], "--check") == 0)
            out->check = true;
        else if (strcmp(argv[i], "--export-user") == 0 && i + 1 < argc)
            out->export_user = argv[++i];
        else if (strcmp(argv[i], "--erase-user") == 0 && i + 1 < argc)
            out->erase_user = argv[++i];
        else if (strcmp(argv[i], "--token") == 0 && i + 1 < argc)
            out->token_user = argv[++i];
        else if (strcmp(argv[i], "--role") == 0 && i + 1 < argc)
            out->role = argv[++i];
        else if (strcmp(argv[i], "--ttl") == 0 && i + 1 < argc)
            out->ttl_s = atoi(argv[++i]);
        else if (strcmp(argv[i], "--worker") == 0 && i + 2 < argc) {
            out->worker = true;
            out->listen_fd = atoi(argv[++i]);
            out->ready_fd = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--metrics") == 0 && i + 2 < argc) {
            out->metrics_fd = atoi(argv[++i]);
            out->metrics_slot = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--print-env") == 0) {
            settings_print_env_example(stdout);
            exit(0);
        } else if (strcmp(argv[i], "--print-docs") == 0) {
            settings_print_docs(stdout);
            exit(0);
        } else if (strcmp(argv[i], "--print-routes") == 0) {
            for (const struct route *row = route_table(); row->method; row++) printf("%s %s\n", row->method, row->path);
            exit(0);
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("chat-fcgi " CHAT_VERSION);
            exit(0);
        } else {
            fputs(usage, strcmp(argv[i], "--help") == 0 ? stdout : stderr);
            exit(strcmp(argv[i], "--help") == 0 ? 0 : 2);
        }
    }
}

static int for_one_user(const struct settings *settings, const struct options *options)
{
    log_set_level(LOG_ERROR);
    if (options->export_user) return admin_export_user(settings, options->export_user);
    if (options->erase_user) return admin_erase_user(settings, options->erase_user);
    return admin_print_token(settings, options->token_user, options->role, options->ttl_s);
}

int main(int argc, char **argv)
{
    struct options options = {.metrics_fd = -1, .metrics_slot = -1, .role = "user", .ttl_s = 3600};
    struct settings settings;
    char problem[256], misspelt[256];
    read_options(argc, argv, &options);
    bool loaded = settings_load(&settings, options.env_file, problem, sizeof problem);
    bool names_known = settings_names(&settings, misspelt, sizeof misspelt);
    if (!names_known && (options.check || !loaded)) fprintf(stderr, "chat-fcgi: %s\n", misspelt);
    if (!loaded) fprintf(stderr, "chat-fcgi: %s\n", problem);
    if (!loaded || (!names_known && options.check)) {
        settings_fini(&settings);
        return 2;
    }
    if (options.check) {
        settings_print(&settings, stdout);
        settings_fini(&settings);
        return 0;
    }
    if (options.export_user || options.erase_user || options.token_user) {
        int status = for_one_user(&settings, &options);
        settings_fini(&settings);
        return status;
    }
    if (geteuid() == 0) {
        fputs("chat-fcgi: refuses to run as root; start it as a user of its own\n", stderr);
        return 2;
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core files with keys in them, no ptrace by the same user */
    log_find_journal();
    log_set_level(settings.log_level);
    if (!names_known && !options.worker) log_write(LOG_WARN, "setting_unknown", LOG_STR("problem", misspelt));
    int status;
    if (options.worker) {
        if (options.metrics_fd >= 0 && !metrics_join(options.metrics_fd, options.metrics_slot))
            log_write(LOG_WARN, "metrics_apart", LOG_STR("hint", "this worker's figures are missing in /metrics"));
        status = worker_run(&settings, options.listen_fd, options.ready_fd, CHAT_VERSION);
    } else {
        char *program = realpath("/proc/self/exe", NULL);
        struct master_options master = {.program = program, .env_file = options.env_file};
        status = master_run(&settings, &master);
        free(program);
    }
    settings_fini(&settings);
    return status;
}

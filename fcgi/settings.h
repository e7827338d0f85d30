/*
 * Every setting of the service in one table (settings.c): it parses, prints (--check), and writes .env.example and
 * docs/configuration.md (--print-env, --print-docs), so none of them can lack a key.
 */
#ifndef FCGI_SETTINGS_H
#define FCGI_SETTINGS_H

#include <stdio.h>

#include "auth/jwt.h"
#include "base/arena.h"
#include "base/log.h"
#include "domain/cost.h"
#include "domain/policy.h"

/* A setting that names a file: what that held when it was read. path NULL: none. */
struct setting_file {
    const char *path, *text;
};

struct settings {
    struct arena strings; /* all text below lives here */
    struct chat_policy policy;
    struct price_list prices;
    struct jwt_policy jwt;

    const char *api_key, *api_base;
    const char *proxy;      /* NULL: none */
    struct setting_file ca; /* none: the system's */
    int connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, total_timeout_ms;

    const char *database_url, *redis_url;
    bool database_prepare;
    const char *listen; /* a unix path, or the number of an inherited descriptor */
    int workers, request_threads, max_streams, pace_ms;
    enum log_level log_level;

    const char *default_model, *models, *prices_text, *contexts_text, *jwt_alg, *jwt_secret;
    struct setting_file jwt_public_key;
    struct setting_line *lines, *last_line; /* of the file that was read, and of the secrets' files */
};

/* What was accepted, in memory: [0] is a file for --env-file, beside it the files that it names. */
enum { SETTINGS_KEPT_FILES = 8 };
struct settings_kept {
    int fds[SETTINGS_KEPT_FILES], count;
};

/* From the environment, then env_file (NULL: none), which wins. false: `problem` (1 line, for the operator) names the
 * variable and what it takes; secrets are never in it. */
bool settings_load(struct settings *out, const char *env_file, char *problem, size_t problem_size);
/* Whether every name in the file, and every one in the environment that begins as ours do, is a setting. false:
 * `problem` names one that isn't, and the nearest that is. A start only warns of it: the version before doesn't know
 * what a newer one's file has. */
bool settings_names(const struct settings *settings, char *problem, size_t problem_size);
void settings_fini(struct settings *settings);
/* For processes that start later: they get what was accepted here, whatever the files hold by then. false: errno. */
bool settings_keep(const struct settings *settings, struct settings_kept *kept);
void settings_drop(struct settings_kept *kept);
/* NAME=value lines, secrets masked. */
void settings_print(const struct settings *settings, FILE *out);
void settings_print_env_example(FILE *out);
void settings_print_docs(FILE *out);

#endif

#include "fcgi/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "redis/url.h"
#include "sambanova/provider.h"

enum { FILE_MAX_BYTES = 1 << 20, NAME_MAX_BYTES = 63 };

enum kind {
    TEXT,   /* const char *; empty is as if it weren't there */
    SECRET, /* the same, masked when printed; NAME_FILE names a file to read it from */
    PEM,    /* struct setting_file: the path of a file, and what it holds */
    NUMBER, /* int within min..max; 0 where there is neither value nor default */
    LIMIT,  /* the same, or `unlimited` */
    FLAG,   /* bool: true false 1 0 yes no on off */
    LEVEL,  /* enum log_level */
};

struct setting {
    const char *name;
    const char *fallback; /* NULL: required; "": none */
    enum kind kind;
    size_t offset;
    int min, max;
    const char *help;
};

#define AT(field) offsetof(struct settings, field)
#define MILLISECONDS 100, 3600000

static const struct setting table[] = {
    {"SAMBANOVA_API_KEY", NULL, SECRET, AT(api_key), 0, 0, "key of the model provider"},
    {"SAMBANOVA_API_BASE", "https://api.sambanova.ai/v1", TEXT, AT(api_base), 0, 0,
     "base URL of the provider; http:// only for a loopback address"},
    {"SAMBANOVA_PROXY", "", SECRET, AT(proxy), 0, 0,
     "HTTP proxy on the way to the provider, `http://[user:password@]host:port`; none where empty, whatever the "
     "environment's `http_proxy` says"},
    {"SAMBANOVA_CA_FILE", "", PEM, AT(ca), 0, 0,
     "file with the certificate authorities (PEM) that may vouch for the provider, instead of the system's: for a "
     "gateway "
     "of one's own"},
    {"SAMBANOVA_MODEL", "Meta-Llama-3.3-70B-Instruct", TEXT, AT(default_model), 0, 0, "the default model"},
    {"SAMBANOVA_MODELS", "", TEXT, AT(models), 0, 0,
     "models offered to users, comma separated; the default model alone where empty"},
    {"SAMBANOVA_FALLBACK_MODEL", "", TEXT, AT(policy.fallback_model), 0, 0,
     "model to ask in place of one that the provider does not have, or that is busy or out of reach; none where empty"},
    {"SAMBANOVA_CONNECT_TIMEOUT_MS", "5000", NUMBER, AT(connect_timeout_ms), MILLISECONDS, "to connect, TLS included"},
    {"SAMBANOVA_FIRST_BYTE_TIMEOUT_MS", "60000", NUMBER, AT(first_byte_timeout_ms), MILLISECONDS,
     "from the request to the first byte of the answer"},
    {"SAMBANOVA_IDLE_TIMEOUT_MS", "30000", NUMBER, AT(idle_timeout_ms), MILLISECONDS,
     "between two pieces of an answer"},
    {"SAMBANOVA_TOTAL_TIMEOUT_MS", "300000", NUMBER, AT(total_timeout_ms), MILLISECONDS, "for a whole answer"},
    {"SAMBANOVA_PRICES",
     "Meta-Llama-3.3-70B-Instruct=0.60/1.20,gpt-oss-120b=0.22/0.59,DeepSeek-V3.1=3.00/4.50,DeepSeek-V3.2=3.00/4.50,"
     "MiniMax-M2.7=0.60/2.40,MiniMax-M3=0.60/2.40,gemma-4-31B-it=0.38/1.15",
     TEXT, AT(prices_text), 0, 0,
     "USD per million tokens, `model=in/out` or `model=in/out/cached`, comma separated: `cached` is the price of "
     "prompt tokens that the provider had cached, else they cost as `in`"},
    {"SAMBANOVA_CONTEXT",
     "Meta-Llama-3.3-70B-Instruct=131072,gpt-oss-120b=131072,DeepSeek-V3.1=131072,DeepSeek-V3.2=32768,"
     "MiniMax-M2.7=196608,MiniMax-M3=1048576",
     TEXT, AT(contexts_text), 0, 0,
     "tokens that a model takes, prompt and answer together, `model=tokens`, comma separated: a conversation's oldest "
     "turns are left out where it gets longer"},
    {"CHAT_MAX_CONTEXT_MESSAGES", "20", NUMBER, AT(policy.max_context_messages), 1, 200,
     "messages of a conversation that the model gets to see"},
    {"CHAT_MAX_TOKENS", "2048", NUMBER, AT(policy.max_tokens), 1, 131072, "longest answer"},
    {"CHAT_COMPLETIONS_MAX_N", "4", NUMBER, AT(policy.completions_max_n), 1, 128,
     "answers that one request to /chat/completions may ask for (n); each is counted"},
    {"CHAT_MAX_MESSAGE_LENGTH", "8000", NUMBER, AT(policy.max_message_length), 1, 100000,
     "longest message, in Unicode code points"},
    {"CHAT_SYSTEM_PROMPT", "", TEXT, AT(policy.system_prompt), 0, 0, "text that opens every conversation upstream"},
    {"CHAT_TITLE_MODEL", "", TEXT, AT(policy.title_model), 0, 0, "model that writes titles; none where empty"},
    {"CHAT_DAILY_MESSAGE_QUOTA", "100", LIMIT, AT(policy.daily_message_quota), 0, 1000000,
     "messages a user and day (UTC); 0 allows none"},
    {"CHAT_RATE_LIMIT_PER_MINUTE", "10", LIMIT, AT(policy.rate_limit_per_minute), 0, 1000000,
     "messages a user and minute; 0 allows none"},
    {"CHAT_MAX_CONCURRENT_STREAMS", "3", LIMIT, AT(policy.max_concurrent_streams), 0, 1000000,
     "answers at once, a user; 0 allows none"},
    {"CHAT_CREATE_RATE_PER_MINUTE", "60", LIMIT, AT(policy.create_rate_per_minute), 0, 1000000,
     "sessions made without a message, a user and minute; 0 allows none"},
    {"CHAT_COMPLETIONS_MAX_BYTES", "20971520", NUMBER, AT(policy.completions_max_bytes), 65536, 104857600,
     "largest body of /chat/completions, pictures included; nginx has the same figure in local/completions.conf"},
    {"CHAT_QUOTA_FAIL_OPEN", "false", FLAG, AT(policy.quota_fail_open), 0, 0,
     "let messages pass while Redis is away, instead of refusing them"},
    {"CHAT_DETACH_GRACE_SECONDS", "30", NUMBER, AT(policy.detach_grace_seconds), 0, 3600,
     "how long an answer that nobody watches goes on"},
    {"CHAT_RETENTION_DAYS", "30", NUMBER, AT(policy.retention_days), 1, 3650, "deleted sessions are purged after"},
    {"FEATURE_CHAT_ENABLED", "false", FLAG, AT(policy.feature_enabled), 0, 0, "chat is on"},
    {"FEATURE_CHAT_ADMIN_ONLY", "false", FLAG, AT(policy.feature_admin_only), 0, 0, "for admins alone"},
    {"FEATURE_CHAT_ROLLOUT_PERCENT", "100", NUMBER, AT(policy.feature_rollout_percent), 0, 100,
     "share of the users that have it, the same ones as it grows"},
    {"JWT_ALG", "HS256", TEXT, AT(jwt_alg), 0, 0, "the one algorithm of tokens: HS256, RS256 or ES256"},
    {"JWT_SECRET", "", SECRET, AT(jwt_secret), 0, 0, "with HS256: the secret, at least 32 bytes"},
    {"JWT_PUBLIC_KEY_FILE", "", PEM, AT(jwt_public_key), 0, 0,
     "with RS256 (2,048 bits or more) and ES256 (P-256): file with the public key as PEM"},
    {"JWT_ISSUER", "", TEXT, AT(jwt.issuer), 0, 0, "`iss` that tokens must have; unchecked where empty"},
    {"JWT_AUDIENCE", "", TEXT, AT(jwt.audience), 0, 0, "`aud` that tokens must have; unchecked where empty"},
    {"JWT_ROLE_CLAIM", "role", TEXT, AT(jwt.role_claim), 0, 0,
     "claim with the role, a string or a list of them: tried as a whole name, then as a path with dots"},
    {"JWT_ADMIN_VALUES", "admin", TEXT, AT(jwt.admin_values), 0, 0,
     "roles that make an administrator, comma separated; others are users"},
    {"JWT_GROUPS_CLAIM", "groups", TEXT, AT(jwt.groups_claim), 0, 0, "claim with the groups, found as the role is"},
    {"JWT_REQUIRED_VALUES", "", TEXT, AT(jwt.required_values), 0, 0,
     "roles or groups, comma separated: who has none of them is 403; unchecked where empty"},
    {"DATABASE_URL", NULL, SECRET, AT(database_url), 0, 0,
     "Postgres: postgres://user:password@host:port/database; several hosts with commas, of which the primary is taken"},
    {"DATABASE_PREPARE", "true", FLAG, AT(database_prepare), 0, 0,
     "prepare statements once a connection; `false` behind a PgBouncer in transaction mode"},
    {"REDIS_URL", NULL, SECRET, AT(redis_url), 0, 0, "Redis: redis://:password@host:port/0 or unix:///path"},
    {"CHAT_LISTEN", "/run/chat/fcgi.sock", TEXT, AT(listen), 0, 0,
     "path of the FastCGI socket, or the number of an inherited descriptor"},
    {"CHAT_WORKERS", "", NUMBER, AT(workers), 1, 64, "worker processes; one a core where not set"},
    {"CHAT_REQUEST_THREADS", "8", NUMBER, AT(request_threads), 1, 64, "request threads a worker"},
    {"CHAT_MAX_STREAMS", "5000", NUMBER, AT(max_streams), 1, 1000000, "answers at once, a worker"},
    {"CHAT_PACE_MS", "16", NUMBER, AT(pace_ms), 0, 100,
     "milliseconds that a busy worker lets the text of a fast stream gather, at most; 0: none"},
    {"LOG_LEVEL", "info", LEVEL, AT(log_level), 0, 0, "debug, info, warn or error"},
};
enum { SETTINGS = sizeof table / sizeof *table };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* ---- where values come from ---- */

struct setting_line {
    struct setting_line *next;
    const char *text; /* NAME=value; the last one of a name counts */
};

static const char *line_value(const struct setting_line *line, const char *name)
{
    size_t len = strlen(name);
    const char *value = NULL;
    for (; line; line = line->next)
        if (strncmp(line->text, name, len) == 0 && line->text[len] == '=') value = line->text + len + 1;
    return value;
}

static void keep_line(struct settings *out, const char *text)
{
    struct setting_line *line = ARENA_NEW(&out->strings, struct setting_line);
    *line = (struct setting_line){.text = text};
    *(out->last_line ? &out->last_line->next : &out->lines) = line;
    out->last_line = line;
}

static char *read_file(struct arena *arena, const char *path)
{
    FILE *in = fopen(path, "re");
    if (!in) return NULL;
    char *text = arena_alloc(arena, FILE_MAX_BYTES + 1);
    size_t len = fread(text, 1, FILE_MAX_BYTES, in);
    bool fine = !ferror(in) && feof(in);
    fclose(in);
    if (!fine || memchr(text, 0, len)) return NULL;
    return arena_strndup(arena, text, len);
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len && strchr(" \t\r", text[len - 1])) text[--len] = 0;
    return text;
}

/* "value" and 'value' lose their quotes. */
static void add_line(struct settings *out, char *line)
{
    line = trim(line);
    if (strncmp(line, "export ", 7) == 0) line = trim(line + 7);
    char *value = strchr(line, '=');
    if (!*line || *line == '#' || !value) return;
    size_t len = strlen(++value);
    if (len >= 2 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
        value[len - 1] = 0;
        memmove(value, value + 1, len - 1);
    }
    keep_line(out, line);
}

static bool load_env_file(struct settings *out, const char *path)
{
    char *text = read_file(&out->strings, path), *at = text, *line;
    while (at && (line = strsep(&at, "\n"))) add_line(out, line);
    return text != NULL;
}

/* ---- taking them ---- */

struct loading {
    struct settings *out;
    char *problem;
    size_t problem_size;
};

static bool wrong(struct loading *loading, const char *name, const char *takes)
{
    snprintf(loading->problem, loading->problem_size, "%s: %s", name, takes);
    return false;
}

static const char *look_up(struct loading *loading, const char *name)
{
    const char *value = line_value(loading->out->lines, name);
    if (!value) value = getenv(name);
    return value && *value ? value : NULL;
}

/* The unit's secret of that name, as systemd names them: DATABASE_URL's is database-url. NULL: none. */
static const char *credential(struct loading *loading, const char *name)
{
    const char *directory = look_up(loading, "CREDENTIALS_DIRECTORY");
    if (!directory) return NULL;
    char *path = arena_printf(&loading->out->strings, "%s/%s", directory, name);
    for (char *at = path + strlen(directory); *at; at++) *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
    return access(path, F_OK) == 0 ? path : NULL;
}

/* Where both name a value or a file of it, the lines win over the environment, and that over credentials. */
static const char *look_up_path(struct loading *loading, const char *name, const char *file_name)
{
    const char *path = line_value(loading->out->lines, file_name), *value = line_value(loading->out->lines, name);
    if (path && *path) return path;
    if (value && *value) return NULL;
    path = look_up(loading, file_name);
    return path ? path : credential(loading, name);
}

static bool take_number(struct loading *loading, const struct setting *row, const char *value)
{
    bool digits = !value[strspn(value, "0123456789")]; /* strtol alone takes blanks and signs before them */
    if (row->kind == LIMIT && strcmp(value, "unlimited") == 0) {
        *(int *)((char *)loading->out + row->offset) = QUOTA_UNLIMITED;
        return true;
    }
    errno = 0;
    long number = strtol(value, NULL, 10);
    if (digits && !errno && number >= row->min && number <= row->max) {
        *(int *)((char *)loading->out + row->offset) = (int)number;
        return true;
    }
    snprintf(loading->problem, loading->problem_size, "%s takes a whole number from %d to %d%s, not \"%.40s\"",
             row->name, row->min, row->max, row->kind == LIMIT ? " or unlimited" : "", value);
    return false;
}

static bool take_flag(struct loading *loading, const struct setting *row, const char *value)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(value, words[i]) != 0) continue;
        *(bool *)((char *)loading->out + row->offset) = i % 2;
        return true;
    }
    return wrong(loading, row->name, "takes true or false");
}

static bool take_level(struct loading *loading, const struct setting *row, const char *value)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(value, level_names[i]) != 0) continue;
        *(enum log_level *)((char *)loading->out + row->offset) = (enum log_level)i;
        return true;
    }
    return wrong(loading, row->name, "takes debug, info, warn or error");
}

/* NAME, or the one line of the file that NAME_FILE names, without its end; that file's is kept as NAME's value. */
static const char *secret_value(struct loading *loading, const struct setting *row, bool *fine)
{
    struct arena *arena = &loading->out->strings;
    const char *name = row->name, *value = look_up(loading, name);
    if (!value) value = getenv(name); /* an empty line of a secret says nothing */
    const char *path = look_up_path(loading, name, arena_printf(arena, "%s_FILE", name));
    *fine = true;
    if (!path) return value && *value ? value : NULL;
    char *text = read_file(arena, path);
    if (!text) {
        *fine = wrong(loading, arena_printf(arena, "%s_FILE", name), "names a file that can't be read");
        return NULL;
    }
    size_t len = strlen(text);
    if (len && text[len - 1] == '\n') text[--len] = 0;
    if (len && text[len - 1] == '\r') text[--len] = 0;
    if (strpbrk(text, "\r\n")) {
        *fine = wrong(loading, arena_printf(arena, "%s_FILE", name), "names a file with more than one line");
        return NULL;
    }
    keep_line(loading->out, arena_printf(arena, "%s=%s", name, text));
    keep_line(loading->out, arena_printf(arena, "%s_FILE=", name));
    return *text ? text : NULL;
}

static bool take_pem(struct loading *loading, const struct setting *row, const char *path)
{
    struct setting_file *file = (struct setting_file *)((char *)loading->out + row->offset);
    if (!*path) return true;
    file->path = arena_strdup(&loading->out->strings, path);
    file->text = read_file(&loading->out->strings, path);
    return file->text ? true : wrong(loading, row->name, "names a file that can't be read");
}

static bool take(struct loading *loading, const struct setting *row)
{
    bool fine = true;
    const char *value = row->kind == SECRET ? secret_value(loading, row, &fine) : look_up(loading, row->name);
    if (!fine) return false;
    if (!value && !row->fallback) return wrong(loading, row->name, "is required; see .env.example");
    if (!value) value = row->fallback;
    switch (row->kind) {
    case NUMBER:
    case LIMIT: return !*value || take_number(loading, row, value);
    case FLAG: return take_flag(loading, row, value);
    case LEVEL: return take_level(loading, row, value);
    case PEM: return take_pem(loading, row, value);
    case TEXT:
    case SECRET: break;
    }
    if (*value) *(const char **)((char *)loading->out + row->offset) = arena_strdup(&loading->out->strings, value);
    return true;
}

/* ---- what belongs together ---- */

static bool add_model(struct chat_policy *policy, const char *name)
{
    if (policy_offers_model(policy, name)) return true;
    if (policy->model_count == POLICY_MAX_MODELS || strlen(name) >= MODEL_NAME_SIZE) return false;
    policy->models[policy->model_count++] = name;
    return true;
}

static bool check_models(struct loading *loading)
{
    struct settings *out = loading->out;
    out->policy.default_model = out->default_model;
    if (!add_model(&out->policy, out->default_model)) return wrong(loading, "SAMBANOVA_MODEL", "is too long");
    if (out->policy.fallback_model && strlen(out->policy.fallback_model) >= MODEL_NAME_SIZE)
        return wrong(loading, "SAMBANOVA_FALLBACK_MODEL", "is too long");
    char *list = arena_strdup(&out->strings, out->models ? out->models : ""), *name;
    while ((name = strsep(&list, ","))) {
        name = trim(name);
        if (*name && !add_model(&out->policy, name))
            return wrong(loading, "SAMBANOVA_MODELS", "takes up to 32 model names, comma separated");
    }
    const char *problem = price_list_parse(out->prices_text ? out->prices_text : "", &out->prices);
    if (problem) return wrong(loading, "SAMBANOVA_PRICES", problem);
    problem = context_list_parse(out->contexts_text ? out->contexts_text : "", &out->policy.contexts);
    return problem ? wrong(loading, "SAMBANOVA_CONTEXT", problem) : true;
}

/* Read by libcurl later; looked at here so that a wrong one stops the start. */
static bool check_ca_file(struct loading *loading)
{
    const struct setting_file *ca = &loading->out->ca;
    return !ca->path || strstr(ca->text, "-----BEGIN CERTIFICATE-----") ||
           wrong(loading, "SAMBANOVA_CA_FILE", "takes a readable file with at least one certificate as PEM");
}

static bool check_jwt(struct loading *loading)
{
    struct settings *out = loading->out;
    struct jwt_policy *jwt = &out->jwt;
    const char *problem;
    jwt->leeway_s = JWT_DEFAULT_LEEWAY_S;
    const char *key;
    const char *key_name = "JWT_PUBLIC_KEY_FILE";
    if (strcmp(out->jwt_alg, "HS256") == 0) {
        jwt->algorithm = JWT_HS256;
        key = out->jwt_secret;
        key_name = "JWT_SECRET";
    } else {
        bool rsa = strcmp(out->jwt_alg, "RS256") == 0;
        if (!rsa && strcmp(out->jwt_alg, "ES256") != 0) return wrong(loading, "JWT_ALG", "takes HS256, RS256 or ES256");
        jwt->algorithm = rsa ? JWT_RS256 : JWT_ES256;
        key = out->jwt_public_key.text;
    }
    if (!key) return wrong(loading, key_name, "is required with this JWT_ALG, and must be readable");
    jwt->key = (const unsigned char *)key;
    jwt->key_len = strlen(key);
    return jwt_policy_check(jwt, &problem) == CHAT_OK ? true : wrong(loading, key_name, problem);
}

static bool check_stores(struct loading *loading)
{
    const struct settings *out = loading->out;
    struct redis_url redis;
    const char *problem = redis_url_parse(out->redis_url, &redis);
    if (problem) return wrong(loading, "REDIS_URL", problem);
    const char *database = out->database_url;
    if (strncmp(database, "postgres://", 11) == 0 || strncmp(database, "postgresql://", 13) == 0) return true;
    return wrong(loading, "DATABASE_URL", "takes postgres://user:password@host:port/database");
}

static bool check_provider(struct loading *loading)
{
    const struct settings *out = loading->out;
    struct sambanova_settings provider = {.api_key = out->api_key,
                                          .api_base = out->api_base,
                                          .proxy = out->proxy,
                                          .connect_timeout_ms = 1,
                                          .first_byte_timeout_ms = 1,
                                          .idle_timeout_ms = 1,
                                          .total_timeout_ms = 1};
    const char *problem;
    struct provider *opened = sambanova_open(&provider, &problem);
    if (!opened) return wrong(loading, "SAMBANOVA_API_KEY, SAMBANOVA_API_BASE", problem);
    sambanova_close(opened);
    return true;
}

bool settings_load(struct settings *out, const char *env_file, char *problem, size_t problem_size)
{
    memset(out, 0, sizeof *out);
    arena_init(&out->strings);
    struct loading loading = {.out = out, .problem = problem, .problem_size = problem_size};
    if (env_file && !load_env_file(out, env_file)) return wrong(&loading, env_file, "can't be read");
    for (size_t i = 0; i < SETTINGS; i++)
        if (!take(&loading, &table[i])) return false;
    if (out->workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        out->workers = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
    }
    return check_models(&loading) && check_ca_file(&loading) && check_jwt(&loading) && check_stores(&loading) &&
           check_provider(&loading);
}

void settings_fini(struct settings *settings)
{
    arena_fini(&settings->strings);
}

/* ---- names that are none ---- */

/* How many characters apart. */
static int distance(const char *one, const char *other)
{
    int row[NAME_MAX_BYTES + 1];
    size_t len = strlen(other);
    if (len > NAME_MAX_BYTES) return NAME_MAX_BYTES;
    for (size_t i = 0; i <= len; i++) row[i] = (int)i;
    for (; *one; one++) {
        int diagonal = row[0]++;
        for (size_t i = 1; i <= len; i++) {
            int change = diagonal + (*one != other[i - 1]), step = 1 + (row[i] < row[i - 1] ? row[i] : row[i - 1]);
            diagonal = row[i];
            row[i] = change < step ? change : step;
        }
    }
    return row[len];
}

/* The less, the likelier is it meant: names are mostly cut short or wrong towards their end. */
static int unlikeness(const char *name, const char *meant)
{
    int same = 0;
    while (name[same] && name[same] == meant[same]) same++;
    return distance(name, meant) - 2 * same;
}

static bool is_setting(const char *name, size_t len)
{
    static const char *const beside[] = {"CHAT_URL",      "CHAT_CACERT",  "CHAT_KEY", "CHAT_STATE_DIR",
                                         "CHAT_ENV_FILE", "CHAT_LAUNCHER"}; /* of clients, `make up` and the tests */
    for (size_t i = 0; i < SETTINGS; i++) {
        size_t own = strlen(table[i].name);
        if (strncmp(table[i].name, name, own) != 0) continue;
        if (len == own || (table[i].kind == SECRET && len == own + 5 && strncmp(name + own, "_FILE", 5) == 0))
            return true;
    }
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (strlen(beside[i]) == len && strncmp(beside[i], name, len) == 0) return true;
    return false;
}

/* A name with our beginnings that is none of ours. What Kubernetes sets for a service called "chat" is not meant. */
static bool is_misspelt(const char *line)
{
    static const char *const ours[] = {"SAMBANOVA_", "CHAT_", "FEATURE_CHAT_", "JWT_"};
    size_t len = strcspn(line, "=");
    bool mine = false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) mine |= strncmp(line, ours[i], strlen(ours[i])) == 0;
    if (strncmp(line, "CHAT_PORT", 9) == 0 || strncmp(line, "CHAT_SERVICE_", 13) == 0) return false;
    return mine && !is_setting(line, len);
}

/* In a file that is ours, also DATABSE_URL. */
static bool is_close(const char *line)
{
    char name[NAME_MAX_BYTES + 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line, "="), line);
    for (size_t i = 0; i < SETTINGS; i++)
        if (strlen(name) > 4 && distance(name, table[i].name) <= 2) return true;
    return false;
}

static bool name_problem(const char *line, char *problem, size_t problem_size)
{
    char name[NAME_MAX_BYTES + 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line, "="), line);
    size_t nearest = 0;
    for (size_t i = 1; i < SETTINGS; i++)
        if (unlikeness(name, table[i].name) < unlikeness(name, table[nearest].name)) nearest = i;
    snprintf(problem, problem_size, "%s: there is no such setting; the nearest is %s", name, table[nearest].name);
    return false;
}

bool settings_names(const struct settings *settings, char *problem, size_t problem_size)
{
    for (const struct setting_line *line = settings->lines; line; line = line->next)
        if (is_misspelt(line->text) || (!is_setting(line->text, strcspn(line->text, "=")) && is_close(line->text)))
            return name_problem(line->text, problem, problem_size);
    for (char **line = environ; line && *line; line++)
        if (is_misspelt(*line)) return name_problem(*line, problem, problem_size);
    return true;
}

/* ---- keeping them ---- */

static int kept_file(const char *text, size_t len)
{
    int fd = memfd_create("chat-settings", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < len;) {
        ssize_t wrote = write(fd, text + done, len - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            close(fd);
            return -1;
        }
        done += (size_t)wrote;
    }
    return fd;
}

/* In quotes, so that blanks at the ends of a value stay. */
static void print_lines(const struct setting_line *line, FILE *out)
{
    for (; line; line = line->next) {
        const char *value = strchr(line->text, '=') + 1;
        fprintf(out, "%.*s\"%s\"\n", (int)(value - line->text), line->text, value);
    }
}

static bool keep_pems(const struct settings *settings, struct settings_kept *kept, FILE *lines)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting_file *file = (const struct setting_file *)((const char *)settings + table[i].offset);
        if (table[i].kind != PEM || !file->path) continue;
        int fd = kept->count < SETTINGS_KEPT_FILES ? kept_file(file->text, strlen(file->text)) : -1;
        if (fd < 0) return false;
        kept->fds[kept->count++] = fd;
        fprintf(lines, "%s=/proc/self/fd/%d\n", table[i].name, fd);
    }
    return true;
}

bool settings_keep(const struct settings *settings, struct settings_kept *kept)
{
    char *text = NULL;
    size_t len = 0;
    *kept = (struct settings_kept){.count = 1};
    FILE *lines = open_memstream(&text, &len);
    if (!lines) return false;
    print_lines(settings->lines, lines);
    bool fine = keep_pems(settings, kept, lines);
    fine = fclose(lines) == 0 && fine;
    kept->fds[0] = fine ? kept_file(text, len) : -1;
    if (text) explicit_bzero(text, len);
    free(text);
    if (kept->fds[0] >= 0) return true;
    settings_drop(kept);
    return false;
}

void settings_drop(struct settings_kept *kept)
{
    for (int i = 0; i < kept->count; i++)
        if (kept->fds[i] >= 0) close(kept->fds[i]);
    *kept = (struct settings_kept){0};
}

/* ---- showing them ---- */

static void print_limit(int limit, FILE *out)
{
    if (limit == QUOTA_UNLIMITED)
        fputs("unlimited", out);
    else
        fprintf(out, "%d", limit);
}

static void print_value(const struct settings *settings, const struct setting *row, FILE *out)
{
    const char *field = (const char *)settings + row->offset;
    const char *text;
    switch (row->kind) {
    case NUMBER: fprintf(out, "%d", *(const int *)field); break;
    case LIMIT: print_limit(*(const int *)field, out); break;
    case FLAG: fputs(*(const bool *)field ? "true" : "false", out); break;
    case LEVEL: fputs(level_names[*(const enum log_level *)field], out); break;
    case SECRET: fputs(*(const char *const *)field ? "(set)" : "", out); break;
    case TEXT:
    case PEM: /* a path is its first field */
        text = *(const char *const *)field;
        fputs(text ? text : "", out);
        break;
    }
}

void settings_print(const struct settings *settings, FILE *out)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        fprintf(out, "%s=", table[i].name);
        print_value(settings, &table[i], out);
        fputc('\n', out);
    }
}

static void print_range(const struct setting *row, FILE *out)
{
    if (row->kind == NUMBER) fprintf(out, " (%d-%d)", row->min, row->max);
    if (row->kind == LIMIT) fprintf(out, " (%d-%d, or `unlimited`)", row->min, row->max);
}

/* A stack of `make up` has one of its own. */
static bool made_here(const struct setting *row)
{
    return row->offset == AT(database_url) || row->offset == AT(redis_url) || row->offset == AT(jwt_secret);
}

void settings_print_env_example(FILE *out)
{
    fputs("# Settings of the service, with their defaults. Copied to .env, `make up` and `make run` take it; the "
          "program\n"
          "# takes it by --env-file. What is a comment here comes from the environment, else it is the default.\n"
          "# An empty line is the default; of a secret it says nothing, and the environment's is taken.\n"
          "# A secret NAME can be read from a file instead: NAME_FILE=/path, or name in $CREDENTIALS_DIRECTORY.\n"
          "# Made by `make docs`; see docs/configuration.md.\n",
          out);
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &table[i];
        fprintf(out, "\n# %s", row->help);
        print_range(row, out);
        bool asked = !row->fallback && !made_here(row);
        fprintf(out, "%s%s\n%s%s=%s\n", row->fallback ? "" : "; required",
                made_here(row) ? ", but `make up` makes its own" : "", asked ? "" : "#", row->name,
                row->fallback ? row->fallback : "");
    }
}

void settings_print_docs(FILE *out)
{
    fputs(
        "# Configuration\n\n"
        "Settings are environment variables, or lines of a file given with `--env-file`, which win. A wrong value "
        "stops\n"
        "the start and names the variable. `chat-fcgi --check` validates and prints them, secrets masked. SIGHUP reads "
        "all\n"
        "of it again, the files that settings name too; a wrong value then keeps the last ones, and the log says so. "
        "Made by\n"
        "`make docs` from the table in `fcgi/settings.c`.\n\n"
        "| name | default | what it is |\n| --- | --- | --- |\n",
        out);
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *row = &table[i];
        const char *fallback = row->fallback ? row->fallback : "required";
        fprintf(out, "| `%s` | %s%s%s | %s", row->name, *fallback && row->fallback ? "`" : "",
                *fallback ? fallback : "none", *fallback && row->fallback ? "`" : "", row->help);
        print_range(row, out);
        fprintf(out, "%s |\n", row->kind == SECRET ? "; or in the file that the same name with `_FILE` names" : "");
    }
}

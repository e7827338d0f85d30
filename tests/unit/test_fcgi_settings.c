/* The settings table: where values come from, what each takes, and that no secret is ever shown. */
#include "fcgi/settings.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "wiped.h"

#define KEY "sk-THE-PROVIDER-KEY"
#define SECRET "0123456789abcdef-THE-JWT-SECRET-0"
#define DATABASE "postgres://chat:THE-DB-PASSWORD@127.0.0.1:5432/chat"
#define REDIS "redis://:THE-REDIS-PASSWORD@127.0.0.1:6379/0"

static const char *const required[][2] = {
    {"SAMBANOVA_API_KEY", KEY}, {"JWT_SECRET", SECRET}, {"DATABASE_URL", DATABASE}, {"REDIS_URL", REDIS}};

static struct settings settings;
static bool loaded;
static char problem[512], directory[] = "/tmp/settings-test-XXXXXX", path[64], key_path[64];

static void set_up(void)
{
    clearenv();
    for (size_t i = 0; i < UNIT_COUNT(required); i++) setenv(required[i][0], required[i][1], 1);
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(key_path, sizeof key_path, "%s/key", directory);
    loaded = false;
    problem[0] = '\0';
}

static void unload(void)
{
    if (loaded) settings_fini(&settings);
    loaded = false;
}

static void tear_down(void)
{
    unload();
    unlink(path);
    unlink(key_path);
    rmdir(directory);
}

static bool load_from(const char *env_file)
{
    unload();
    problem[0] = '\0';
    loaded = true; /* what a failed load left is given back too */
    return settings_load(&settings, env_file, problem, sizeof problem);
}

static bool load(void)
{
    return load_from(NULL);
}

static void write_file(const char *to, const char *text)
{
    FILE *file = fopen(to, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* What one of the printers prints; free it. */
static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (print)
        print(out);
    else
        settings_print(&settings, out);
    fclose(out);
    return text;
}

static void assert_shows_no_secret(const char *text)
{
    static const char *const secrets[] = {"THE-PROVIDER-KEY", "THE-JWT-SECRET", "THE-DB-PASSWORD",
                                          "THE-REDIS-PASSWORD"};

    for (size_t i = 0; i < UNIT_COUNT(secrets); i++) ck_assert_msg(!strstr(text, secrets[i]), "%s", text);
}

/* ---- values ---- */

START_TEST(the_defaults_are_those_of_the_contract)
{
    ck_assert_msg(load(), "%s", problem);
    ck_assert_str_eq(settings.api_base, "https://api.sambanova.ai/v1");
    ck_assert_str_eq(settings.policy.default_model, "Meta-Llama-3.3-70B-Instruct");
    ck_assert_uint_eq(settings.policy.model_count, 1);
    ck_assert_ptr_null(settings.policy.fallback_model);
    ck_assert_int_eq(settings.connect_timeout_ms, 5000);
    ck_assert_int_eq(settings.first_byte_timeout_ms, 60000);
    ck_assert_int_eq(settings.idle_timeout_ms, 30000);
    ck_assert_int_eq(settings.total_timeout_ms, 300000);
    ck_assert_int_eq(settings.policy.max_context_messages, 20);
    ck_assert_int_eq(settings.policy.max_tokens, 2048);
    ck_assert_int_eq(settings.policy.max_message_length, 8000);
    ck_assert_ptr_null(settings.policy.system_prompt);
    ck_assert_ptr_null(settings.policy.title_model);
    ck_assert_int_eq(settings.policy.daily_message_quota, 100);
    ck_assert_int_eq(settings.policy.rate_limit_per_minute, 10);
    ck_assert_int_eq(settings.policy.max_concurrent_streams, 3);
    ck_assert_int_eq(settings.policy.create_rate_per_minute, 60);
    ck_assert_int_eq(settings.policy.completions_max_bytes, 20971520);
    ck_assert(!settings.policy.quota_fail_open);
    ck_assert_int_eq(settings.policy.detach_grace_seconds, 30);
    ck_assert_int_eq(settings.policy.retention_days, 30);
    ck_assert(!settings.policy.feature_enabled && !settings.policy.feature_admin_only);
    ck_assert_int_eq(settings.policy.feature_rollout_percent, 100);
    ck_assert_int_eq(settings.jwt.algorithm, JWT_HS256);
    ck_assert_ptr_null(settings.jwt.issuer);
    ck_assert_ptr_null(settings.jwt.audience);
    ck_assert_str_eq(settings.jwt.role_claim, "role");
    ck_assert_str_eq(settings.jwt.admin_values, "admin");
    ck_assert_str_eq(settings.jwt.groups_claim, "groups");
    ck_assert_ptr_null(settings.jwt.required_values);
    ck_assert_str_eq(settings.listen, "/run/chat/fcgi.sock");
    ck_assert_int_ge(settings.workers, 1);
    ck_assert_int_le(settings.workers, 64);
    ck_assert_int_eq(settings.request_threads, 8);
    ck_assert_int_eq(settings.max_streams, 5000);
    ck_assert_int_eq(settings.pace_ms, 16);
    ck_assert_int_eq(settings.log_level, LOG_INFO);
    ck_assert_uint_gt(settings.prices.count, 3);
}
END_TEST

START_TEST(values_of_the_environment_are_taken)
{
    setenv("SAMBANOVA_MODELS", " a , b,,Meta-Llama-3.3-70B-Instruct,a", 1);
    setenv("CHAT_SYSTEM_PROMPT", "Be brief.", 1);
    setenv("CHAT_WORKERS", "3", 1);
    setenv("CHAT_DAILY_MESSAGE_QUOTA", "0", 1);
    setenv("FEATURE_CHAT_ENABLED", "Yes", 1);
    setenv("LOG_LEVEL", "debug", 1);
    setenv("JWT_ISSUER", "me", 1);
    setenv("CHAT_TITLE_MODEL", "", 1); /* as if it weren't there */
    ck_assert_msg(load(), "%s", problem);
    ck_assert_uint_eq(settings.policy.model_count, 3);
    ck_assert_str_eq(settings.policy.models[1], "a");
    ck_assert_str_eq(settings.policy.models[2], "b");
    ck_assert_str_eq(settings.policy.system_prompt, "Be brief.");
    ck_assert_int_eq(settings.workers, 3);
    ck_assert_int_eq(settings.policy.daily_message_quota, 0);
    ck_assert(settings.policy.feature_enabled);
    ck_assert_int_eq(settings.log_level, LOG_DEBUG);
    ck_assert_str_eq(settings.jwt.issuer, "me");
    ck_assert_ptr_null(settings.policy.title_model);
}
END_TEST

START_TEST(flags_are_words)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"TRUE", true}, {"1", true},   {"yes", true}, {"on", true},
                 {"false", false}, {"0", false},   {"No", false}, {"off", false}};

    for (size_t i = 0; i < UNIT_COUNT(words); i++) {
        setenv("CHAT_QUOTA_FAIL_OPEN", words[i].word, 1);
        ck_assert(load());
        ck_assert(settings.policy.quota_fail_open == words[i].value);
    }
}
END_TEST

/* ---- files ---- */

START_TEST(the_file_wins_over_the_environment)
{
    setenv("CHAT_MAX_TOKENS", "1", 1);
    setenv("CHAT_REQUEST_THREADS", "2", 1);
    setenv("CHAT_SYSTEM_PROMPT", "environment", 1);
    write_file(path, "# a comment\n\nCHAT_MAX_TOKENS=100\nCHAT_MAX_TOKENS=200\n"
                     "  export CHAT_MAX_MESSAGE_LENGTH = 5\nCHAT_MAX_MESSAGE_LENGTH=7 \r\n"
                     "CHAT_SYSTEM_PROMPT=\n"
                     "JWT_ISSUER=\"a # b = c\"\nJWT_AUDIENCE='x'\nno equals sign\n");
    ck_assert_msg(load_from(path), "%s", problem);
    ck_assert_int_eq(settings.policy.max_tokens, 200); /* the last one counts */
    ck_assert_int_eq(settings.request_threads, 2);
    ck_assert_int_eq(settings.policy.max_message_length, 7);
    ck_assert_ptr_null(settings.policy.system_prompt); /* emptied by the file */
    ck_assert_str_eq(settings.jwt.issuer, "a # b = c");
    ck_assert_str_eq(settings.jwt.audience, "x");
}
END_TEST

START_TEST(an_empty_line_hides_nothing_that_is_required)
{
    write_file(path, "SAMBANOVA_API_KEY=\n"); /* .env.example as it comes (E6) */
    ck_assert_msg(load_from(path), "%s", problem);
    ck_assert_str_eq(settings.api_key, KEY);
    write_file(path, "JWT_SECRET=\n");
    setenv("JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
    ck_assert_msg(load_from(path), "%s", problem);
    ck_assert_str_eq(settings.jwt_secret, "0123456789abcdef0123456789abcdef");
}
END_TEST

START_TEST(a_secret_of_the_file_wins_over_a_path_of_the_environment)
{
    write_file(key_path, "sk-of-the-environment\n");
    setenv("SAMBANOVA_API_KEY_FILE", key_path, 1);
    write_file(path, "SAMBANOVA_API_KEY=sk-of-the-file\n");
    ck_assert_msg(load_from(path), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-of-the-file");
}
END_TEST

/* (E6) */
START_TEST(a_misspelt_name_is_told_with_the_nearest)
{
    static const char *const names[][2] = {{"CHAT_RATE_LIMIT", "CHAT_RATE_LIMIT_PER_MINUTE"},
                                           {"SAMBANOVA_APIKEY", "SAMBANOVA_API_KEY"},
                                           {"JWT_ISSUERS", "JWT_ISSUER"},
                                           {"FEATURE_CHAT_ENABLE", "FEATURE_CHAT_ENABLED"},
                                           {"CHAT_DAILY_MESAGE_QUOTA", "CHAT_DAILY_MESSAGE_QUOTA"}};
    char line[128];

    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        ck_assert(load());
        ck_assert_msg(settings_names(&settings, problem, sizeof problem), "%s", problem);
        setenv(names[i][0], "1", 1);
        ck_assert(!settings_names(&settings, problem, sizeof problem));
        ck_assert_ptr_nonnull(strstr(problem, names[i][0]));
        ck_assert_msg(strstr(problem, names[i][1]) != NULL, "%s", problem);
        unsetenv(names[i][0]);
        snprintf(line, sizeof line, "%s=1\n", names[i][0]);
        write_file(path, line);
        ck_assert(load_from(path));
        ck_assert(!settings_names(&settings, problem, sizeof problem));
        ck_assert_msg(strstr(problem, names[i][1]) != NULL, "%s", problem);
    }
}
END_TEST

START_TEST(names_of_others_are_left_alone)
{
    static const char *const others[] = {
        "CHAT_URL", "CHAT_SERVICE_HOST", "CHAT_PORT_443_TCP", "JWT_SECRET_FILE", "PORT", "REDIS_HOST", "HOME"};

    write_file(key_path, SECRET "\n");
    for (size_t i = 0; i < UNIT_COUNT(others); i++) setenv(others[i], key_path, 1);
    write_file(path, "PORT=8443\nCOMPOSE_PROJECT_NAME=x\nDATABASE_URL_FILE=\n");
    ck_assert_msg(load_from(path), "%s", problem);
    ck_assert_msg(settings_names(&settings, problem, sizeof problem), "%s", problem);
    write_file(path, "DATABSE_URL=postgres://x\n"); /* in a file of ours it can be meant for nobody else */
    ck_assert(load_from(path));
    ck_assert(!settings_names(&settings, problem, sizeof problem));
    ck_assert_msg(strstr(problem, "DATABASE_URL") != NULL, "%s", problem);
}
END_TEST

START_TEST(a_file_that_is_not_there_stops_the_start)
{
    ck_assert(!load_from(path));
    ck_assert_ptr_nonnull(strstr(problem, path));
}
END_TEST

START_TEST(a_secret_may_stand_in_a_file)
{
    write_file(key_path, "sk-from-a-file\n");
    setenv("SAMBANOVA_API_KEY_FILE", key_path, 1);
    ck_assert_msg(load(), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-from-a-file");
    unsetenv("SAMBANOVA_API_KEY");
    ck_assert(load());
    write_file(path, "");
    write_file(key_path, "\n");
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "SAMBANOVA_API_KEY"));
    unlink(key_path);
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "SAMBANOVA_API_KEY_FILE"));
}
END_TEST

START_TEST(a_secret_in_a_file_is_one_line)
{
    static const char *const bad[] = {"sk-THE-PROVIDER-KEY\nsk-2", "sk-THE-PROVIDER-KEY\nsk-2\n",
                                      "sk-THE-PROVIDER-KEY\n\n",   "\nsk-THE-PROVIDER-KEY\n",
                                      "sk-THE-PROVIDER-KEY\rsk-2", "sk-THE-PROVIDER-KEY \n"};

    setenv("SAMBANOVA_API_KEY_FILE", key_path, 1);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        write_file(key_path, bad[i]);
        ck_assert_msg(!load(), "%zu", i);
        ck_assert_ptr_nonnull(strstr(problem, "SAMBANOVA_API_KEY"));
        assert_shows_no_secret(problem);
    }
    write_file(key_path, "sk-from-a-file\r\n");
    ck_assert_msg(load(), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-from-a-file");
    unsetenv("SAMBANOVA_API_KEY_FILE");
    write_file(key_path, SECRET "\n2");
    setenv("JWT_SECRET_FILE", key_path, 1);
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "JWT_SECRET_FILE"));
    assert_shows_no_secret(problem);
}
END_TEST

START_TEST(a_public_key_is_read_from_its_file)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    FILE *file = fopen(key_path, "w");

    PEM_write_PUBKEY(file, pair);
    fclose(file);
    EVP_PKEY_free(pair);
    setenv("JWT_ALG", "ES256", 1);
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "JWT_PUBLIC_KEY_FILE"));
    setenv("JWT_PUBLIC_KEY_FILE", key_path, 1);
    ck_assert_msg(load(), "%s", problem);
    ck_assert_int_eq(settings.jwt.algorithm, JWT_ES256);
    setenv("JWT_ALG", "RS256", 1); /* the key is of another kind */
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "JWT_PUBLIC_KEY_FILE"));
}
END_TEST

/* ---- wrong values ---- */

static const struct {
    const char *name, *value;
} wrong[] = {
    {"SAMBANOVA_API_KEY", ""},
    {"SAMBANOVA_API_KEY", "sk-THE-PROVIDER-KEY with blanks"},
    {"SAMBANOVA_API_KEY", "sk-THE-PROVIDER-KEY\x7f"},
    {"SAMBANOVA_API_BASE", "http://api.sambanova.ai/v1"},
    {"SAMBANOVA_API_BASE", "ftp://x"},
    {"SAMBANOVA_API_BASE", "api.sambanova.ai"},
    {"SAMBANOVA_CA_FILE", "/nowhere/ca.pem"},
    {"SAMBANOVA_CA_FILE", "/etc/hostname"},
    {"SAMBANOVA_CONNECT_TIMEOUT_MS", "99"},
    {"SAMBANOVA_CONNECT_TIMEOUT_MS", "3600001"},
    {"SAMBANOVA_FIRST_BYTE_TIMEOUT_MS", "1s"},
    {"SAMBANOVA_IDLE_TIMEOUT_MS", "-1"},
    {"SAMBANOVA_TOTAL_TIMEOUT_MS", "99999999999999999999"},
    {"SAMBANOVA_PRICES", "model=1"},
    {"SAMBANOVA_CONTEXT", "model"},
    {"SAMBANOVA_CONTEXT", "model=128k"},
    {"CHAT_MAX_CONTEXT_MESSAGES", "0"},
    {"CHAT_MAX_CONTEXT_MESSAGES", "201"},
    {"CHAT_MAX_TOKENS", "0"},
    {"CHAT_MAX_TOKENS", "131073"},
    {"CHAT_MAX_MESSAGE_LENGTH", "100001"},
    {"CHAT_MAX_MESSAGE_LENGTH", "8e3"},
    {"CHAT_DAILY_MESSAGE_QUOTA", "1000001"},
    {"CHAT_RATE_LIMIT_PER_MINUTE", "ten"},
    {"CHAT_RATE_LIMIT_PER_MINUTE", "-1"},
    {"CHAT_RATE_LIMIT_PER_MINUTE", "Unlimited"},
    {"CHAT_CREATE_RATE_PER_MINUTE", "1000001"},
    {"CHAT_MAX_TOKENS", "unlimited"},
    {"CHAT_COMPLETIONS_MAX_BYTES", "65535"},
    {"CHAT_COMPLETIONS_MAX_BYTES", "104857601"},
    {"CHAT_MAX_CONCURRENT_STREAMS", "1.5"},
    {"CHAT_QUOTA_FAIL_OPEN", "maybe"},
    {"CHAT_DETACH_GRACE_SECONDS", "3601"},
    {"CHAT_RETENTION_DAYS", "0"},
    {"FEATURE_CHAT_ENABLED", "2"},
    {"FEATURE_CHAT_ADMIN_ONLY", "tru"},
    {"FEATURE_CHAT_ROLLOUT_PERCENT", "101"},
    {"JWT_ALG", "none"},
    {"JWT_ALG", "hs256"},
    {"JWT_SECRET", ""},
    {"JWT_SECRET", "THE-JWT-SECRET-is-short"},
    {"DATABASE_URL", ""},
    {"REDIS_URL", ""},
    {"DATABASE_URL", "mysql://root@127.0.0.1/chat"},
    {"REDIS_URL", "http://127.0.0.1"},
    {"CHAT_WORKERS", "65"},
    {"CHAT_WORKERS", " 5"},
    {"CHAT_WORKERS", "5 "},
    {"CHAT_WORKERS", "+5"},
    {"CHAT_WORKERS", "\t5"},
    {"CHAT_WORKERS", "-0"},
    {"CHAT_REQUEST_THREADS", "0"},
    {"CHAT_MAX_STREAMS", "0"},
    {"CHAT_PACE_MS", "-1"},
    {"CHAT_PACE_MS", "101"},
    {"LOG_LEVEL", "INFO"},
};

START_TEST(limits_take_unlimited)
{
    static const char *const names[] = {"CHAT_DAILY_MESSAGE_QUOTA", "CHAT_RATE_LIMIT_PER_MINUTE",
                                        "CHAT_MAX_CONCURRENT_STREAMS", "CHAT_CREATE_RATE_PER_MINUTE"};
    char line[64];

    for (size_t i = 0; i < UNIT_COUNT(names); i++) setenv(names[i], "unlimited", 1);
    ck_assert_msg(load(), "%s", problem);
    ck_assert_int_eq(settings.policy.daily_message_quota, QUOTA_UNLIMITED);
    ck_assert_int_eq(settings.policy.rate_limit_per_minute, QUOTA_UNLIMITED);
    ck_assert_int_eq(settings.policy.max_concurrent_streams, QUOTA_UNLIMITED);
    ck_assert_int_eq(settings.policy.create_rate_per_minute, QUOTA_UNLIMITED);
    char *text = printed(NULL);
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        snprintf(line, sizeof line, "%s=unlimited\n", names[i]);
        ck_assert_ptr_nonnull(strstr(text, line));
    }
    free(text);
}
END_TEST

START_TEST(a_wrong_value_is_named_and_no_secret_is_told)
{
    setenv(wrong[_i].name, wrong[_i].value, 1);
    ck_assert_msg(!load(), "taken: %s=%s", wrong[_i].name, wrong[_i].value);
    ck_assert_msg(strstr(problem, wrong[_i].name) != NULL, "%s: %s", wrong[_i].name, problem);
    ck_assert_ptr_null(strchr(problem, '\n'));
    ck_assert_uint_gt(strlen(problem), strlen(wrong[_i].name) + 5);
    assert_shows_no_secret(problem);
}
END_TEST

START_TEST(model_names_are_bounded)
{
    char many[40 * 4] = "", name[200];

    for (int i = 0; i < 40; i++) sprintf(many + strlen(many), "m%d,", i);
    setenv("SAMBANOVA_MODELS", many, 1);
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "SAMBANOVA_MODELS"));
    unsetenv("SAMBANOVA_MODELS");
    memset(name, 'm', sizeof name);
    name[sizeof name - 1] = '\0';
    setenv("SAMBANOVA_MODEL", name, 1);
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "SAMBANOVA_MODEL"));
}
END_TEST

/* ---- keeping them ---- */

static char *kept_path(const struct settings_kept *kept)
{
    static char text[64];
    snprintf(text, sizeof text, "/proc/self/fd/%d", kept->fds[0]);
    return text;
}

static char *new_public_key(void)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    PEM_write_PUBKEY(out, pair);
    fclose(out);
    EVP_PKEY_free(pair);
    return text;
}

/* (E3) A worker that is replaced gets what the master accepted, though a file holds something else by then, or nothing.
 */
START_TEST(kept_settings_are_those_that_were_read)
{
    char *key = new_public_key(), text[512];
    struct settings_kept kept;

    write_file(key_path, key);
    snprintf(text, sizeof text,
             "JWT_ALG=ES256\nJWT_PUBLIC_KEY_FILE=%s\nCHAT_SYSTEM_PROMPT='  be \"brief\" '\nNEW_IN_A_LATER_VERSION=1\n"
             "CHAT_MAX_TOKENS=1\nCHAT_MAX_TOKENS=17\n",
             key_path);
    write_file(path, text);
    ck_assert_msg(load_from(path), "%s", problem);
    ck_assert(settings_keep(&settings, &kept));
    write_file(path, "CHAT_MAX_TOKENS=nonsense\n");
    write_file(key_path, "");
    ck_assert_msg(load_from(kept_path(&kept)), "%s", problem);
    ck_assert_int_eq(settings.policy.max_tokens, 17);
    ck_assert_str_eq(settings.policy.system_prompt, "  be \"brief\" ");
    ck_assert_str_eq((const char *)settings.jwt.key, key);
    settings_drop(&kept);
    free(key);
}
END_TEST

/* As systemd names credentials: the file sambanova-api-key is SAMBANOVA_API_KEY. NAME_FILE wins, as it is more special.
 */
START_TEST(a_secret_may_stand_in_the_directory_of_credentials)
{
    struct settings_kept kept;
    char own[96];

    snprintf(own, sizeof own, "%s/sambanova-api-key", directory);
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    ck_assert_msg(load(), "%s", problem);
    ck_assert_str_eq(settings.api_key, KEY);
    write_file(own, "sk-credential\n");
    ck_assert_msg(load(), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-credential");
    ck_assert(settings_keep(&settings, &kept));
    write_file(own, "two\nlines\n");
    ck_assert(!load());
    ck_assert_ptr_nonnull(strstr(problem, "SAMBANOVA_API_KEY"));
    ck_assert_msg(load_from(kept_path(&kept)), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-credential");
    settings_drop(&kept);
    write_file(path, "sk-file\n");
    setenv("SAMBANOVA_API_KEY_FILE", path, 1);
    ck_assert_msg(load(), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-file");
    unlink(own);
}
END_TEST

START_TEST(kept_secrets_are_those_that_were_read_from_their_files)
{
    struct settings_kept kept;

    write_file(path, "sk-first\n");
    setenv("SAMBANOVA_API_KEY_FILE", path, 1);
    ck_assert(load());
    ck_assert(settings_keep(&settings, &kept));
    write_file(path, "two\nlines\n");
    ck_assert(!load());
    ck_assert_msg(load_from(kept_path(&kept)), "%s", problem);
    ck_assert_str_eq(settings.api_key, "sk-first");
    settings_drop(&kept);
}
END_TEST

START_TEST(what_was_written_to_keep_secrets_is_wiped)
{
    struct settings_kept kept;

    write_file(path, "SAMBANOVA_API_KEY=sk-file\n");
    ck_assert_msg(load_from(path), "%s", problem);
    wiped_watch("sk-file");
    ck_assert(settings_keep(&settings, &kept));
    ck_assert_int_eq(wiped_count(), 1);
    wiped_watch(NULL);
    settings_drop(&kept);
}
END_TEST

/* ---- showing them ---- */

START_TEST(what_is_printed_masks_secrets)
{
    char *text;

    setenv("CHAT_SYSTEM_PROMPT", "Be brief.", 1);
    ck_assert(load());
    text = printed(NULL);
    assert_shows_no_secret(text);
    ck_assert_ptr_nonnull(strstr(text, "SAMBANOVA_API_KEY=(set)\n"));
    ck_assert_ptr_nonnull(strstr(text, "DATABASE_URL=(set)\n"));
    ck_assert_ptr_nonnull(strstr(text, "CHAT_SYSTEM_PROMPT=Be brief.\n"));
    ck_assert_ptr_nonnull(strstr(text, "CHAT_MAX_TOKENS=2048\n"));
    ck_assert_ptr_nonnull(strstr(text, "FEATURE_CHAT_ENABLED=false\n"));
    ck_assert_ptr_nonnull(strstr(text, "LOG_LEVEL=info\n"));
    ck_assert_ptr_nonnull(strstr(text, "JWT_ISSUER=\n"));
    free(text);
}
END_TEST

static char *read_text(const char *from)
{
    FILE *in = fopen(from, "r");
    char *text = calloc(1, 1 << 17);

    if (in && text) text[fread(text, 1, (1 << 17) - 1, in)] = '\0';
    if (in) fclose(in);
    return text;
}

/* Run from the repository's root, as make does. */
START_TEST(the_files_that_are_made_from_the_table_are_fresh)
{
    char *env = printed(settings_print_env_example), *docs = printed(settings_print_docs);
    char *env_file = read_text(".env.example"), *docs_file = read_text("docs/configuration.md");

    ck_assert_msg(strcmp(env, env_file) == 0, ".env.example is not what the table says: run `make docs`");
    ck_assert_msg(strcmp(docs, docs_file) == 0, "docs/configuration.md is not what the table says: run `make docs`");
    free(env);
    free(docs);
    free(env_file);
    free(docs_file);
}
END_TEST

START_TEST(the_example_has_every_variable_and_is_a_file_that_loads)
{
    char *text = printed(settings_print_env_example), *shown;

    ck_assert(load());
    shown = printed(NULL);
    for (char *line = strtok(shown, "\n"); line; line = strtok(NULL, "\n")) {
        line[strcspn(line, "=") + 1] = '\0';
        ck_assert_msg(strstr(text, line) != NULL, "not in the example: %s", line);
    }
    free(shown);
    /* its required ones are empty, so a file of only the others is taken over the environment's */
    write_file(path, text);
    for (size_t i = 0; i < UNIT_COUNT(required); i++) {
        FILE *file = fopen(path, "a");

        fprintf(file, "%s=%s\n", required[i][0], required[i][1]);
        fclose(file);
    }
    ck_assert_msg(load_from(path), "%s", problem);
    free(text);
}
END_TEST

UNIT_SUITE(fcgi_settings)
{
    Suite *suite = suite_create("fcgi_settings");
    TCase *tcase = UNIT_CASE(
        suite, "table", the_defaults_are_those_of_the_contract, values_of_the_environment_are_taken,
        limits_take_unlimited, flags_are_words, the_file_wins_over_the_environment,
        an_empty_line_hides_nothing_that_is_required, a_secret_of_the_file_wins_over_a_path_of_the_environment,
        a_misspelt_name_is_told_with_the_nearest, names_of_others_are_left_alone,
        a_file_that_is_not_there_stops_the_start, a_secret_may_stand_in_a_file, a_secret_in_a_file_is_one_line,
        a_public_key_is_read_from_its_file, model_names_are_bounded, kept_settings_are_those_that_were_read,
        a_secret_may_stand_in_the_directory_of_credentials, kept_secrets_are_those_that_were_read_from_their_files,
        what_was_written_to_keep_secrets_is_wiped, what_is_printed_masks_secrets,
        the_files_that_are_made_from_the_table_are_fresh, the_example_has_every_variable_and_is_a_file_that_loads);

    tcase_add_loop_test(tcase, a_wrong_value_is_named_and_no_secret_is_told, 0, (int)UNIT_COUNT(wrong));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}

#include "fcgi/admin.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "http/views.h"
#include "postgres/session_repo.h"
#include "postgres/usage_repo.h"
#include "postgres/user_data.h"
#include "redis/answer_log.h"
#include "redis/user_keys.h"
#include "usecases/erase_user.h"
#include "usecases/export_user.h"

/* Nobody waits for an answer here: a command may take its time. */
enum { PG_CALL_MS = 30000, REDIS_CALL_MS_HERE = 5000, OUT_MAX_BYTES = 64 << 20 };
enum { TOKEN_MAX_S = 366 * 86400 };

struct admin {
    struct pg_health *health;
    struct pg_conn *pg;
    struct redis_server *server;
    struct redis_conn *redis;
    struct user_data *data;
    struct user_keys *keys;
    struct chat_ports ports;
};

/* No answer is written in this process. */
static enum answer_stop_result stop_nothing(struct answers *self, const char *answer_id)
{
    (void)self;
    (void)answer_id;
    return STOP_NOT_HERE;
}

static bool open_stores(struct admin *admin, const struct settings *settings)
{
    static const struct answers_ops no_ops = {.stop = stop_nothing};
    static struct answers no_answers = {&no_ops};
    const struct clock *clock = clock_system();
    const char *problem = NULL;
    signal(SIGPIPE, SIG_IGN);
    *admin = (struct admin){0};
    admin->health = pg_health_open(clock);
    if (admin->health && !settings->database_prepare) pg_health_dont_prepare(admin->health);
    admin->pg = pg_conn_open(settings->database_url, clock, admin->health, PG_CALL_MS);
    admin->server = redis_server_open(settings->redis_url, REDIS_CALL_MS_HERE, &problem);
    if (problem) fprintf(stderr, "chat-fcgi: REDIS_URL %s\n", problem);
    admin->redis = admin->server ? redis_conn_open(admin->server) : NULL;
    if (!admin->health || !admin->pg || !admin->redis) return false;
    admin->data = pg_user_data_open(admin->pg);
    admin->keys = redis_user_keys_open(admin->redis);
    admin->ports = (struct chat_ports){
        .clock = clock,
        .sessions = pg_session_repo_open(admin->pg),
        .usage = pg_usage_repo_open(admin->pg),
        .log = redis_answer_log_open(admin->redis),
        .answers = &no_answers,
    };
    return admin->data && admin->keys && admin->ports.sessions && admin->ports.usage && admin->ports.log;
}

static void close_stores(struct admin *admin)
{
    if (admin->ports.log) redis_answer_log_close(admin->ports.log);
    if (admin->ports.usage) pg_usage_repo_close(admin->ports.usage);
    if (admin->ports.sessions) pg_session_repo_close(admin->ports.sessions);
    if (admin->keys) redis_user_keys_close(admin->keys);
    if (admin->data) pg_user_data_close(admin->data);
    if (admin->redis) redis_conn_close(admin->redis);
    if (admin->server) redis_server_close(admin->server);
    if (admin->pg) pg_conn_close(admin->pg);
    if (admin->health) pg_health_close(admin->health);
}

static bool is_user(const char *user_id)
{
    if (jwt_is_subject(user_id)) return true;
    fputs("chat-fcgi: a user id has 1 to 255 characters of A-Z a-z 0-9 . _ : @ | + = / -\n", stderr);
    return false;
}

static int status_of(enum chat_error error)
{
    if (error != CHAT_OK) fprintf(stderr, "chat-fcgi: not done: %s; run it again\n", error_code(error));
    return error == CHAT_OK ? 0 : 1;
}

/* ---- export ---- */

struct writer {
    struct user_export_sink sink; /* first */
    struct buf out;
    struct json_writer json;
    bool in_usage, failed;
};

static struct writer *writer_of(struct user_export_sink *sink)
{
    return (struct writer *)sink;
}

/* What is written so far leaves memory. */
static void spill(struct writer *writer)
{
    if (writer->out.failed || fwrite(writer->out.data, 1, writer->out.len, stdout) != writer->out.len)
        writer->failed = true;
    buf_reset(&writer->out);
}

static void put_session(struct user_export_sink *sink, const struct session *session, int64_t deleted_at_ms)
{
    struct json_writer *json = &writer_of(sink)->json;
    json_begin_object(json);
    view_session_fields(json, session);
    json_field_time(json, "deleted_at", deleted_at_ms);
    json_put_key(json, "messages");
    json_begin_array(json);
}

static void put_message(struct user_export_sink *sink, const struct stored_message *message)
{
    struct json_writer *json = &writer_of(sink)->json;
    json_begin_object(json);
    view_message_fields(json, &message->message, MESSAGE_WHOLE);
    json_field_string(json, "feedback_comment", message->feedback_comment);
    json_end_object(json);
    spill(writer_of(sink));
}

static void end_session(struct user_export_sink *sink)
{
    json_end_array(&writer_of(sink)->json);
    json_end_object(&writer_of(sink)->json);
}

static void begin_usage(struct writer *writer)
{
    if (writer->in_usage) return;
    writer->in_usage = true;
    json_end_array(&writer->json); /* of sessions */
    json_put_key(&writer->json, "usage");
    json_begin_array(&writer->json);
}

static void put_usage(struct user_export_sink *sink, const struct usage_row *row)
{
    begin_usage(writer_of(sink));
    view_usage(&writer_of(sink)->json, row);
    spill(writer_of(sink));
}

int admin_export_user(const struct settings *settings, const char *user_id)
{
    struct admin admin;
    struct writer writer = {.sink = {put_session, put_message, end_session, put_usage}};
    if (!is_user(user_id)) return 2;
    enum chat_error error = open_stores(&admin, settings) ? CHAT_OK : CHAT_ERR_INTERNAL;
    buf_init(&writer.out, OUT_MAX_BYTES);
    json_writer_init(&writer.json, &writer.out);
    json_begin_object(&writer.json);
    json_field_string(&writer.json, "user_id", user_id);
    json_field_time(&writer.json, "exported_at", clock_wall_ms(clock_system()));
    json_put_key(&writer.json, "sessions");
    json_begin_array(&writer.json);
    if (error == CHAT_OK) error = export_user(&admin.ports, admin.data, user_id, &writer.sink);
    begin_usage(&writer);
    json_end_array(&writer.json);
    json_end_object(&writer.json);
    buf_append_char(&writer.out, '\n');
    if (error == CHAT_OK) spill(&writer); /* else it stays cut, as no JSON at all */
    if (fflush(stdout) != 0) writer.failed = true;
    if (writer.failed) fputs("chat-fcgi: the output could not be written\n", stderr);
    buf_fini(&writer.out);
    close_stores(&admin);
    return writer.failed ? 1 : status_of(error);
}

/* ---- erase ---- */

static void put_counts(struct json_writer *json, const char *key, const struct user_data_counts *counts)
{
    json_put_key(json, key);
    json_begin_object(json);
    json_field_int(json, "sessions", counts->sessions);
    json_field_int(json, "messages", counts->messages);
    json_field_int(json, "usage_rows", counts->usage_rows);
    json_field_int(json, "redis_keys", counts->redis_keys);
    json_end_object(json);
}

/* left NULL: it is not known. */
static void tell(const char *user_id, const struct user_data_counts *gone, const struct user_data_counts *left)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, 4096);
    json_writer_init(&json, &out);
    json_begin_object(&json);
    json_field_string(&json, "user_id", user_id);
    put_counts(&json, "erased", gone);
    if (left)
        put_counts(&json, "left", left);
    else
        json_field_null(&json, "left");
    json_end_object(&json);
    printf("%.*s\n", (int)out.len, out.data);
    buf_fini(&out);
}

int admin_erase_user(const struct settings *settings, const char *user_id)
{
    struct admin admin;
    struct user_data_counts gone = {0}, left = {0};
    if (!is_user(user_id)) return 2;
    enum chat_error error = open_stores(&admin, settings) ? CHAT_OK : CHAT_ERR_INTERNAL;
    if (error == CHAT_OK) error = erase_user(&admin.ports, admin.data, admin.keys, user_id, &gone, &left);
    close_stores(&admin);
    tell(user_id, &gone, error == CHAT_OK ? &left : NULL);
    if (error == CHAT_OK && left.sessions + left.usage_rows + left.redis_keys > 0) {
        fputs("chat-fcgi: something is left: the user is still at work; run it again\n", stderr);
        return 1;
    }
    return status_of(error);
}

/* ---- a token ---- */

int admin_print_token(const struct settings *settings, const char *user_id, const char *role, int ttl_s)
{
    const struct clock *clock = clock_system();
    struct jwt_claims claims = {.expires_at_s = clock_wall_ms(clock) / 1000 + ttl_s,
                                .is_admin = strcmp(role, "admin") == 0};
    if (!is_user(user_id)) return 2;
    if (!claims.is_admin && strcmp(role, "user") != 0) {
        fputs("chat-fcgi: --role takes user or admin\n", stderr);
        return 2;
    }
    if (ttl_s < 1 || ttl_s > TOKEN_MAX_S) {
        fprintf(stderr, "chat-fcgi: --ttl takes seconds, from 1 to %d\n", TOKEN_MAX_S);
        return 2;
    }
    memcpy(claims.subject, user_id, strlen(user_id) + 1);
    char *token = jwt_issue(&settings->jwt, clock, &claims);
    if (!token && settings->jwt.algorithm == JWT_HS256) {
        fputs("chat-fcgi: no token makes a user: by JWT_ADMIN_VALUES and JWT_REQUIRED_VALUES, who may come in is an "
              "admin\n",
              stderr);
        return 2;
    }
    if (!token) {
        fprintf(stderr, "chat-fcgi: with JWT_ALG=%s tokens are made where the private key is, not here\n",
                settings->jwt_alg);
        return 2;
    }
    bool fine = puts(token) >= 0 && fflush(stdout) == 0;
    free(token);
    return fine ? 0 : 1;
}

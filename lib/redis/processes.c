#include "redis/processes.h"

#include <stdio.h>
#include <stdlib.h>

#include <hiredis/hiredis.h>

#include "base/uuid.h"
#include "redis/judge.lua.h"
#include "redis/keys.h"

struct redis_processes {
    struct processes base;
    struct redis_conn *conn;
    int judge_script;
};

enum { KEY_SIZE = UUID_TEXT_SIZE + 40 };
#define ALIVE_SECONDS "6"       /* PROCESS_ALIVE_SECONDS */
#define REMEMBERED_SECONDS "60" /* PROCESS_REMEMBERED_SECONDS */
_Static_assert(PROCESS_ALIVE_SECONDS == 6 && PROCESS_REMEMBERED_SECONDS == 60, "these say the same");
#define HISTORY_SECONDS "3600"
#define OWN_WORD_LEFT_MS "3000" /* it is renewed each 2 s, and lives 6 */
#define JUDGED_AFTER_MS "15000" /* LOG_BELIEVED_AFTER_SECONDS */
_Static_assert(LOG_BELIEVED_AFTER_SECONDS == 15, "these say the same");

static void alive_key(char out[KEY_SIZE], const char *process_id)
{
    snprintf(out, KEY_SIZE, REDIS_ALIVE_KEY, process_id);
}

static void remembered_key(char out[KEY_SIZE], const char *process_id)
{
    snprintf(out, KEY_SIZE, REDIS_REMEMBERED_KEY, process_id);
}

static void doubt_key(char out[KEY_SIZE], const char *process_id)
{
    snprintf(out, KEY_SIZE, REDIS_DOUBT_KEY, process_id);
}

static struct redis_processes *self_of(struct processes *processes)
{
    return (struct redis_processes *)processes;
}

/* ---- to say that one lives ---- */

bool redis_processes_send_alive(struct redis_conn *conn, const char *process_id)
{
    char key[KEY_SIZE];
    alive_key(key, process_id);
    return redis_conn_send(conn, (const char *const[]){"SET", key, "1", "EX", ALIVE_SECONDS, "GET"}, 6);
}

/* Where it wasn't known any more that this process lives, Redis may have lost all the rest too. */
bool redis_processes_take_alive(struct redis_conn *conn, bool *forgotten)
{
    redisReply *reply = redis_conn_receive(conn);
    if (!reply) return false;
    if (reply->type == REDIS_REPLY_NIL) *forgotten = true;
    freeReplyObject(reply);
    return true;
}

enum { REMEMBERED_REPLIES = 3 };
static bool send_remembered(struct redis_conn *conn, const char *process_id)
{
    char key[KEY_SIZE];
    remembered_key(key, process_id);
    return redis_conn_send(conn, (const char *const[]){"SET", key, "1", "EX", REMEMBERED_SECONDS}, 5) &&
           redis_conn_send(conn, (const char *const[]){"SADD", REDIS_PROCESSES_KEY, process_id}, 3) &&
           redis_conn_send(conn, (const char *const[]){"EXPIRE", REDIS_PROCESSES_KEY, REMEMBERED_SECONDS}, 3);
}

static bool say_alive_once(struct redis_conn *conn, const char *process_id, bool *forgotten)
{
    return redis_processes_send_alive(conn, process_id) && send_remembered(conn, process_id) &&
           redis_processes_take_alive(conn, forgotten) && redis_conn_skip(conn, REMEMBERED_REPLIES);
}

static enum chat_error say_alive(struct processes *processes, const char *process_id, bool *forgotten)
{
    struct redis_conn *conn = self_of(processes)->conn;
    *forgotten = false;
    bool fine = redis_conn_begin(conn) && (say_alive_once(conn, process_id, forgotten) ||
                                           (redis_conn_again(conn) && say_alive_once(conn, process_id, forgotten)));
    return redis_conn_outcome(conn, fine);
}

/* ---- to ask of others ---- */

bool redis_processes_ask(struct redis_conn *conn, const char *process_id)
{
    char key[KEY_SIZE];
    alive_key(key, process_id);
    return redis_conn_send(conn, (const char *const[]){"EXISTS", key}, 2);
}

static bool ask_remembered(struct redis_conn *conn, const char *process_id)
{
    char key[KEY_SIZE];
    remembered_key(key, process_id);
    return redis_conn_send(conn, (const char *const[]){"EXISTS", key}, 2);
}

bool redis_processes_take_lives(struct redis_conn *conn, bool *lives)
{
    redisReply *reply = redis_conn_receive(conn);
    if (!reply) return false;
    *lives = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    freeReplyObject(reply);
    return true;
}

/* Whether one of these died; those that nobody remembers are taken out. */
static bool look_at_members(struct redis_conn *conn, const redisReply *members, bool *died)
{
    if (!redis_conn_begin(conn)) return false;
    for (size_t i = 0; i < members->elements; i++) {
        const char *id = members->element[i]->str;
        if (!redis_processes_ask(conn, id) || !ask_remembered(conn, id)) return false;
    }
    size_t forgotten = 0;
    for (size_t i = 0; i < members->elements; i++) {
        const char *id = members->element[i]->str;
        bool lives, is_remembered;
        if (!redis_processes_take_lives(conn, &lives) || !redis_processes_take_lives(conn, &is_remembered))
            return false;
        if (!lives && is_remembered) *died = true;
        if (is_remembered) continue;
        if (!redis_conn_send(conn, (const char *const[]){"SREM", REDIS_PROCESSES_KEY, id}, 3)) return false;
        forgotten++;
    }
    return redis_conn_skip(conn, forgotten);
}

static enum chat_error died(struct processes *processes, bool *any)
{
    struct redis_conn *conn = self_of(processes)->conn;
    *any = false;
    redis_conn_doubt(conn);
    if (!redis_conn_begin(conn) || !redis_conn_send(conn, (const char *const[]){"SMEMBERS", REDIS_PROCESSES_KEY}, 2))
        return redis_conn_outcome(conn, false);
    redisReply *members = redis_conn_receive(conn);
    bool fine = members && members->type == REDIS_REPLY_ARRAY && look_at_members(conn, members, any);
    if (members) freeReplyObject(members);
    return redis_conn_outcome(conn, fine);
}

/* ---- whether to believe it ---- */

static enum chat_error may_judge(struct processes *processes, const char *process_id, bool *may)
{
    struct redis_processes *self = self_of(processes);
    struct redis_conn *conn = self->conn;
    char alive[KEY_SIZE], remembered[KEY_SIZE], doubt[KEY_SIZE];
    const char *const args[] = {alive,           remembered,     doubt, REDIS_HISTORY_KEY, OWN_WORD_LEFT_MS,
                                JUDGED_AFTER_MS, HISTORY_SECONDS};
    *may = false;
    alive_key(alive, process_id);
    remembered_key(remembered, process_id);
    doubt_key(doubt, process_id);
    redisReply *reply = redis_conn_begin(conn) ? redis_conn_eval(conn, self->judge_script, 4, args, 7) : NULL;
    if (!reply) return redis_conn_outcome(conn, false);
    *may = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    freeReplyObject(reply);
    return CHAT_OK;
}

struct processes *redis_processes_open(struct redis_conn *conn)
{
    static const struct processes_ops ops = {.say_alive = say_alive, .may_judge = may_judge, .died = died};
    struct redis_processes *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->base.ops = &ops;
    self->conn = conn;
    self->judge_script = redis_conn_add_script(conn, judge_lua);
    return &self->base;
}

void redis_processes_close(struct processes *processes)
{
    free(self_of(processes));
}

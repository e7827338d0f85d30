/*
 * The registry of living processes in Redis: each says that it lives, and each can ask whether another one does,
 * whether one died, and whether what the registry says may be believed. For lib/redis alone: answer_log.c offers it as
 * part of its port (usecases/answer_log.h has what the words mean), as a write of the log and a word of life share a
 * round trip. Its keys are in keys.h. All belongs to the connection's thread; every call is bounded in time.
 */
#ifndef REDIS_PROCESSES_H
#define REDIS_PROCESSES_H

#include <stdbool.h>

#include "base/error.h"
#include "redis/conn.h"

struct redis_processes {
    struct redis_conn *conn;
    int judge_script;
};

/* Takes the connection (borrowed as long as `out` is used) and adds a script to it. */
void redis_processes_init(struct redis_processes *out, struct redis_conn *conn);

/* ---- parts of a caller's pipeline: what is sent has one reply, which is taken in its turn ---- */

/* Takes a process id, the caller's own. Sends that it lives. false: the pipeline failed. */
bool redis_processes_send_alive(struct redis_conn *conn, const char *process_id);
/* Takes the reply. Sets *forgotten where that wasn't known any more, else leaves it. false: the pipeline failed. */
bool redis_processes_take_alive(struct redis_conn *conn, bool *forgotten);
/* Takes any process's id. Asks whether it lives. false: the pipeline failed. */
bool redis_processes_ask(struct redis_conn *conn, const char *process_id);
/* Takes the reply. false: the pipeline failed. */
bool redis_processes_take_answer(struct redis_conn *conn, bool *lives);

/* ---- whole calls; errors: CHAT_ERR_REDIS_UNAVAILABLE, Redis is away ---- */

/* Says that the caller's process lives. One round trip. */
enum chat_error redis_processes_say_alive(struct redis_processes *self, const char *process_id, bool *forgotten);
/* Whether the caller's process may believe what is said of others. One round trip. */
enum chat_error redis_processes_may_judge(struct redis_processes *self, const char *process_id, bool *may);
/* Whether one died lately; takes out those that nobody remembers. Two round trips, three where it takes out. */
enum chat_error redis_processes_died(struct redis_processes *self, bool *died);

#endif

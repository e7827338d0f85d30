/*
 * usecases/processes.h on Redis: which processes live. answer_log.c says and asks the same within its own round trips,
 * by the functions below. Its keys are in keys.h.
 */
#ifndef REDIS_PROCESSES_H
#define REDIS_PROCESSES_H

#include <stdbool.h>

#include "redis/conn.h"
#include "usecases/processes.h"

/* The connection is borrowed. NULL: no memory. */
struct processes *redis_processes_open(struct redis_conn *conn);
void redis_processes_close(struct processes *processes);

/* ---- for lib/redis alone, in a pipeline (conn.h): each send or ask has one reply, taken in the same order ---- */

/* Takes a process id, the caller's own. Sends that it lives. false: the pipeline failed. */
bool redis_processes_send_alive(struct redis_conn *conn, const char *process_id);
/* Takes the reply. Sets *forgotten if Redis didn't know any more that the process lives, else leaves it. false: the
 * pipeline failed. */
bool redis_processes_take_alive(struct redis_conn *conn, bool *forgotten);
/* Takes any process's id. Asks whether it lives. false: the pipeline failed. */
bool redis_processes_ask(struct redis_conn *conn, const char *process_id);
/* Takes the reply. false: the pipeline failed. */
bool redis_processes_take_lives(struct redis_conn *conn, bool *lives);

#endif

/*
 * usecases/processes.h on Redis; and what the answer log needs of it in its own round trips: a write of the log takes a
 * word of life along. Its keys are in keys.h.
 */
#ifndef REDIS_PROCESSES_H
#define REDIS_PROCESSES_H

#include <stdbool.h>

#include "redis/conn.h"
#include "usecases/processes.h"

/* The connection is borrowed. NULL: no memory. */
struct processes *redis_processes_open(struct redis_conn *conn);
void redis_processes_close(struct processes *processes);

/* ---- for lib/redis alone, in its pipelines: what is sent has one reply, which is taken in its turn ---- */

/* Takes a process id, the caller's own. Sends that it lives. false: the pipeline failed. */
bool redis_processes_send_alive(struct redis_conn *conn, const char *process_id);
/* Takes the reply. Sets *forgotten where that wasn't known any more, else leaves it. false: the pipeline failed. */
bool redis_processes_take_alive(struct redis_conn *conn, bool *forgotten);
/* Takes any process's id. Asks whether it lives. false: the pipeline failed. */
bool redis_processes_ask(struct redis_conn *conn, const char *process_id);
/* Takes the reply. false: the pipeline failed. */
bool redis_processes_take_answer(struct redis_conn *conn, bool *lives);

#endif

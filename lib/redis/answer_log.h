/*
 * usecases/answer_log.h on Redis. Keys, all with an expiry:
 *   chat:answer:<id>:content, :reasoning   the text so far
 *   chat:answer:<id>:writer                process that writes it, "" once its row is written
 *   chat:process:<id>:notes                what others tell this process: stop, somebody is attached
 * Who lives is the registry's (processes.h), which this port offers too.
 */
#ifndef REDIS_ANSWER_LOG_H
#define REDIS_ANSWER_LOG_H

#include "redis/conn.h"
#include "usecases/answer_log.h"

/* The connection is borrowed. NULL: no memory. */
struct answer_log *redis_answer_log_open(struct redis_conn *conn);
void redis_answer_log_close(struct answer_log *log);

#endif

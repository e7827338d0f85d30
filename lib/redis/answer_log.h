/*
 * usecases/answer_log.h on Redis. Keys, all with an expiry:
 *   chat:answer:<id>:content, :reasoning   the text so far
 *   chat:answer:<id>:writer                process that writes it, "" once its row is written
 *   chat:answer:<id>:watched               somebody is attached in another process
 *   chat:process:<id>:stops                answers that this process is asked to stop
 */
#ifndef REDIS_ANSWER_LOG_H
#define REDIS_ANSWER_LOG_H

#include "redis/conn.h"
#include "usecases/answer_log.h"

/* The connection is borrowed. NULL: no memory. */
struct answer_log *redis_answer_log_open(struct redis_conn *conn);
void redis_answer_log_close(struct answer_log *log);

#endif

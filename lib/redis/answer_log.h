/*
 * usecases/answer_log.h on Redis. Its keys are in keys.h, all with an expiry.
 * Who lives is the registry's (processes.h); a write of the log and a word of life share a round trip.
 */
#ifndef REDIS_ANSWER_LOG_H
#define REDIS_ANSWER_LOG_H

#include "redis/conn.h"
#include "usecases/answer_log.h"

/* The connection is borrowed. NULL: no memory. */
struct answer_log *redis_answer_log_open(struct redis_conn *conn);
void redis_answer_log_close(struct answer_log *log);

#endif

/*
 * A connection to Redis on which every call decides in time, and the one place that reconnects.
 *
 *   redis_server   one a process: where Redis is, and whether it is away. Any thread.
 *   redis_conn     one a thread: connects when first used, reconnects when broken.
 *
 * A call has call_ms from redis_conn_begin for everything: looking the name up, connecting, greeting (AUTH, SELECT,
 * TIME, SCRIPT LOAD), its commands. If Redis is late, it waits on while anything comes from it, on any connection of
 * the process. It ends after a silence of call_ms, and after ten times call_ms in any case. Several calls in a row that
 * were given up say that Redis is away. Then calls of the whole process fail at once; about every REDIS_PROBE_MS
 * (jittered) one of them is let through to look. Only a primary is spoken to. A connection asks for the role when it is
 * made, and once a second along with what it is used for; one that meets a replica, or is refused as by one (READONLY),
 * drops all connections of the process. What was refused, of which nothing was done, is sent once more on a fresh one,
 * in the time of the same call. hiredis' own redisReconnect is of no use for this: it forgets timeouts, AUTH and
 * SELECT. The process must ignore SIGPIPE: hiredis writes without MSG_NOSIGNAL. Nothing logged here holds the URL.
 */
#ifndef REDIS_CONN_H
#define REDIS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct redis_server;
struct redis_conn;
struct redisReply;

enum { REDIS_CALL_MS = 40, REDIS_PROBE_MS = 500, REDIS_SCRIPT_ARGS = 520 };

/* NULL with *problem set to a static sentence: the URL is wrong, or no memory. Doesn't connect. */
struct redis_server *redis_server_open(const char *url, int call_ms, const char **problem);
/* After all its connections. */
void redis_server_close(struct redis_server *server);
bool redis_server_is_away(const struct redis_server *server);

/* Doesn't connect; NULL: no memory. */
struct redis_conn *redis_conn_open(struct redis_server *server);
void redis_conn_close(struct redis_conn *conn);
/* What is asked from now on is for another request: that the one before waited in vain doesn't count any more. */
void redis_conn_new_request(struct redis_conn *conn);

/* ---- from here on for lib/redis alone: a struct redisReply never leaves the folder ---- */

/* A script that this connection will run; its text must outlive it. At most 16. Returns its number. */
int redis_conn_add_script(struct redis_conn *conn, const char *text);

/* Starts a call: its time begins. Sees to a live connection. false: Redis is away, nothing was sent. */
bool redis_conn_begin(struct redis_conn *conn);
/* The latest time on Redis' own clock (ms) at which a command of this call may still take effect: a script that
 * looks at it does nothing when a frozen Redis wakes up and runs what nobody waits for any more. */
int64_t redis_conn_deadline_ms(const struct redis_conn *conn);
/* For a script that came too late for that, did nothing, and said so: gives it the time of another call, to be sent
 * again. false: the call has lasted as long as any may. */
bool redis_conn_renew_deadline(struct redis_conn *conn);
/* What Redis' clock (ms) showed in a reply that has just come. */
void redis_conn_learn_time(struct redis_conn *conn, int64_t server_ms);

/* After a failure: true where a Redis that is no primary refused, and a connection to another stands. Nothing of the
 * call was done there: send all of it again, once. The deadline stays. A call that is late already isn't sent again. */
bool redis_conn_again(struct redis_conn *conn);
/* The next call asks for the role first, however lately that was done. */
void redis_conn_doubt(struct redis_conn *conn);

/* Queues a command; it is sent with the next receive. false: failed, the connection is dropped. */
bool redis_conn_send(struct redis_conn *conn, const char *const *args, size_t count);
/* The same with the arguments' lengths, for text that may hold any byte; NULL lengths: NUL-terminated. */
bool redis_conn_send_binary(struct redis_conn *conn, const char *const *args, const size_t *lengths, size_t count);
/* The next reply, never an error one; freeReplyObject it. NULL: failed and logged. A pipeline is given up at the
 * first NULL: redis_conn_abandon. */
struct redisReply *redis_conn_receive(struct redis_conn *conn);
/* Takes as many replies, and drops them. false: failed, as above. */
bool redis_conn_skip(struct redis_conn *conn, size_t count);
/* Sends one command and takes its reply, again where redis_conn_again says so. NULL as above. */
struct redisReply *redis_conn_ask(struct redis_conn *conn, const char *const *args, size_t count);
/* Queues a script (at most REDIS_SCRIPT_ARGS keys and args), to run by EVALSHA, as redis_conn_send_binary does a
 * command: for pipelines. A Redis that has forgotten it answers with an error. */
bool redis_conn_send_script(struct redis_conn *conn, int script, int key_count, const char *const *args,
                            const size_t *lengths, size_t count);
/* Runs a script (at most 24 keys and args) by EVALSHA, or by EVAL where Redis has forgotten it; again where
 * redis_conn_again says so. NULL as above. */
struct redisReply *redis_conn_eval(struct redis_conn *conn, int script, int key_count, const char *const *args,
                                   size_t count);
/* Logs how long the call has taken so far (event store_call): for the end of each. Gives `fine` back. */
bool redis_conn_done(const struct redis_conn *conn, const char *op, bool fine);
/* Drops the connection, so that replies still due can't be taken for others'. */
void redis_conn_abandon(struct redis_conn *conn);
/* For the end of a call of several replies: CHAT_OK where it is fine; else abandons, and gives
 * CHAT_ERR_REDIS_UNAVAILABLE. */
enum chat_error redis_conn_outcome(struct redis_conn *conn, bool fine);

#endif

/*
 * The relay: one thread, the loop, that owns every live answer, completion and waiting reply of this process. It asks
 * the provider, turns its bytes into text, hands text to whoever is attached, and passes the ended answer on to the job
 * threads. It never blocks.
 *
 *   request thread ──start/attach/stop──► posts ─┐
 *   provider ──upstream/──► decoder ──► text ───┼─► listeners (usecases/listener.h)
 *   job threads ◄──finish job── ended answer ◄───┘
 *
 * relay.c is only the port (usecases/answers.h) and the relay's beginning and end. What lives here is in files of its
 * own:
 *
 *   answer       an answer that is written here            exchanges   the exchanges with the log in Redis
 *   follower     one that is written elsewhere, or over    registry    finds either of these by its id
 *   audience     the listeners of either of these          places      bounds what this process takes on
 *   completion   a completion, passed through              patience    how long a slow client is waited for
 *   steps        replies that jobs make step by step       ground      what all of these stand on
 *   title        a session's title, by a job
 *
 * The thread, its posts and the job threads are lib/loop's; the way to the provider is lib/upstream's.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/clock.h"
#include "loop/jobs.h"
#include "usecases/answers.h"
#include "usecases/ports.h"
#include "usecases/provider.h"

struct relay_settings {
    const struct provider *provider;
    const struct clock *clock;
    int max_streams;          /* answers and completions at once in this process; and, apart from these, readers */
    int max_readers_per_user; /* readers of one user at once (places.h) */
    int detach_grace_ms;      /* an answer nobody is attached to goes on this long */
    /* Pools of relay_jobs_open, borrowed. relay_close ends their threads; the caller closes them after it. */
    struct job_pool *titles;    /* for asking titles; NULL: none are asked */
    struct job_pool *log_jobs;  /* for the log alone, so that it never waits for Postgres; NULL: relay_open's pool */
    struct job_pool *step_jobs; /* for replies made step by step; NULL: relay_open's pool */
    int pace_ms;                /* at most, between two readings of a stream that flows (upstream/pace.h); 0: none */
    const char *ca_file;        /* NULL: the system's */
    bool keep_warm;             /* a connection to the provider stands from the start */
    const char *fallback_model; /* asked where the one wanted is missing or busy; the policy's; NULL: none */
};

/* Takes the ports of each thread, borrowed until job_pool_close. Starts a pool of threads whose jobs get them as their
 * context, and whose queue is in the metrics. NULL: no threads to be had. Any thread. */
struct job_pool *relay_jobs_open(const struct chat_ports *const *ports, int threads);

struct relay;
/* Takes settings, which are copied (what they point to is borrowed), and a pool of relay_jobs_open. Starts the thread
 * and waits for its first turn. NULL: out of resources. */
struct relay *relay_open(const struct relay_settings *settings, struct job_pool *jobs);
/* The port that the use cases call: struct chat_ports' `answers`. Lives as long as the relay. Any thread. */
struct answers *relay_answers(struct relay *relay);
/* Names this process to the others that share the log. Lives as long as the relay. Any thread. */
const char *relay_process_id(const struct relay *relay);
/* How many places are taken (places.h): by answers, completions and readers, and by requests that will be one. Any
 * thread. */
int relay_live(const struct relay *relay);
/* Copies the tickets of all live answers and completions that hold a lease, for renewing it, 256 in a turn of the loop.
 * Who comes meanwhile may be left out. Sets *out, for free(); without memory some are left out, and it may be NULL.
 * Returns how many. Waits for these turns. One thread at a time, and not the loop's own. */
size_t relay_tickets(struct relay *relay, struct admission_ticket **out);
/* The log may have lost everything: the next exchanges write all answers of this process to it again, silent ones too.
 * Waits for a turn. Not from the loop's own thread. */
void relay_log_forgotten(struct relay *relay);
/* From now on no place can be taken: new answers, completions and readers get CHAT_ERR_SHUTTING_DOWN. Waits for a turn.
 * Not from the loop's own thread. */
void relay_refuse(struct relay *relay);
/* Refuses, and ends what is still live: answers as interrupted, with an `error` event `shutting_down`; completions with
 * that error; readers without a closing event, so that they come again. Waits until all places are free, 5 s at most.
 * Not from the loop's own thread. */
void relay_drain(struct relay *relay);
/* After relay_drain, and before the job pools are closed: ends the threads of all four first, as their jobs report
 * here. Then ends the loop, and frees everything. NULL is fine. */
void relay_close(struct relay *relay);

#endif

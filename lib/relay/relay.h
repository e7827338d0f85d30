/*
 * The relay: one thread that owns every live answer of this process. It asks the provider, turns its bytes into
 * text, hands text to whoever is attached, and passes the ended answer on to the job threads. It never blocks.
 *
 *   request thread ──start/attach/stop──► posts ─┐
 *   provider ──curl multi──► decoder ──► text ───┼─► listeners (usecases/listener.h)
 *   job threads ◄──finish job── ended answer ◄───┘
 *
 * The thread, its posts and the job threads are lib/loop's.
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
    int max_streams;            /* live answers in this process; and, apart from them, readers */
    int max_readers_per_user;   /* who come to what is there already (answers.h): of one user at once */
    int detach_grace_ms;        /* an answer nobody is attached to goes on this long */
    struct job_pool *titles;    /* for asking titles; NULL: none are asked. Its threads are ended by relay_close */
    struct job_pool *log_jobs;  /* for the log alone, so that it never waits for the database; NULL: the other jobs' */
    struct job_pool *step_jobs; /* for replies made step by step, so that no answer waits for them to be saved; NULL:
                                   the other jobs' */
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
/* The port that the use cases call. */
struct answers *relay_answers(struct relay *relay);
/* Names this process to the others that share the log. */
const char *relay_process_id(const struct relay *relay);
/* Answers and completions live now, and readers. */
int relay_live(const struct relay *relay);
/* Copies of the tickets of all live answers, for renewing their leases; free(*out). Not from the loop's own thread. */
size_t relay_tickets(struct relay *relay, struct admission_ticket **out);
/* The log may have lost everything: what lives here is written to it anew, also what is silent. Waits for a turn. Not
 * from the loop's own thread. */
void relay_log_forgotten(struct relay *relay);
/* Takes no new answers from now on. */
void relay_refuse(struct relay *relay);
/* Ends what is still live as interrupted, with the event `shutting_down`, and waits until that is stored (a few seconds
 * at most). Not from the loop's own thread. */
void relay_drain(struct relay *relay);
/* After relay_drain and before the job pool is closed: ends its threads first, as their jobs report here. */
void relay_close(struct relay *relay);

#endif

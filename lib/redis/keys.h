/*
 * The one place that says how each Redis key is spelled, what it holds, and how long it lives. For lib/redis alone.
 *
 *   REDIS_…_KEY      a key; with values, a format for snprintf
 *   REDIS_…_OF       of a user's keys, the part before the user's id: user_keys.c finds by it whose a key is
 *   REDIS_…_PREFIX   a format for the beginning of a key; what follows is said with it
 *
 * The comment above a key says which values its format takes, then its type, what it holds, and how long it lives. The
 * files named in the headings know the times. No user id holds a '#', a '*' or another character of a pattern. The
 * scripts (*.lua) are given their keys; their comments name them as here. While an update runs, old and new workers use
 * these keys side by side: a change has to suit both.
 */
#ifndef REDIS_KEYS_H
#define REDIS_KEYS_H

#include <inttypes.h>

/* ---- limits (admission.c) ---- */

/* Takes user, number of the minute. A count: units of messages and completions asked for in it. Until the minute
 * ends. */
#define REDIS_RATE_OF "chat:rate:"
#define REDIS_RATE_KEY REDIS_RATE_OF "%s:%" PRId64
/* Takes user, number of the minute. A count: what else is made in it, like sessions. Until the minute ends. */
#define REDIS_CREATE_OF "chat:create:"
#define REDIS_CREATE_KEY REDIS_CREATE_OF "%s:%" PRId64
/* Takes user, day ("2026-01-31", UTC). A count: units of that day. Until the day ends. */
#define REDIS_DAILY_OF "chat:quota:daily:"
#define REDIS_DAILY_KEY REDIS_DAILY_OF "%s:%s"
/* Takes user. A sorted set: answer id -> when its lease ends, ms. As long as the last lease taken or renewed. */
#define REDIS_STREAMS_OF "chat:streams:"
#define REDIS_STREAMS_KEY REDIS_STREAMS_OF "%s"
/* Takes answer id. "1": its lease has ended; "back", "back<units>": and its day's units were given back. A day. */
#define REDIS_SETTLED_KEY "chat:settled:%s"

/* ---- the provider's health (breaker.c; asked along by admission.c) ---- */

/* A hash: model -> state of its breaker. A breaker at rest has no field. An hour from the last change at least. */
#define REDIS_BREAKER_KEY "chat:breakers"

/* ---- Idempotency-Keys (idempotency.c) ---- */

/* Takes user; the hash of the client's key follows. "<fingerprint> <id> p" (pending) or "… d" (done). A day; an hour
 * for a brief claim. */
#define REDIS_IDEMPOTENCY_OF "chat:idempotency:"
#define REDIS_IDEMPOTENCY_PREFIX REDIS_IDEMPOTENCY_OF "%s#"
/* Takes user. A sorted set: hash -> when it was taken, ms, of the keys that live a day, or an hour. As long as these,
 * from the last that was taken. */
#define REDIS_DAY_KEYS_OF "chat:keys:day:"
#define REDIS_DAY_KEYS_KEY REDIS_DAY_KEYS_OF "%s"
#define REDIS_HOUR_KEYS_OF "chat:keys:hour:"
#define REDIS_HOUR_KEYS_KEY REDIS_HOUR_KEYS_OF "%s"

/* ---- answers (answer_log.c) ---- */

/* Takes answer id, and one of the four words below, each of which is a key of its own. */
#define REDIS_ANSWER_KEY "chat:answer:%s:%s"
/* The text so far; the reasoning so far. 10 minutes, renewed while it is written; a minute once its row is written; a
 * day where it is over and its row couldn't be written yet. */
#define REDIS_ANSWER_CONTENT "content"
#define REDIS_ANSWER_REASONING "reasoning"
/* Id of the process that writes it, "" once its row is written. As the text. */
#define REDIS_ANSWER_WRITER "writer"
/* A hash: how it ended, all that its row will need. A day; gone once the row is written. */
#define REDIS_ANSWER_END "end"
/* Takes process id. A list: what others tell that process of its answers, "s<answer id>" (stop it) or "w<answer id>"
 * (somebody is attached elsewhere). A minute from the last. */
#define REDIS_NOTES_KEY "chat:process:%s:notes"

/* ---- living processes (processes.c) ---- */

/* The first three take process id, of which no more than an id's length is read. */
/* "1": it lives. 6 seconds; said anew each 2. */
#define REDIS_ALIVE_KEY "chat:process:%.36s:alive"
/* "1": it lived lately. A minute from its last word. */
#define REDIS_REMEMBERED_KEY "chat:process:%.36s:remembered"
/* "1": its own word came late, so it may not judge others. 15 seconds. */
#define REDIS_DOUBT_KEY "chat:process:%.36s:doubt"
/* A set: ids of processes that live, or did lately. A minute from anybody's last word. */
#define REDIS_PROCESSES_KEY "chat:processes"
/* "<replication id> <ms when it began>": since when this Redis is the one that all write to. An hour from the last
 * time that somebody asked. */
#define REDIS_HISTORY_KEY "chat:history"

/* ---- all of one user's (user_keys.c) ---- */

/* Takes user. A pattern for SCAN: what may be the user's, and others' keys too. */
#define REDIS_KEYS_PATTERN "chat:*%s*"

#endif

/*
 * What GET /__stats tells: figures since the start or the last reset, and the last requests.
 */
#ifndef UPSTREAM_STATS_H
#define UPSTREAM_STATS_H

#include <stdint.h>

#include "buf.h"
#include "request.h"

#define STATS_CANCELS 1024 /* cancels remembered one by one */
#define STATS_BODY_MAX (1024 * 1024)
#define STATS_BODY_HEAD (64 * 1024)
#define STATS_CHATS 64 /* chats remembered whole */

struct stats_cancel {
    double mono_ms;
    double epoch_ms;
    long deltas;
    char tag[32];
};

struct stats_request {
    char method[16];
    char path[512];
    struct buf head;
    struct buf body;
    size_t body_bytes;   /* of the whole */
    char body_end[1024]; /* of a body over STATS_BODY_MAX; `body` is its head */
};

struct stats {
    unsigned long requests;  /* all below /v1 */
    unsigned long chats;     /* of these: to /v1/chat/completions */
    unsigned long titles;    /* of these: asking for a title */
    unsigned long refused;   /* of the chats: not answered by 200 */
    unsigned long completed; /* answers sent to their end */
    unsigned long cancelled; /* answers whose client left first */
    unsigned long broken;    /* answers that broke off because a scenario ordered it */
    unsigned long chunks;    /* deltas sent */
    long open_streams;       /* answers being written now */
    long open_streams_max;
    long connections; /* open now */
    unsigned long accepted;
    struct stats_cancel cancels[STATS_CANCELS]; /* ring; `cancelled` counts on */
    struct stats_request last;                  /* below /v1 */
    struct stats_request recent[STATS_CHATS];   /* ring: to /v1/chat/completions, titles left out */
    unsigned long recent_count;                 /* counts on */
};

void stats_fini(struct stats *self);

/* Forgets all but what is open now. */
void stats_reset(struct stats *self);

/* Remembers a request; is_chat: one that is kept in recent. */
void stats_request_seen(struct stats *self, const struct request *request, int is_chat);
void stats_cancelled(struct stats *self, const char *tag, long deltas);

/* JSON; the value of Authorization is left out. */
void stats_print(const struct stats *self, struct buf *out);

#endif

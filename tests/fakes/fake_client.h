/* The client of a completion: writes down what the relay hands it, and takes as much of it as the test gives room for.
 * The relay's thread calls it, the test looks and waits. */
#ifndef FAKES_FAKE_CLIENT_H
#define FAKES_FAKE_CLIENT_H

#include "tests/fakes/fake_wait.h"
#include "usecases/completion.h"

struct fake_client {
    struct completion_client client; /* first: the port */
    struct fake_wait wait;
    int fd, peer;                /* a socket pair: the relay watches one end, the other plays the client */
    size_t room;                 /* bytes that it takes yet; the rest waits */
    struct buf out;              /* all that it was given: frames, or the whole */
    size_t waiting, waiting_max; /* of out, not taken yet */
    bool moved;                  /* has taken some since the relay asked */
    bool waits_for_room;         /* its socket is full */
    bool corked;
    bool gone; /* frames and comments say GONE */
    /* what happened */
    int frames, corked_frames, comments, wholes, ends, tooks, let_goes, closes;
    enum chat_error error; /* of the end */
    int64_t retry_after_s;
    bool tried_out, account_refused;
    char message[512], param[128], finish_reason[32];
};

/* Takes everything. */
void fake_client_init(struct fake_client *self);
/* After it was closed by the relay. */
void fake_client_fini(struct fake_client *self);
/* Before it is handed over: takes so many bytes, then none. */
void fake_client_bound(struct fake_client *self, size_t room);
/* Takes so many bytes more. */
void fake_client_take(struct fake_client *self, size_t bytes);
/* Takes from what lies in the kernel: no room that the relay would be told of. */
void fake_client_sip(struct fake_client *self);
/* What is written to it fails from now on, and nothing else tells that it is gone. */
void fake_client_break(struct fake_client *self);
/* The client goes away. */
void fake_client_leave(struct fake_client *self);

bool fake_client_wait_closed(struct fake_client *self);
bool fake_client_wait_ended(struct fake_client *self);
bool fake_client_wait_waiting(struct fake_client *self, size_t bytes);
/* All room was used, or it was closed. */
bool fake_client_wait_full(struct fake_client *self);
/* Text that it was given. */
bool fake_client_wait_text(struct fake_client *self, const char *text);
size_t fake_client_text_len(struct fake_client *self);
/* Bytes that it hasn't taken yet. */
size_t fake_client_waiting(struct fake_client *self);
int fake_client_count(struct fake_client *self, const int *count);
/* What it was given, as a string. Once closed. */
const char *fake_client_text(struct fake_client *self);

#endif

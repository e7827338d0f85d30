/* A listener that writes down what the relay hands it. The relay's thread calls it, the test looks and waits. */
#ifndef FAKES_FAKE_LISTENER_H
#define FAKES_FAKE_LISTENER_H

#include "tests/fakes/fake_wait.h"
#include "usecases/listener.h"

struct fake_listener {
    struct answer_listener listener; /* first: the port */
    struct fake_wait wait;
    int fd, peer; /* a socket pair: the relay watches one end, the other plays the client */
    bool blocked; /* the client takes nothing: text says BLOCKED until there is room */
    int held;     /* by the kernel, when it was looked at */
    bool gone;    /* text and open say GONE */
    /* what happened */
    int opens, texts, pings, writables, ends, closes;
    char content[65536];
    size_t content_len, reasoning_len;
    bool went_back;        /* text was shorter, or another one, than before: a mistake of the relay */
    enum chat_error error; /* of the closing event */
    int64_t retry_after_s;
    struct message final;   /* without its texts */
    struct session session; /* without its texts */
};

void fake_listener_init(struct fake_listener *self);
/* After it was closed by the relay. */
void fake_listener_fini(struct fake_listener *self);
/* The client goes away. */
void fake_listener_leave(struct fake_listener *self);
/* The client takes nothing more: its socket is full. Before the listener is handed over. */
void fake_listener_block(struct fake_listener *self);
/* It reads again. */
void fake_listener_unblock(struct fake_listener *self);

bool fake_listener_wait_content(struct fake_listener *self, const char *content);
bool fake_listener_wait_end(struct fake_listener *self);
bool fake_listener_wait_closed(struct fake_listener *self);
bool fake_listener_wait_pings(struct fake_listener *self, int count);
bool fake_listener_wait_opened(struct fake_listener *self);
/* How often it was handed text, changed or not. */
int fake_listener_texts(struct fake_listener *self);
int fake_listener_pings(struct fake_listener *self);
int fake_listener_ends(struct fake_listener *self);
int fake_listener_closes(struct fake_listener *self);
bool fake_listener_wait_texts(struct fake_listener *self, int count);
/* Has said BLOCKED. */
bool fake_listener_wait_blocked(struct fake_listener *self);

#endif

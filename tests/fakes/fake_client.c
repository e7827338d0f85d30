#include "tests/fakes/fake_client.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX_BYTES = 64 << 20 };

static struct fake_client *of(const struct completion_client *client)
{
    return (struct fake_client *)(uintptr_t)client;
}

static int client_fd(const struct completion_client *self)
{
    return of(self)->fd;
}

/* Its descriptor has no room as long as bytes wait. */
static void fill(struct fake_client *self)
{
    static const char filler[4096];

    while (send(self->fd, filler, sizeof filler, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {}
    self->waits_for_room = true;
}

static void take_waiting(struct fake_client *self)
{
    size_t taken = self->waiting < self->room ? self->waiting : self->room;

    self->waiting -= taken;
    self->room -= taken;
    self->moved = self->moved || taken > 0;
}

/* Locked. */
static enum listener_state give(struct fake_client *self, const char *bytes, size_t len)
{
    if (self->gone) return LISTENER_GONE;
    buf_append(&self->out, bytes, len);
    self->waiting += len;
    take_waiting(self);
    if (self->waiting > self->waiting_max) self->waiting_max = self->waiting;
    if (self->waiting && !self->waits_for_room) fill(self);
    return self->waiting ? LISTENER_BLOCKED : LISTENER_READY;
}

static enum listener_state client_frames(struct completion_client *port, const char *bytes, size_t len)
{
    struct fake_client *self = of(port);
    enum listener_state state;

    fake_wait_lock(&self->wait);
    self->frames++;
    self->corked_frames += self->corked;
    state = give(self, bytes, len);
    fake_wait_unlock(&self->wait);
    return state;
}

static void client_cork(struct completion_client *port)
{
    of(port)->corked = true;
}

static enum listener_state client_comment(struct completion_client *port)
{
    struct fake_client *self = of(port);
    enum listener_state state;

    fake_wait_lock(&self->wait);
    self->comments++;
    state = give(self, ": waiting\n\n", 11);
    fake_wait_unlock(&self->wait);
    return state;
}

static enum listener_state client_whole(struct completion_client *port, const char *json, size_t len)
{
    struct fake_client *self = of(port);
    enum listener_state state;

    fake_wait_lock(&self->wait);
    self->wholes++;
    state = give(self, json, len);
    fake_wait_unlock(&self->wait);
    return state;
}

static enum listener_state client_end(struct completion_client *port, const struct problem *problem,
                                      const struct quota *quota, struct buf *scratch)
{
    struct fake_client *self = of(port);
    enum listener_state state;

    (void)quota;
    (void)scratch;
    fake_wait_lock(&self->wait);
    self->ends++;
    self->error = problem->error;
    self->retry_after_s = problem->retry_after_s;
    self->tried_out = problem->tried_out;
    self->account_refused = problem->account_refused;
    snprintf(self->message, sizeof self->message, "%s", problem->message ? problem->message : "");
    snprintf(self->param, sizeof self->param, "%s", problem->param ? problem->param : "");
    snprintf(self->finish_reason, sizeof self->finish_reason, "%s",
             problem->finish_reason ? problem->finish_reason : "");
    state = self->waiting ? LISTENER_BLOCKED : LISTENER_READY;
    fake_wait_unlock(&self->wait);
    return state;
}

static enum listener_state client_writable(struct completion_client *port)
{
    struct fake_client *self = of(port);
    enum listener_state state;

    fake_wait_lock(&self->wait);
    self->waits_for_room = false;
    take_waiting(self);
    if (self->waiting) fill(self);
    state = self->waiting ? LISTENER_BLOCKED : LISTENER_READY;
    fake_wait_unlock(&self->wait);
    return state;
}

static size_t client_pending(const struct completion_client *port)
{
    return of(port)->waiting;
}

static bool client_took(struct completion_client *port)
{
    struct fake_client *self = of(port);
    bool moved;

    fake_wait_lock(&self->wait);
    self->tooks++;
    moved = self->moved;
    self->moved = false;
    fake_wait_unlock(&self->wait);
    return moved;
}

static void client_let_go(struct completion_client *port, struct buf *scratch)
{
    struct fake_client *self = of(port);

    (void)scratch;
    fake_wait_lock(&self->wait);
    self->let_goes++;
    fake_wait_unlock(&self->wait);
}

static void client_close(struct completion_client *port)
{
    struct fake_client *self = of(port);

    fake_wait_lock(&self->wait);
    self->closes++;
    close(self->fd);
    self->fd = -1;
    fake_wait_unlock(&self->wait);
}

void fake_client_init(struct fake_client *self)
{
    static const struct completion_client_ops ops = {
        .fd = client_fd,
        .frames = client_frames,
        .cork = client_cork,
        .comment = client_comment,
        .whole = client_whole,
        .end = client_end,
        .writable = client_writable,
        .pending = client_pending,
        .took = client_took,
        .let_go = client_let_go,
        .close = client_close,
    };
    int pair[2];

    memset(self, 0, sizeof *self);
    self->client.ops = &ops;
    self->room = SIZE_MAX;
    buf_init(&self->out, OUT_MAX_BYTES);
    fake_wait_init(&self->wait);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) abort();
    self->fd = pair[0];
    self->peer = pair[1];
}

void fake_client_fini(struct fake_client *self)
{
    if (self->fd >= 0) close(self->fd);
    if (self->peer >= 0) close(self->peer);
    buf_fini(&self->out);
    fake_wait_fini(&self->wait);
}

void fake_client_bound(struct fake_client *self, size_t room)
{
    self->room = room;
}

void fake_client_take(struct fake_client *self, size_t bytes)
{
    char sink[65536];

    fake_wait_lock(&self->wait);
    self->room += bytes;
    while (recv(self->peer, sink, sizeof sink, MSG_DONTWAIT) > 0) {}
    fake_wait_unlock(&self->wait);
}

void fake_client_sip(struct fake_client *self)
{
    fake_wait_lock(&self->wait);
    self->moved = true;
    fake_wait_unlock(&self->wait);
}

void fake_client_break(struct fake_client *self)
{
    fake_wait_lock(&self->wait);
    self->gone = true;
    fake_wait_unlock(&self->wait);
}

void fake_client_leave(struct fake_client *self)
{
    close(self->peer);
    self->peer = -1;
}

bool fake_client_wait_closed(struct fake_client *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->closes > 0, came);
    return came;
}

bool fake_client_wait_ended(struct fake_client *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->ends > 0, came);
    return came;
}

bool fake_client_wait_waiting(struct fake_client *self, size_t bytes)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->waiting >= bytes, came);
    return came;
}

bool fake_client_wait_full(struct fake_client *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->room == 0 || self->closes > 0, came);
    return came;
}

bool fake_client_wait_text(struct fake_client *self, const char *text)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->out.len && memmem(self->out.data, self->out.len, text, strlen(text)), came);
    return came;
}

size_t fake_client_text_len(struct fake_client *self)
{
    size_t len;

    fake_wait_lock(&self->wait);
    len = self->out.len;
    fake_wait_unlock(&self->wait);
    return len;
}

size_t fake_client_waiting(struct fake_client *self)
{
    size_t waiting;

    fake_wait_lock(&self->wait);
    waiting = self->waiting;
    fake_wait_unlock(&self->wait);
    return waiting;
}

int fake_client_count(struct fake_client *self, const int *count)
{
    int now;

    fake_wait_lock(&self->wait);
    now = *count;
    fake_wait_unlock(&self->wait);
    return now;
}

const char *fake_client_text(struct fake_client *self)
{
    fake_wait_lock(&self->wait);
    buf_append_char(&self->out, '\0');
    self->out.len--;
    fake_wait_unlock(&self->wait);
    return self->out.data;
}

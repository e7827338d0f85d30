#include "tests/fakes/fake_listener.h"

#include <linux/sockios.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fake_listener *of(const struct answer_listener *listener)
{
    return (struct fake_listener *)(uintptr_t)listener;
}

static int fake_fd(const struct answer_listener *self)
{
    return of(self)->fd;
}

static enum listener_state state_of(const struct fake_listener *self)
{
    if (self->gone) return LISTENER_GONE;
    return self->blocked ? LISTENER_BLOCKED : LISTENER_READY;
}

static enum listener_state fake_open(struct answer_listener *port, struct buf *scratch)
{
    struct fake_listener *self = of(port);
    enum listener_state state;

    buf_reset(scratch);
    fake_wait_lock(&self->wait);
    self->opens++;
    state = self->gone ? LISTENER_GONE : LISTENER_READY;
    fake_wait_unlock(&self->wait);
    return state;
}

static enum listener_state fake_text(struct answer_listener *port, const struct answer_text *text, struct buf *scratch)
{
    struct fake_listener *self = of(port);
    enum listener_state state;

    buf_reset(scratch);
    fake_wait_lock(&self->wait);
    self->texts++;
    state = state_of(self);
    if (state == LISTENER_READY && text->content_len < sizeof self->content) {
        if (text->content_len < self->content_len || text->reasoning_len < self->reasoning_len ||
            (self->content_len && memcmp(text->content, self->content, self->content_len) != 0))
            self->went_back = true;
        if (text->content_len) memcpy(self->content, text->content, text->content_len);
        self->content[text->content_len] = '\0';
        self->content_len = text->content_len;
        self->reasoning_len = text->reasoning_len;
    }
    fake_wait_unlock(&self->wait);
    return state;
}

static enum listener_state fake_title(struct answer_listener *port, const char *title, struct buf *scratch)
{
    (void)port;
    (void)title;
    (void)scratch;
    return LISTENER_READY;
}

static enum listener_state fake_ping(struct answer_listener *port, struct buf *scratch)
{
    struct fake_listener *self = of(port);

    (void)scratch;
    fake_wait_lock(&self->wait);
    self->pings++;
    fake_wait_unlock(&self->wait);
    return LISTENER_READY;
}

static enum listener_state fake_end(struct answer_listener *port, const struct answer_final *final, struct buf *scratch)
{
    struct fake_listener *self = of(port);

    (void)scratch;
    fake_wait_lock(&self->wait);
    self->ends++;
    self->error = final->error;
    self->retry_after_s = final->retry_after_s;
    self->final = *final->message;
    self->session = *final->session;
    fake_wait_unlock(&self->wait);
    return LISTENER_READY;
}

static enum listener_state fake_writable(struct answer_listener *port)
{
    struct fake_listener *self = of(port);

    fake_wait_lock(&self->wait);
    self->writables++;
    self->blocked = false;
    fake_wait_unlock(&self->wait);
    return LISTENER_READY;
}

/* As a connection of FastCGI looks: what the kernel holds has become less. */
static bool fake_took(struct answer_listener *port)
{
    struct fake_listener *self = of(port);
    int held = 0, before = self->held;

    ioctl(self->fd, SIOCOUTQ, &held);
    self->held = held;
    return held < before;
}

static void fake_close(struct answer_listener *port)
{
    struct fake_listener *self = of(port);

    fake_wait_lock(&self->wait);
    self->closes++;
    close(self->fd);
    self->fd = -1;
    fake_wait_unlock(&self->wait);
}

void fake_listener_init(struct fake_listener *self)
{
    static const struct answer_listener_ops ops = {
        .fd = fake_fd,
        .open = fake_open,
        .text = fake_text,
        .title = fake_title,
        .ping = fake_ping,
        .end = fake_end,
        .writable = fake_writable,
        .took = fake_took,
        .close = fake_close,
    };
    int pair[2];

    memset(self, 0, sizeof *self);
    self->listener.ops = &ops;
    fake_wait_init(&self->wait);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) abort();
    self->fd = pair[0];
    self->peer = pair[1];
}

void fake_listener_fini(struct fake_listener *self)
{
    if (self->fd >= 0) close(self->fd);
    if (self->peer >= 0) close(self->peer);
    fake_wait_fini(&self->wait);
}

void fake_listener_leave(struct fake_listener *self)
{
    close(self->peer);
    self->peer = -1;
}

void fake_listener_block(struct fake_listener *self)
{
    static const char filler[4096];

    while (send(self->fd, filler, sizeof filler, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {}
    self->blocked = true;
}

void fake_listener_unblock(struct fake_listener *self)
{
    char sink[65536];

    while (recv(self->peer, sink, sizeof sink, MSG_DONTWAIT) > 0) {}
}

bool fake_listener_wait_content(struct fake_listener *self, const char *content)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, strcmp(self->content, content) == 0, came);
    return came;
}

bool fake_listener_wait_end(struct fake_listener *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->ends > 0, came);
    return came;
}

bool fake_listener_wait_closed(struct fake_listener *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->closes > 0, came);
    return came;
}

bool fake_listener_wait_pings(struct fake_listener *self, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->pings >= count, came);
    return came;
}

static int locked(struct fake_listener *self, const int *count)
{
    int now;

    fake_wait_lock(&self->wait);
    now = *count;
    fake_wait_unlock(&self->wait);
    return now;
}

int fake_listener_texts(struct fake_listener *self)
{
    return locked(self, &self->texts);
}

int fake_listener_pings(struct fake_listener *self)
{
    return locked(self, &self->pings);
}

int fake_listener_ends(struct fake_listener *self)
{
    return locked(self, &self->ends);
}

int fake_listener_closes(struct fake_listener *self)
{
    return locked(self, &self->closes);
}

bool fake_listener_wait_texts(struct fake_listener *self, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->texts >= count, came);
    return came;
}

bool fake_listener_wait_blocked(struct fake_listener *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->blocked && self->texts > 0, came);
    return came;
}

bool fake_listener_wait_opened(struct fake_listener *self)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->opens > 0, came);
    return came;
}

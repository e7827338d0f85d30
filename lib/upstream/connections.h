/*
 * Connections to the provider. libcurl opens them: it looks names up, goes through a proxy, agrees on TLS and verifies.
 * What goes over them afterwards is ours (transfer.c). Those that are idle are kept for the next request. The loop's
 * thread.
 */
#ifndef UPSTREAM_CONNECTIONS_H
#define UPSTREAM_CONNECTIONS_H

#include "upstream/internal.h"

struct connections;
struct connection;

/* Who has a connection, or waits for one; embedded in a transfer. The caller sets the first three. */
struct connection_user {
    /* The connection stands: send. Called within connection_take where an idle one was there. */
    void (*ready)(struct connection_user *self);
    /* It can't be opened. The connection is closed already. */
    void (*failed)(struct connection_user *self, CURLcode result);
    /* EPOLL* bits that were waited for, or its end. */
    void (*event)(struct connection_user *self, uint32_t events);
    struct connection *connection; /* NULL: it has none */
};

/* Returns what connections_close frees. NULL: out of resources. */
struct connections *connections_open(struct upstream *upstream);
/* Closes the idle ones too. No user may have one any more. NULL is fine. */
void connections_close(struct connections *connections);

/* Gives the user a connection: an idle one, unless it has to be fresh, else one that is opened now. An idle one that
 * has ended, or on which something has come, is closed instead. Its callbacks follow until connection_keep or
 * connection_drop. false: out of resources, and none is called. */
bool connection_take(struct connections *connections, struct connection_user *user, bool fresh) MUST_CHECK;
/* Whether it has served another request before. */
bool connection_was_used(const struct connection *connection);
/* Sends what the socket takes. Returns CURLE_OK and how much that was; CURLE_AGAIN: nothing now; else it has failed. */
CURLcode connection_send(struct connection *connection, const char *bytes, size_t len, size_t *sent) MUST_CHECK;
/* Reads what is there, up to UPSTREAM_READ_BYTES. Returns CURLE_OK and how much; 0 bytes: the provider has ended it.
 * CURLE_AGAIN: nothing now; else it has failed. */
CURLcode connection_read(struct connection *connection, char *bytes, size_t size, size_t *len) MUST_CHECK;
/* Waits for these EPOLL* bits instead of those before; 0: for none, not even its end. false: the kernel refuses. */
bool connection_wait(struct connection *connection, uint32_t events) MUST_CHECK;
/* The request is over, and the connection may serve another. The user has none then. */
void connection_keep(struct connection_user *user);
/* Closes it. The user has none then. Where it has none already, nothing happens. */
void connection_drop(struct connection_user *user);

#endif

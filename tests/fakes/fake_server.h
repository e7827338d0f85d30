/*
 * A provider's HTTP server on a free loopback port, played from a script: each connection gets the next reply. A reply
 * is a list of texts that are sent as they are, head included, with pauses between them; at its end the connection is
 * closed.
 */
#ifndef FAKES_FAKE_SERVER_H
#define FAKES_FAKE_SERVER_H

#include <stdbool.h>

#define FAKE_STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

/* Steps of a reply that are no text. */
extern const char FAKE_GATE[];  /* waits until the test opens the gate once more */
extern const char FAKE_HOLD[];  /* stays silent until the client closes */
extern const char FAKE_FLOOD[]; /* sends lines that say nothing, as fast as they are taken, until the client closes */
extern const char FAKE_RESET[]; /* ends the connection by a reset */

struct fake_server;
struct fake_server *fake_server_open(void);
/* Ends all connections. */
void fake_server_close(struct fake_server *server);
int fake_server_port(const struct fake_server *server);
/* Steps, NULL-ended, borrowed. Used up in the order given; connections beyond get a 500. */
void fake_server_reply(struct fake_server *server, const char *const *steps);
void fake_server_open_gate(struct fake_server *server);

int fake_server_requests(struct fake_server *server);
bool fake_server_wait_requests(struct fake_server *server, int count);
/* Connections that the client closed while the server held them. */
bool fake_server_wait_left(struct fake_server *server, int count);
/* The first bytes of request number `index`, head and body. Lives as long as the server. */
const char *fake_server_request(struct fake_server *server, int index);
/* A port that nobody listens on. */
int fake_server_closed_port(void);

#endif

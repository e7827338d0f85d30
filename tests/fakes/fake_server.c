#include "tests/fakes/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fakes/fake_wait.h"

enum { CONNECTIONS_MAX = 320, REQUEST_MAX = 65536 };

const char FAKE_GATE[] = "gate";
const char FAKE_HOLD[] = "hold";
const char FAKE_FLOOD[] = "flood";
const char FAKE_RESET[] = "reset";

struct served {
    struct fake_server *server;
    pthread_t thread;
    int fd;
    const char *const *steps;
    char request[REQUEST_MAX];
};

struct fake_server {
    struct fake_wait wait;
    pthread_t thread;
    int listen_fd, port;
    bool stopping;
    int gates, requests, left;
    const char *const *replies[CONNECTIONS_MAX];
    int reply_count, connection_count;
    struct served *served[CONNECTIONS_MAX];
};

static const char *const failure[] = {"HTTP/1.1 500 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", NULL};

/* Head and as much body as the head announces. */
static void read_request(struct served *served)
{
    size_t len = 0, want = 0;
    ssize_t got;

    while (len + 1 < REQUEST_MAX && (!want || len < want)) {
        char *body;

        got = recv(served->fd, served->request + len, REQUEST_MAX - 1 - len, 0);
        if (got <= 0) return;
        len += (size_t)got;
        served->request[len] = '\0';
        body = strstr(served->request, "\r\n\r\n");
        if (body && !want) {
            const char *announced = strcasestr(served->request, "content-length:");

            want = (size_t)(body + 4 - served->request) + (announced ? (size_t)atol(announced + 15) : 0);
        }
    }
}

static void send_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

        if (sent <= 0) return;
        text += sent;
        len -= (size_t)sent;
    }
}

static void pass_gate(struct fake_server *server)
{
    fake_wait_lock(&server->wait);
    while (!server->gates && !server->stopping) pthread_cond_wait(&server->wait.changed, &server->wait.lock);
    if (server->gates) server->gates--;
    fake_wait_unlock(&server->wait);
}

static void hold(struct served *served)
{
    char byte;
    ssize_t got = recv(served->fd, &byte, 1, 0);

    fake_wait_lock(&served->server->wait);
    if (got <= 0) served->server->left++;
    fake_wait_unlock(&served->server->wait);
}

static void flood(struct served *served)
{
    static char lines[1 << 16];
    memset(lines, '\n', sizeof lines);
    while (send(served->fd, lines, sizeof lines, MSG_NOSIGNAL) > 0) continue;
}

static void *serve_connection(void *argument)
{
    struct served *served = argument;
    struct fake_server *server = served->server;
    int fd = served->fd;

    read_request(served);
    fake_wait_lock(&server->wait);
    server->requests++;
    fake_wait_unlock(&server->wait);
    for (const char *const *step = served->steps; *step; step++) {
        if (*step == FAKE_GATE) {
            pass_gate(server);
        } else if (*step == FAKE_HOLD) {
            hold(served);
        } else if (*step == FAKE_FLOOD) {
            flood(served);
        } else if (*step == FAKE_RESET) {
            struct linger now = {.l_onoff = 1};

            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        } else {
            send_all(fd, *step);
        }
    }
    fake_wait_lock(&server->wait);
    served->fd = -1;
    close(fd);
    fake_wait_unlock(&server->wait);
    return NULL;
}

static void *accept_connections(void *argument)
{
    struct fake_server *server = argument;
    int fd;

    while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct served *served = calloc(1, sizeof *served);
        int on = 1;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* as where streams are served */
        fake_wait_lock(&server->wait);
        if (!served || server->connection_count == CONNECTIONS_MAX) abort();
        served->server = server;
        served->fd = fd;
        served->steps =
            server->connection_count < server->reply_count ? server->replies[server->connection_count] : failure;
        server->served[server->connection_count++] = served;
        if (pthread_create(&served->thread, NULL, serve_connection, served) != 0) abort();
        fake_wait_unlock(&server->wait);
    }
    return NULL;
}

/* A socket bound to a free loopback port. */
static int bind_free(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

struct fake_server *fake_server_open(void)
{
    struct fake_server *server = calloc(1, sizeof *server);

    if (!server) abort();
    fake_wait_init(&server->wait);
    server->listen_fd = bind_free(&server->port);
    if (listen(server->listen_fd, 64) != 0) abort();
    if (pthread_create(&server->thread, NULL, accept_connections, server) != 0) abort();
    return server;
}

void fake_server_close(struct fake_server *server)
{
    fake_wait_lock(&server->wait);
    server->stopping = true;
    fake_wait_unlock(&server->wait);
    shutdown(server->listen_fd, SHUT_RDWR); /* accept returns */
    pthread_join(server->thread, NULL);
    close(server->listen_fd);
    for (int i = 0; i < server->connection_count; i++) {
        fake_wait_lock(&server->wait);
        if (server->served[i]->fd >= 0) shutdown(server->served[i]->fd, SHUT_RDWR);
        fake_wait_unlock(&server->wait);
        pthread_join(server->served[i]->thread, NULL);
        free(server->served[i]);
    }
    fake_wait_fini(&server->wait);
    free(server);
}

int fake_server_port(const struct fake_server *server)
{
    return server->port;
}

void fake_server_reply(struct fake_server *server, const char *const *steps)
{
    fake_wait_lock(&server->wait);
    if (server->reply_count == CONNECTIONS_MAX) abort();
    server->replies[server->reply_count++] = steps;
    fake_wait_unlock(&server->wait);
}

void fake_server_open_gate(struct fake_server *server)
{
    fake_wait_lock(&server->wait);
    server->gates++;
    fake_wait_unlock(&server->wait);
}

int fake_server_requests(struct fake_server *server)
{
    int requests;

    fake_wait_lock(&server->wait);
    requests = server->requests;
    fake_wait_unlock(&server->wait);
    return requests;
}

bool fake_server_wait_requests(struct fake_server *server, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&server->wait, server->requests >= count, came);
    return came;
}

bool fake_server_wait_left(struct fake_server *server, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&server->wait, server->left >= count, came);
    return came;
}

const char *fake_server_request(struct fake_server *server, int index)
{
    const char *request;

    fake_wait_lock(&server->wait);
    request = index < server->connection_count ? server->served[index]->request : "";
    fake_wait_unlock(&server->wait);
    return request;
}

int fake_server_closed_port(void)
{
    int port;

    close(bind_free(&port));
    return port;
}

/*
 * sse-drain: how fast is the test upstream itself? Opens N raw connections, asks each for a
 * stream, throws the bytes away and prints what came, as JSON.
 *
 * It reads without parsing, so that it costs less than the server it measures. Give the pid of
 * the server to have its CPU time counted: chunks per CPU second is what one core makes.
 *
 *   sse-drain --port 18081 --streams 1000 --chunks 1000 --size 16 --pace-ms 10 [--pid PID]
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LAST_CHUNK "0\r\n\r\n"

struct options {
    long port;
    long streams;
    long chunks;
    long size;
    const char *pace_ms;
    long pid;
};

struct drain {
    int epoll;
    long open;
    long complete; /* ended with the last chunk of the framing */
    long failed;
    unsigned long long bytes;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* User and system time of a process; 0 when it can't be read. */
static double cpu_of_s(long pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *from = pid > 0 ? fopen(path, "r") : NULL;
    if (from == NULL) return 0;
    size_t len = fread(text, 1, sizeof(text) - 1, from);
    text[len] = '\0';
    fclose(from);
    const char *after = strrchr(text, ')');
    if (after == NULL || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int ask(const struct options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    char body[512], request[1024];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        if (fd >= 0) close(fd);
        return -1;
    }
    int body_len = snprintf(body, sizeof(body),
                            "{\"model\":\"test-load\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                            "\"[[chunks=%ld size=%ld pace=%s]] go\"}]}",
                            options->chunks, options->size, options->pace_ms);
    int len = snprintf(request, sizeof(request),
                       "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
                       "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                       body_len, body);
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void drain_one(struct drain *self, int fd)
{
    static char bytes[256 * 1024];
    ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    size_t tail = sizeof(LAST_CHUNK) - 1;
    if (got > 0) {
        self->bytes += (unsigned long long)got;
        if ((size_t)got < tail || memcmp(bytes + got - tail, LAST_CHUNK, tail) != 0) return;
        self->complete++;
    } else {
        self->failed++;
    }
    self->open--;
    close(fd);
}

static void open_all(struct drain *self, const struct options *options)
{
    for (long i = 0; i < options->streams; i++) {
        int fd = ask(options);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            self->failed++;
        else
            self->open++;
    }
}

static bool read_options(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"streams", required_argument, NULL, 'n'},
        {"chunks", required_argument, NULL, 'c'},
        {"size", required_argument, NULL, 's'},
        {"pace-ms", required_argument, NULL, 'm'},
        {"pid", required_argument, NULL, 'i'},
        {0},
    };
    int option;
    *out = (struct options){.streams = 100, .chunks = 1000, .size = 16, .pace_ms = "0"};
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'p': out->port = atol(optarg); break;
        case 'n': out->streams = atol(optarg); break;
        case 'c': out->chunks = atol(optarg); break;
        case 's': out->size = atol(optarg); break;
        case 'm': out->pace_ms = optarg; break;
        case 'i': out->pid = atol(optarg); break;
        default: return false;
        }
    }
    return out->port > 0 && optind == argc;
}

int main(int argc, char **argv)
{
    struct options options;
    struct drain drain = {0};
    struct epoll_event events[256];
    struct rlimit limit;
    if (!read_options(argc, argv, &options)) {
        fputs("usage: sse-drain --port N [--streams N] [--chunks N] [--size B] [--pace-ms MS] [--pid PID]\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    drain.epoll = epoll_create1(EPOLL_CLOEXEC);
    double began_s = now_s(), cpu_began_s = cpu_of_s(options.pid);
    open_all(&drain, &options);
    double opened_s = now_s();
    while (drain.open > 0) {
        int count = epoll_wait(drain.epoll, events, 256, 30000);
        if (count == 0) break; /* half a minute of silence */
        for (int i = 0; i < count; i++) drain_one(&drain, events[i].data.fd);
    }
    double wall_s = now_s() - began_s, cpu_s = cpu_of_s(options.pid) - cpu_began_s;
    double chunks = (double)drain.complete * (double)options.chunks;
    printf("{\"streams\":%ld,\"complete\":%ld,\"failed\":%ld,\"open_s\":%.3f,\"wall_s\":%.3f,\"mbytes\":%.1f,"
           "\"chunks_per_s\":%.0f",
           options.streams, drain.complete, drain.failed + drain.open, opened_s - began_s, wall_s,
           (double)drain.bytes / 1e6, chunks / wall_s);
    if (cpu_s > 0) printf(",\"server_cpu_s\":%.2f,\"chunks_per_cpu_s\":%.0f", cpu_s, chunks / cpu_s);
    printf("}\n");
    return drain.complete == options.streams ? 0 : 1;
}

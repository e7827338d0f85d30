/*
 * test-upstream: plays SambaNova Cloud on loopback, so that all else can be tested without it.
 *
 *   main      options
 *   server    sockets, timers        request   HTTP in
 *   provider  routes, checks         scenario  what a test orders
 *   reply     one response in steps  script    what it says
 *   wire      how it is spelled      body      gzip, breaks, framing
 *
 * README.md beside this file has the routes and every key of a scenario.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

struct options {
    const char *host;
    const char *port_file;
    long port;
    double pace_ms;
    long max_seconds;
};

static void usage(FILE *to)
{
    fputs("usage: test-upstream --port N [--host 127.0.0.1] [--pace-ms 5] [--port-file FILE]\n"
          "                     [--max-seconds N]\n"
          "  --port N         0 takes a free one\n"
          "  --host ADDRESS   IPv4 to listen on\n"
          "  --pace-ms N      pause between the chunks of an answer, fractions allowed\n"
          "  --port-file FILE where the port is written once connections are taken\n"
          "  --max-seconds N  ends by itself after that time\n",
          to);
}

static double number(const char *name, const char *value, double max)
{
    char *end;
    double result = strtod(value, &end);
    if (end == value || *end != '\0' || !(result >= 0 && result <= max)) {
        fprintf(stderr, "test-upstream: --%s takes a number from 0 to %g, not '%s'\n", name, max, value);
        exit(2);
    }
    return result;
}

static void read_options(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"host", required_argument, NULL, 'h'},
        {"pace-ms", required_argument, NULL, 'm'},
        {"port-file", required_argument, NULL, 'f'},
        {"max-seconds", required_argument, NULL, 's'},
        {"help", no_argument, NULL, '?'},
        {0},
    };
    int option, at = 0;
    *out = (struct options){.host = "127.0.0.1", .port = -1, .pace_ms = 5};
    while ((option = getopt_long(argc, argv, "", names, &at)) != -1) {
        switch (option) {
        case 'p': out->port = (long)number("port", optarg, 65535); break;
        case 'h': out->host = optarg; break;
        case 'm': out->pace_ms = number("pace-ms", optarg, 1e9); break;
        case 'f': out->port_file = optarg; break;
        case 's': out->max_seconds = (long)number("max-seconds", optarg, 1e9); break;
        default: usage(stderr); exit(2);
        }
    }
    if (out->port >= 0 && optind == argc) return;
    usage(stderr);
    exit(2);
}

/* Whole or not at all: a reader that polls for the file never sees half a number. */
static int write_port(const char *file, int port)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof(temporary), "%s.tmp", file) >= (int)sizeof(temporary)) return -1;
    FILE *to = fopen(temporary, "w");
    if (to == NULL) return -1;
    fprintf(to, "%d\n", port);
    if (fclose(to) != 0) return -1;
    return rename(temporary, file);
}

int main(int argc, char **argv)
{
    struct options options;
    struct server *server = calloc(1, sizeof(*server));
    read_options(argc, argv, &options);
    if (server == NULL || server_open(server, options.host, (int)options.port, options.pace_ms) != 0) {
        fprintf(stderr, "test-upstream: can't listen on %s:%ld: %s\n", options.host, options.port, strerror(errno));
        return 1;
    }
    if (options.port_file != NULL && write_port(options.port_file, server->port) != 0) {
        fprintf(stderr, "test-upstream: can't write %s: %s\n", options.port_file, strerror(errno));
        return 1;
    }
    fprintf(stderr, "test-upstream: http://%s:%d/v1\n", options.host, server->port);
    if (options.max_seconds > 0) alarm((unsigned)options.max_seconds);
    int result = server_run(server);
    server_close(server);
    free(server);
    return result == 0 ? 0 : 1;
}

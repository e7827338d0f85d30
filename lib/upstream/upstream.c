#include "upstream/upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "upstream/connections.h"

enum { DNS_CACHE_SECONDS = 300 };

/* CURLOPT_SOCKOPTFUNCTION. Chunks are small and many; as sockets are made, the reading of each sends an acknowledgement
 * of its own. Delayed, there is one for two chunks, or after 40 ms: at 50 chunks a second 0.7 packets fewer for each. A
 * provider whose sockets hold small packets back (Nagle's algorithm, off where streams are served) would send 25 times
 * a second. */
static int on_socket_made(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context;
    (void)purpose;
    int off = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off); /* only a hint */
    return CURL_SOCKOPT_OK;
}

bool upstream_set_options(const struct upstream *upstream, CURL *easy)
{
    const struct provider *provider = upstream->settings.provider;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_URL, provider->completions_url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https"); /* http only for loopback: lib/sambanova refuses others */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, provider->proxy ? provider->proxy : ""); /* never the environment's */
    SET(CURLOPT_HTTPPROXYTUNNEL, 1L); /* it sees none of our requests, so not the key either */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)provider->connect_timeout_ms);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_SECONDS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    if (upstream->settings.ca_file) SET(CURLOPT_CAINFO, upstream->settings.ca_file);
#undef SET
    return ok;
}

/* ---- what every request has ---- */

static const char *const lines[] = {"Content-Type: application/json", "Accept: text/event-stream, application/json",
                                    "Accept-Encoding: identity", "User-Agent: chat-fcgi"};
enum { LINES = sizeof lines / sizeof *lines };

static bool add_header(struct upstream *upstream, const char *line)
{
    struct curl_slist *more = curl_slist_append(upstream->headers, line);
    if (more) upstream->headers = more;
    return more != NULL;
}

/* Where the path of a URL begins; its host stands before, behind "://". */
static const char *path_of(const char *url, const char **host)
{
    const char *scheme = strstr(url, "://");
    *host = scheme ? scheme + strlen("://") : url;
    return *host + strcspn(*host, "/");
}

static bool write_heads(struct upstream *upstream)
{
    const struct provider *provider = upstream->settings.provider;
    const char *host, *models_host;
    upstream->completions_target = path_of(provider->completions_url, &host);
    upstream->models_target = path_of(provider->models_url, &models_host);
    upstream->tls = strncasecmp(provider->completions_url, "https:", strlen("https:")) == 0;
    int host_len = (int)(upstream->completions_target - host);
    if (asprintf(&upstream->head_lines, "Host: %.*s\r\n%s\r\n%s\r\n%s\r\n%s\r\n%s\r\n", host_len, host,
                 provider->authorization, lines[0], lines[1], lines[2], lines[3]) < 0) {
        upstream->head_lines = NULL;
        return false;
    }
    bool ok = add_header(upstream, provider->authorization) && add_header(upstream, "Expect:");
    for (int i = 0; i < LINES; i++) ok = ok && add_header(upstream, lines[i]);
    return ok;
}

/* ---- its life ---- */

struct upstream *upstream_open(const struct upstream_settings *settings)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream) return NULL;
    upstream->settings = *settings;
    pace_open(&upstream->pace, settings->loop, settings->pace_ms);
    if (curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK && write_heads(upstream)) {
        upstream->connections = connections_open(upstream);
        if (upstream->connections) return upstream;
    }
    upstream_close(upstream);
    return NULL;
}

void upstream_close(struct upstream *upstream)
{
    if (!upstream) return;
    connections_close(upstream->connections);
    pace_close(&upstream->pace);
    if (upstream->head_lines) explicit_bzero(upstream->head_lines, strlen(upstream->head_lines));
    free(upstream->head_lines);
    free(upstream->warm);
    for (struct curl_slist *line = upstream->headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(upstream->headers);
    explicit_bzero(upstream->outgoing, sizeof upstream->outgoing);
    curl_global_cleanup();
    free(upstream);
}

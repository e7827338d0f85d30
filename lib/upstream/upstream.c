#include "upstream/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "upstream/connections.h"

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

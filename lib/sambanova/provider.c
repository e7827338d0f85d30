#include "sambanova/provider.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sambanova/compose.h"
#include "sambanova/decode.h"
#include "sambanova/errors.h"

enum { HOST_SIZE = 254, KEY_MAX_CHARS = 4096, BASE_MAX_CHARS = 2048 };

static const struct provider_ops ops = {
    .compose = compose_request,
    .set_model = compose_set_model,
    .bound = compose_bound,
    .decoder_new = decode_new,
    .decoder_free = decode_free,
    .decoder_feed = decode_feed,
    .decoder_done = decode_done,
    .decoder_last = decode_last,
    .whole = decode_whole,
    .decoder_end = decode_end,
    .refusal = errors_refusal,
    .is_stream = decode_is_stream,
};

static bool all_graphic(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~') return false;
    return true;
}

/* Returns whether it is 127.0.0.0/8, ::1 or localhost. A name that only resolves there doesn't count, as it may resolve
 * elsewhere later. */
static bool is_loopback(const char *host)
{
    if (strcasecmp(host, "localhost") == 0) return true;
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    struct in6_addr v6;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* Reads host[:port], with an IPv6 address in brackets. It allows no user part, so that the host is plain to see. */
static bool split_authority(const char *text, size_t len, char host[HOST_SIZE])
{
    const char *end = text + len;
    struct in6_addr v6;
    if (len > 0 && *text == '[') {
        text++;
        const char *host_end = memchr(text, ']', (size_t)(end - text));
        if (!host_end || host_end - text >= HOST_SIZE) return false;
        snprintf(host, HOST_SIZE, "%.*s", (int)(host_end - text), text);
        if (inet_pton(AF_INET6, host, &v6) != 1) return false;
        text = host_end + 1;
    } else {
        size_t host_len = 0;
        while (text + host_len < end &&
               (strchr("-._", text[host_len]) || (text[host_len] >= '0' && text[host_len] <= '9') ||
                ((text[host_len] | 0x20) >= 'a' && (text[host_len] | 0x20) <= 'z')))
            host_len++;
        if (host_len == 0 || host_len >= HOST_SIZE) return false;
        snprintf(host, HOST_SIZE, "%.*s", (int)host_len, text);
        text += host_len;
    }
    if (text == end) return true;
    if (*text++ != ':' || text == end || end - text > 5) return false;
    long port = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') return false;
        port = port * 10 + (*text - '0');
    }
    return port >= 1 && port <= 65535;
}

static const char *base_problem(const char *base)
{
    bool tls = strncasecmp(base, "https://", 8) == 0;
    const char *authority = base + (tls ? 8 : 7);
    if (!tls && strncasecmp(base, "http://", 7) != 0) return "the API base must begin with https://";
    if (!all_graphic(base) || strpbrk(base, "?#\\\"<>")) return "the API base holds a character that no base has";
    if (strlen(base) > BASE_MAX_CHARS) return "the API base is too long";
    char host[HOST_SIZE];
    if (!split_authority(authority, strcspn(authority, "/"), host))
        return "the API base needs a host, and at most a port and a path behind it";
    if (!tls && !is_loopback(host)) return "the API base may be http for a loopback host alone";
    return NULL;
}

/* Over TLS the proxy sees where the requests go, and no more. Without TLS it would see the key, so the proxy must then
 * be on this machine. */
static const char *proxy_problem(const char *proxy, const char *base)
{
    const char *authority = proxy + 7;
    if (!*proxy) return NULL;
    if (strncasecmp(proxy, "http://", 7) != 0) return "the proxy must begin with http://";
    if (!all_graphic(proxy) || strpbrk(proxy, "?#\\\"<>")) return "the proxy holds a character that no proxy has";
    if (strlen(proxy) > BASE_MAX_CHARS) return "the proxy is too long";
    const char *end = authority + strcspn(authority, "/");
    if (end[0] && end[1]) return "the proxy takes no path";
    const char *at = memrchr(authority, '@', (size_t)(end - authority));
    if (at) authority = at + 1;
    char host[HOST_SIZE];
    if (!split_authority(authority, (size_t)(end - authority), host)) return "the proxy needs a host, and a port";
    if (strncasecmp(base, "http://", 7) == 0 && !is_loopback(host))
        return "before an API base that is http the proxy must be on a loopback host too";
    return NULL;
}

static const char *settings_problem(const struct sambanova_settings *settings)
{
    if (!settings->api_key || !*settings->api_key) return "the API key is empty";
    if (!all_graphic(settings->api_key)) return "the API key holds a blank, a control character or non-ASCII";
    if (strlen(settings->api_key) > KEY_MAX_CHARS) return "the API key is too long";
    if (!settings->api_base || !*settings->api_base) return "the API base is empty";
    if (settings->connect_timeout_ms < 1 || settings->first_byte_timeout_ms < 1 || settings->idle_timeout_ms < 1 ||
        settings->total_timeout_ms < 1)
        return "a timeout must be at least 1 ms";
    const char *problem = base_problem(settings->api_base);
    return problem ? problem : proxy_problem(settings->proxy ? settings->proxy : "", settings->api_base);
}

struct provider *sambanova_open(const struct sambanova_settings *settings, const char **problem)
{
    *problem = settings_problem(settings);
    if (*problem) return NULL;
    int base_len = (int)strlen(settings->api_base);
    if (settings->api_base[base_len - 1] == '/') base_len--;
    struct provider *provider = calloc(1, sizeof *provider);
    char *completions = NULL, *models = NULL, *authorization = NULL, *proxy = NULL;
    if (!provider || asprintf(&completions, "%.*s/chat/completions", base_len, settings->api_base) < 0 ||
        asprintf(&models, "%.*s/models", base_len, settings->api_base) < 0 ||
        asprintf(&authorization, "Authorization: Bearer %s", settings->api_key) < 0 ||
        !(proxy = strdup(settings->proxy ? settings->proxy : ""))) {
        free(provider);
        free(completions);
        free(models);
        *problem = "out of memory";
        return NULL;
    }
    *provider = (struct provider){
        .ops = &ops,
        .completions_url = completions,
        .models_url = models,
        .authorization = authorization,
        .proxy = proxy,
        .connect_timeout_ms = settings->connect_timeout_ms,
        .first_byte_timeout_ms = settings->first_byte_timeout_ms,
        .idle_timeout_ms = settings->idle_timeout_ms,
        .total_timeout_ms = settings->total_timeout_ms,
    };
    return provider;
}

void sambanova_close(struct provider *provider)
{
    if (!provider) return;
    explicit_bzero((char *)provider->authorization, strlen(provider->authorization));
    free((char *)provider->authorization);
    explicit_bzero((char *)provider->proxy, strlen(provider->proxy));
    free((char *)provider->proxy);
    free((char *)provider->models_url);
    free((char *)provider->completions_url);
    free(provider);
}

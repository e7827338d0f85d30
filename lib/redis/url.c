#include "redis/url.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>

static const char FORM[] = "must be redis://[user:password@]host[:port][/db] or unix:///path[?db=N]";

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Percent-decodes into room bytes. false: malformed, too long, or a character that no URL holds. */
static bool decode(const char *text, size_t len, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];
        if (byte <= ' ' || byte == 0x7f) return false;
        if (byte == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            byte = low >= 0 ? high * 16 + low : 0;
            i += 2;
        }
        if (byte == 0 || used + 1 >= room) return false;
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return true;
}

static bool number(const char *text, size_t len, int low, int high, int *out)
{
    if (len == 0 || len > 5) return false;
    int value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (text[i] - '0');
    }
    if (value < low || value > high) return false;
    *out = value;
    return true;
}

/* "host", "host:port", "[v6]:port" */
static bool parse_host(const char *text, size_t len, struct redis_url *out)
{
    const char *end = text + len;
    const char *host_end = memchr(text, ':', len);
    if (len > 0 && text[0] == '[') {
        const char *bracket = memchr(text, ']', len);
        if (!bracket || (bracket + 1 < end && bracket[1] != ':')) return false;
        if (!decode(text + 1, (size_t)(bracket - text - 1), out->host, sizeof out->host)) return false;
        host_end = bracket + 1 < end ? bracket + 1 : NULL;
    } else if (!decode(text, (size_t)((host_end ? host_end : end) - text), out->host, sizeof out->host)) {
        return false;
    }
    if (host_end && !number(host_end + 1, (size_t)(end - host_end - 1), 1, 65535, &out->port)) return false;
    return out->host[0] != '\0';
}

/* "user:password@" or "password-less user@" before the host; *text moves behind it. */
static bool parse_credentials(const char **text, size_t len, struct redis_url *out)
{
    const char *at = memrchr(*text, '@', len);
    const char *colon = at ? memchr(*text, ':', (size_t)(at - *text)) : NULL;
    if (!at) return true;
    if (!colon) return false;
    if (!decode(*text, (size_t)(colon - *text), out->user, sizeof out->user)) return false;
    if (!decode(colon + 1, (size_t)(at - colon - 1), out->password, sizeof out->password)) return false;
    *text = at + 1;
    return out->password[0] != '\0';
}

static bool parse_db(const char *text, size_t len, int *db)
{
    return number(text, len, 0, 99999, db);
}

static bool parse_query(const char *query, struct redis_url *out)
{
    if (strncmp(query, "db=", 3) != 0) return false;
    return parse_db(query + 3, strlen(query + 3), &out->db);
}

const char *redis_url_parse(const char *text, struct redis_url *out)
{
    const char *query = strchr(text, '?');
    const char *end = query ? query : text + strlen(text);
    *out = (struct redis_url){.port = 6379};
    if (strncmp(text, "rediss:", 7) == 0) return "TLS is not spoken here: tunnel it, and name the tunnel";
    if (query && !parse_query(query + 1, out)) return FORM;
    const char *rest, *path;
    if (strncmp(text, "redis://", 8) == 0) {
        rest = text + 8;
        path = memchr(rest, '/', (size_t)(end - rest));
        if (!path) path = end;
        if (!parse_credentials(&rest, (size_t)(path - rest), out)) return FORM;
        if (!parse_host(rest, (size_t)(path - rest), out)) return FORM;
        if (end - path > 1 && !parse_db(path + 1, (size_t)(end - path - 1), &out->db)) return FORM;
        return NULL;
    }
    if (strncmp(text, "unix:", 5) != 0) return FORM;
    out->is_unix = true;
    rest = text + 5;
    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
        path = memchr(rest, '/', (size_t)(end - rest));
        if (!path || !parse_credentials(&rest, (size_t)(path - rest), out) || rest != path) return FORM;
    }
    if (*rest != '/' || !decode(rest, (size_t)(end - rest), out->host, sizeof out->host)) return FORM;
    if (strlen(out->host) >= sizeof((struct sockaddr_un *)0)->sun_path) return "the socket's path is too long";
    return NULL;
}

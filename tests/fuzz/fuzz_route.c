/*
 * Any method, path and query (a line each, then the name of a parameter and a value for it). A route that is found
 * fits its pattern, read by other code than the router's; HEAD finds what GET finds; a refused method comes with the
 * ones that work. A parameter is valid text of at most the query's length, and one that is encoded here comes back.
 */
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "http/routes.h"

/* Recursive where the router loops; ids are not looked at. */
static bool fits(const char *pattern, const char *path)
{
    if (*pattern == '{') {
        size_t len = strcspn(path, "/");
        return len > 0 && fits(strchr(pattern, '}') + 1, path + len);
    }
    return *pattern == *path && (*pattern == '\0' || fits(pattern + 1, path + 1));
}

static bool has_method(const char *allow, const char *method)
{
    const char *at = strstr(allow, method);
    size_t len = strlen(method);
    return at && (at == allow || at[-1] == ' ') && (at[len] == '\0' || at[len] == ',');
}

static void must_route(struct http_call *call)
{
    const struct route *route = NULL, *of_get = NULL;
    char allow[ALLOW_SIZE], allow_of_get[ALLOW_SIZE];
    enum chat_error id_error = CHAT_OK, id_error_of_get = CHAT_OK;
    const char *method = call->request->method, *path = call->request->path;
    enum route_match match = route_find(call, &route, &id_error, allow);
    bool known = false, any = false;

    for (const struct route *row = route_table(); row->method; row++) {
        if (!fits(row->path, path)) continue;
        known = true;
        any =
            any || strcmp(row->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(row->method, "GET") == 0);
    }
    must(known == (match != ROUTE_NOT_FOUND) && any == (match == ROUTE_FOUND));
    if (match == ROUTE_NOT_FOUND) return;
    must(route && fits(route->path, path) && strlen(allow) < ALLOW_SIZE);
    if (match == ROUTE_WRONG_METHOD) {
        must(*allow && !has_method(allow, method) && has_method(allow, "GET") == has_method(allow, "HEAD"));
        return;
    }
    if (id_error == CHAT_OK && call->id[0])
        must(uuid_parse(call->id, strlen(call->id), (char[UUID_TEXT_SIZE]){0}) && !strpbrk(call->id, "ABCDEF"));
    if (id_error != CHAT_OK) must(id_error == CHAT_ERR_SESSION_NOT_FOUND || id_error == CHAT_ERR_MESSAGE_NOT_FOUND);
    if (strcmp(method, "HEAD") == 0) {
        call->request->method = "GET";
        must(route_find(call, &of_get, &id_error_of_get, allow_of_get) == match && of_get == route);
        call->request->method = method;
    }
}

static void must_query(const struct http_call *call, const char *name)
{
    int count = 0;
    const char *value = call_query(call, name, &count);
    must((value != NULL) == (count > 0) && count >= -1);
    if (value) must(utf8_valid(value, strlen(value)) && strlen(value) <= strlen(call->request->query));
}

static char *encode(struct arena *arena, const char *text)
{
    size_t len = strlen(text);
    char *encoded = arena_alloc(arena, 3 * len + 1);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        encoded[3 * i] = '%';
        encoded[3 * i + 1] = "0123456789abcdef"[c >> 4];
        encoded[3 * i + 2] = "0123456789ABCDEF"[c & 15];
    }
    return encoded;
}

/* name=value behind whatever the query held, each byte of both encoded. */
static void must_come_back(struct http_call *call, const char *name, const char *value)
{
    int before = 0, count = 0;

    if (!*name || !utf8_valid(value, strlen(value))) return;
    call_query(call, name, &before);
    if (before < 0) return;
    call->request->query = arena_printf(call->arena, "%s&%s=%s", call->request->query, encode(call->arena, name),
                                        encode(call->arena, value));
    const char *back = call_query(call, name, &count);
    must(count == before + 1 && back && strcmp(back, value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *lines[5];
    struct arena arena;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) lines[i] = fuzz_line(&data, &len);
    arena_init(&arena);
    struct http_request request = {.method = lines[0], .path = lines[1], .query = lines[2], .request_id = "fuzz"};
    struct http_call call = {.request = &request, .arena = &arena};

    must_route(&call);
    must_query(&call, lines[3]);
    must_query(&call, "limit");
    must_come_back(&call, lines[3], lines[4]);
    arena_fini(&arena);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) free(lines[i]);
    return 0;
}

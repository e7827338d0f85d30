#include "tests/fakes/fake_service.h"

#include <stdlib.h>
#include <string.h>

static enum chat_error check_postgres(void *stores)
{
    return ((struct fake_service *)stores)->postgres;
}

static enum chat_error check_migrations(void *stores)
{
    return ((struct fake_service *)stores)->migrations;
}

void fake_service_init(struct fake_service *service)
{
    memset(service, 0, sizeof *service);
    fake_chat_init(&service->chat);
    service->jwt = (struct jwt_policy){.algorithm = JWT_HS256,
                                       .key = (const unsigned char *)FAKE_JWT_SECRET,
                                       .key_len = sizeof FAKE_JWT_SECRET - 1,
                                       .leeway_s = JWT_DEFAULT_LEEWAY_S};
    service->app = (struct http_app){.jwt = &service->jwt,
                                     .draining = &service->draining,
                                     .check_postgres = check_postgres,
                                     .check_migrations = check_migrations};
    arena_init(&service->arena);
}

void fake_service_fini(struct fake_service *service)
{
    for (size_t i = 0; i < service->doc_count; i++) json_free(service->docs[i]);
    fake_chat_fini(&service->chat);
    arena_fini(&service->arena);
}

void fake_service_sign_in(struct fake_service *service, struct fake_request *request)
{
    fake_request_param(request, "HTTP_AUTHORIZATION",
                       arena_printf(&service->arena, "Bearer %s", fake_chat_token(&service->chat, "alice", "user")));
}

void fake_service_serve(struct fake_service *service, struct fake_request *request)
{
    http_serve(&service->app, &service->chat.ports, service, &request->request, &service->arena);
}

const struct json *fake_service_json(struct fake_service *service, struct fake_request *request)
{
    const char *text = fake_request_body(request), *reason;
    struct json_doc **doc = &service->docs[service->doc_count++];

    if (service->doc_count > sizeof service->docs / sizeof service->docs[0]) abort();
    if (json_parse(text, request->out.len, doc, &reason) != CHAT_OK) abort();
    return json_root(*doc);
}

const struct json *fake_service_at(const struct json *value, const char *path)
{
    char key[64];

    while (value && *path) {
        size_t len = strcspn(path, ".");

        if (len >= sizeof key) abort();
        memcpy(key, path, len);
        key[len] = '\0';
        value = json_get(value, key);
        path += len;
        if (*path == '.') path++;
    }
    return value;
}

const char *fake_service_text(const struct json *value, const char *path)
{
    const char *text = json_string(fake_service_at(value, path), NULL);

    return text ? text : "";
}

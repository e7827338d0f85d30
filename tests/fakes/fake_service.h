/* The HTTP layer over fakes: a request goes through http_serve in the test's own thread. */
#ifndef FAKES_FAKE_SERVICE_H
#define FAKES_FAKE_SERVICE_H

#include <stdatomic.h>

#include "base/json.h"
#include "http/serve.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_request.h"

struct fake_service {
    struct fake_chat chat;
    struct jwt_policy jwt;
    struct http_app app;
    atomic_bool draining;
    enum chat_error postgres, migrations; /* what the checks of /readyz find */
    struct arena arena;                   /* of requests; lives until fini, so that responses can be looked at */
    struct json_doc *docs[64];
    size_t doc_count;
};

void fake_service_init(struct fake_service *service);
void fake_service_fini(struct fake_service *service);
/* As alice, with a token in the header. */
void fake_service_sign_in(struct fake_service *service, struct fake_request *request);
void fake_service_serve(struct fake_service *service, struct fake_request *request);
/* The response's body, which has to be JSON. */
const struct json *fake_service_json(struct fake_service *service, struct fake_request *request);
/* A member some levels down: "error.details.fields". NULL: not there. */
const struct json *fake_service_at(const struct json *value, const char *path);
/* As text: "" where there is none. */
const char *fake_service_text(const struct json *value, const char *path);

#endif

/* One request in the HTTP layer: every handler gets it, and all of them use these functions. A call is used by one
 * thread at a time: its request thread, and later, if it waits, by the job threads that make its steps (late.h). */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include <stdatomic.h>

#include "auth/jwt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/trace.h"
#include "domain/caller.h"
#include "domain/problem.h"
#include "http/connection.h"
#include "usecases/ports.h"

/* The process's, read-only after start. */
struct http_app {
    const struct jwt_policy *jwt;
    const atomic_bool *draining;
    /* the readiness of each part: CHAT_OK, or an error */
    enum chat_error (*check_postgres)(void *stores);
    enum chat_error (*check_migrations)(void *stores);
    const char *version;
};

struct http_call {
    const struct http_app *app;
    const struct chat_ports *ports;
    void *stores; /* of this thread, for app's checks */
    struct http_request *request;
    struct arena *arena; /* of the request; of a later step: gone when the step is over */
    int64_t started_ms;
    int route; /* its row in the routes table; -1: none */

    struct trace trace;
    struct caller caller; /* after the token check */
    bool by_cookie;
    int64_t token_expires_at_s;
    const char *token;
    char id[UUID_TEXT_SIZE]; /* {session} or {message} of the path, lower case */
    const char *name;        /* {name} of the path: one segment, unchanged */
    const struct json *body; /* the object, if the route takes one */
    const char *body_text;   /* its bytes as they came */
    size_t body_len;

    struct http_response response;
    struct problem problem;
    struct buf out;         /* the response's body while it is composed */
    struct key_claim claim; /* of the Idempotency-Key that this request holds; key NULL: none */
    bool has_reader;        /* a reader's place was taken before (late.h) */
    bool handed_over;       /* the connection was taken: there is nothing to respond */
    struct log_subject subject;
};

/* Takes a name in CGI form. Returns the header; NULL: not there, or empty. */
const char *call_header(const struct http_call *call, const char *name);
/* Returns the parameter, percent-decoded ('+' is a space), and sets *count to how often it occurs. NULL: not there, or
 * malformed (then *count is -1). */
const char *call_query(const struct http_call *call, const char *name, int *count);
/* Reads the parameter `limit`: 1-100, once, plain digits. false, after noting in call->problem what it takes. */
bool call_query_limit(struct http_call *call, int fallback, int *limit);

/* Read fields of the body. Each returns false after noting in call->problem what the field takes. NULL in *out: not
 * there, or null. */
bool call_body_string(struct http_call *call, const char *field, const char **out, size_t *len);
bool call_body_bool(struct http_call *call, const char *field, bool fallback, bool *out);
bool call_body_uuid(struct http_call *call, const char *field, char out[UUID_TEXT_SIZE]); /* "" = not there */
/* Notes every field of the body that isn't in the NULL-ended list. */
bool call_body_only(struct http_call *call, const char *const *fields);

/* A JSON response: write into the writer, then call_send_json. */
struct json_writer call_json(struct http_call *call);
enum chat_error call_send_json(struct http_call *call, int status);
/* Sends call->out, as it is. */
enum chat_error call_send(struct http_call *call, int status, const char *content_type);
/* X-RateLimit-* and X-Daily-Quota-*. */
void http_add_quota_headers(struct http_response *response, const struct quota *quota, struct arena *strings);

/* Notes that what this request makes is stored; call it before anybody is told so. Does nothing if it took no
 * Idempotency-Key (http/repeat.h). */
void call_keep_key(struct http_call *call);
/* Frees the Idempotency-Key that this request has taken. Does nothing if it took none. */
void call_free_key(struct http_call *call);

#endif

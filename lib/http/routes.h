/* Every address of the service in one table. docs/openapi.yaml names the same operations. */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "http/call.h"

/* Returns CHAT_OK with the response in the call, or with the connection handed over. Otherwise call->problem says why.
 */
typedef enum chat_error route_handler(struct http_call *call);

enum body_kind {
    BODY_NONE,     /* a body is read and dropped */
    BODY_OPTIONAL, /* an object; nothing at all counts as an empty one */
    BODY_OBJECT,   /* an object */
};

enum route_access {
    FOR_USERS,    /* a valid token, as header or cookie */
    BY_BEARER,    /* a cookie alone is 401 */
    FOR_ADMINS,   /* the token's role is admin */
    FOR_SCRAPERS, /* admins; and clients of this host without any token, unless the request was forwarded */
    FOR_ALL,      /* no token needed */
};

struct route {
    const char *method;
    const char *path; /* {session} and {message} take a UUID (anything else is its 404), {name} takes a segment */
    route_handler *handler;
    enum body_kind body;
    size_t body_limit; /* bytes; 0: the policy's limit of completions */
    enum route_access access;
};

size_t route_body_limit(const struct route *route, const struct chat_policy *policy);

enum route_match { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_WRONG_METHOD };

/* Finds the row for the call's method and path; HEAD finds GET's. Fills call->id and name. With ROUTE_WRONG_METHOD it
 * fills `allow` with the methods. Sets *id_error to CHAT_OK, or to the 404 that belongs to the path's id. */
enum { ALLOW_SIZE = 64 };
enum route_match route_find(struct http_call *call, const struct route **route, enum chat_error *id_error,
                            char allow[ALLOW_SIZE]);
/* The table, ended by a row without a method. For --print-routes and tests. */
const struct route *route_table(void);

#endif

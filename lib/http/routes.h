/* Every address of the service in one table. docs/openapi.yaml names the same operations. */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "http/api.h"

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

/* What has to be switched on for the caller (domain/feature.h), who else gets FEATURE_DISABLED. */
enum route_feature { NO_FEATURE, CHAT_FEATURE };

struct route {
    const char *method;
    const char *path; /* {session} and {message} take a UUID (anything else is its 404), {name} takes a segment */
    route_handler *handler;
    enum body_kind body;
    size_t body_limit; /* bytes; 0: the policy's limit of completions */
    enum route_access access;
    enum route_feature feature; /* the same for all methods of a path */
};

size_t route_body_limit(const struct route *route, const struct chat_policy *policy);

enum route_match { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_WRONG_METHOD };

/* Finds the row for the call's method and path; HEAD finds GET's. Fills call->id and name. With ROUTE_WRONG_METHOD it
 * fills `allow` with the methods. Sets *id_error to CHAT_OK, or to the 404 that belongs to the path's id. */
enum { ALLOW_SIZE = 64 };
enum route_match route_find(struct http_call *call, const struct route **route, enum chat_error *id_error,
                            char allow[ALLOW_SIZE]);
/* Takes the row that route_find found, also with a wrong method (NULL: none), and the path that was asked for. Gives
 * the feature that is needed to be told anything about it. Any thread. */
enum route_feature route_feature(const struct route *route, const char *path);
/* The table, ended by a row without a method. For --print-routes and tests. */
const struct route *route_table(void);

#endif

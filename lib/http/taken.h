/*
 * A connection taken out of its request, with what its response still needs. answer_stream.c (answers),
 * completion_stream.c (completions) and export_stream.c (exports) embed one. The request thread makes it, or a step of
 * late.h. Then it is the relay loop's; of an export also the job's that makes a step, one of them at a time.
 */
#ifndef HTTP_TAKEN_H
#define HTTP_TAKEN_H

#include "http/call.h"
#include "usecases/listener.h"

struct taken {
    struct connection *connection;
    const struct clock *clock;
    struct arena strings;      /* what the head and the names below point to */
    struct http_response head; /* Cache-Control is there; status and Content-Type are the owner's */
    const char *request_id, *method, *path;
    char user_id[USER_ID_SIZE];
    int64_t started_ms;
    int route; /* its row in the routes table */
    bool has_quota;
    size_t quota_at; /* the first of its headers */
    struct quota quota;
    bool finished;
};

/* Takes the connection out of the call (call->handed_over), and copies what it needs of the call. false: the connection
 * can't be taken, and there is nothing to close. */
bool taken_open(struct taken *taken, struct http_call *call);
/* Writes the request's log line (499 if it was not finished), closes, and frees all but the struct. */
void taken_close(struct taken *taken, bool stream);
void taken_add_quota_headers(struct taken *taken, const struct quota *quota);
/* Sends the head with the length, then the body. */
enum listener_state taken_send_whole(struct taken *taken, const char *body, size_t len);
enum listener_state taken_write(struct taken *taken, const char *bytes, size_t len);
/* Called before the last part of the body, so that it goes out together with the end. */
void taken_cork(struct taken *taken);
enum listener_state taken_flush(struct taken *taken);
enum listener_state taken_finish(struct taken *taken);
/* Called instead of finish, if the response can't go on after its head: the client sees that it is not whole. */
enum listener_state taken_tear(struct taken *taken, enum chat_error error);
/* Writes {"error":…}. */
void taken_compose_error(struct taken *taken, const struct problem *problem, struct buf *out);
/* Sends the same as the whole response: status, headers of an error, body. quota: the user's standing now, for the
 * headers that taken_add_quota_headers made and for a 429's details; NULL: as it was then. Fills the problem's quota.
 */
enum listener_state taken_send_error(struct taken *taken, struct problem *problem, const struct quota *quota,
                                     struct buf *scratch);

#endif

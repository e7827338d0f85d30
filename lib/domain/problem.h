/*
 * Why a request was refused, for its response: the error, and details that help the caller.
 * A plain value; strings are static or live in the request's arena.
 */
#ifndef DOMAIN_PROBLEM_H
#define DOMAIN_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/uuid.h"
#include "domain/quota.h"

enum { PROBLEM_MAX_FIELDS = 8 };

struct problem_field {
    const char *name;
    const char *message;
};

struct problem {
    enum chat_error error;
    const char *message;                             /* NULL: the error table's sentence */
    const char *param;                               /* the one field or parameter it is about; NULL */
    struct problem_field fields[PROBLEM_MAX_FIELDS]; /* details.fields of validation_failed */
    size_t field_count;
    int64_t retry_after_s; /* 0: none */
    bool tried_out;        /* our own tries at the provider are used up: a client's would multiply them */
    bool account_refused;  /* the provider no longer takes our key: only the operator can help */
    bool has_quota;        /* the request was counted, or refused by a limit: quota is the user's standing */
    struct quota quota;
    size_t max_bytes;                       /* of payload_too_large: what is taken; 0: not known */
    char active_message_id[UUID_TEXT_SIZE]; /* of generation_in_progress; "" */
    const char *finish_reason;              /* of an answer without text: how the provider ended it; NULL */
    char was[UUID_TEXT_SIZE];               /* of what an earlier request with the same key made; "" */
};

/* Adds to details.fields, and makes it a validation_failed; the first field becomes `param`. Of two about one field the
 * first is kept, as a key of JSON comes once. Returns the error. */
enum chat_error problem_field(struct problem *problem, const char *name, const char *message);
/* Sets the error, and returns it; message may be NULL. */
enum chat_error problem_set(struct problem *problem, enum chat_error error, const char *message);

#endif

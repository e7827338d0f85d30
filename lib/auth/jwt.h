/*
 * Checks a bearer token (RFC 7519) by one pinned policy. This is the only place that knows libjwt, which checks the
 * signature and nothing else. (If libjwt doesn't take the token's typ, OpenSSL checks the signature.) The rules:
 *
 * - at most 8,192 bytes; three base64url segments; header and payload one JSON object each
 * - the header's alg is the policy's, byte for byte; no crit
 * - typ absent, JWT or at+jwt (RFC 9068)
 * - kid, if there is one, looks like an identifier or base64 (it chooses nothing)
 * - exp a whole number; nbf too, if present
 * - iss and aud as configured
 * - sub 1-255 of A-Z a-z 0-9 . _ : @ | + = / -
 *
 * The key is the policy's, whatever the token says. A role that isn't an admin's makes a user: other programs have
 * roles too.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

enum {
    JWT_MAX_TOKEN_BYTES = 8192,
    JWT_MIN_SECRET_BYTES = 32, /* RFC 7518 §3.2 */
    JWT_MIN_RSA_BITS = 2048,   /* RFC 7518 §3.3 */
    JWT_SUBJECT_SIZE = 256,
    JWT_CLAIM_NAME_SIZE = 256, /* one step of a path to a claim */
    JWT_GROUPS_SIZE = 6145,    /* the payload of the longest token has room for no more */
    JWT_DEFAULT_LEEWAY_S = 30,
};

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256 };

/* Strings are borrowed as long as the policy is used. It doesn't change after start-up. */
struct jwt_policy {
    enum jwt_algorithm algorithm;
    const unsigned char *key; /* HS256: the secret; RS256, ES256: the public key as PEM text */
    size_t key_len;           /* bytes */
    const char *issuer;       /* NULL: unchecked */
    const char *audience;     /* NULL: unchecked */
    /* Names of claims: tried as they are, then as a path with dots. Values: a comma list. */
    const char *role_claim;      /* NULL: role */
    const char *admin_values;    /* NULL: admin */
    const char *groups_claim;    /* NULL: groups */
    const char *required_values; /* role and groups must have one of them; NULL: unchecked */
    int leeway_s;                /* how far clocks may differ, for exp and nbf; JWT_DEFAULT_LEEWAY_S */
};

struct jwt_claims {
    char subject[JWT_SUBJECT_SIZE];
    bool is_admin;
    bool is_outside;              /* has none of the required values */
    int64_t expires_at_s;         /* seconds since 1970, without the leeway */
    size_t groups_len;            /* of the names, their NULs included */
    char groups[JWT_GROUPS_SIZE]; /* names, each ended by NUL, all of them by an empty one; last: seldom full */
};

/* Returns whether it can be a user's id: 1-255 characters of a fixed set. */
bool jwt_is_subject(const char *sub);

/* Checks the policy, at start-up. CHAT_ERR_INVALID_REQUEST: the key is missing, too weak, or not of the algorithm's
 * kind; *problem is a static sentence for the operator. */
enum chat_error jwt_policy_check(const struct jwt_policy *policy, const char **problem) MUST_CHECK;

/* Takes a token, and fills *out. CHAT_ERR_UNAUTHENTICATED: a rule is broken; the log names the rule at info level,
 * never the token. CHAT_ERR_FORBIDDEN, with *out filled: the token lacks a value that the policy requires. Asks no
 * store. Any thread. Accepted tokens are kept for up to a minute: an RS256 or ES256 signature costs some 300 µs, and an
 * HS256 one two thirds of a short request. */
enum chat_error jwt_verify(const struct jwt_policy *policy, const struct clock *clock, const char *token, size_t len,
                           struct jwt_claims *out) MUST_CHECK;

/* Returns a token that jwt_verify takes as exactly these claims; the caller frees it. It is for an operator's command:
 * no route makes tokens. Its role is in the policy's own words. NULL: the policy's key can only check (RS256, ES256),
 * the subject can't be an id, or a user was wanted and the policy makes everybody an admin. */
char *jwt_issue(const struct jwt_policy *policy, const struct clock *clock, const struct jwt_claims *claims) MUST_CHECK;

#endif

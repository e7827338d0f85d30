/*
 * Checks a bearer token (RFC 7519) by one pinned policy; the only place that knows libjwt, which itself checks the
 * signature and nothing else (C-STACK.md §3). The rules of SPEC.md §2:
 *   at most 4,096 bytes, three base64url segments · the header's alg is the policy's, byte for byte · no crit ·
 *   kid, where there is one, looks like an identifier (it chooses nothing) · exp an integer, nbf too where present ·
 *   iss and aud as configured · sub 1-255 of A-Z a-z 0-9 . _ : @ | + = / - · role absent, "user" or "admin".
 * The key is the policy's whatever the token says.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

enum {
    JWT_MAX_TOKEN_BYTES = 4096,
    JWT_MIN_SECRET_BYTES = 32, /* RFC 7518 §3.2 */
    JWT_MIN_RSA_BITS = 2048,   /* RFC 7518 §3.3 */
    JWT_SUBJECT_SIZE = 256,
    JWT_DEFAULT_LEEWAY_S = 30,
};

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256 };

/* Strings are borrowed for as long as the policy is used; it doesn't change after start-up. */
struct jwt_policy {
    enum jwt_algorithm algorithm;
    const unsigned char *key; /* HS256: the secret; RS256, ES256: the public key as PEM text */
    size_t key_len;           /* bytes */
    const char *issuer;       /* NULL: unchecked */
    const char *audience;     /* NULL: unchecked */
    int leeway_s;             /* how far clocks may differ, for exp and nbf; JWT_DEFAULT_LEEWAY_S */
};

struct jwt_claims {
    char subject[JWT_SUBJECT_SIZE];
    bool is_admin;
    int64_t expires_at_s; /* seconds since 1970, without the leeway */
};

/* Whether it can be a user's id: 1-255 characters of a fixed set. */
bool jwt_is_subject(const char *sub);

/* For start-up. CHAT_ERR_INVALID_REQUEST, with *problem a static sentence for the operator: the key is missing,
 * too weak, or not of the algorithm's kind. */
enum chat_error jwt_policy_check(const struct jwt_policy *policy, const char **problem) MUST_CHECK;

/* CHAT_ERR_UNAUTHENTICATED where any rule is broken; which one goes to the log at debug level, never the token.
 * Touches no store. Any thread. Accepted tokens are kept for up to a minute: an RS256 or ES256 signature costs some
 * 300 µs, and an HS256 one two thirds of a short request. */
enum chat_error jwt_verify(const struct jwt_policy *policy, const struct clock *clock, const char *token, size_t len,
                           struct jwt_claims *out) MUST_CHECK;

/* A token that jwt_verify takes, for the caller to free; for an operator's command, as no route makes one. NULL where
 * the policy's key can only check (RS256, ES256), or the subject is none. */
char *jwt_issue(const struct jwt_policy *policy, const struct clock *clock, const struct jwt_claims *claims) MUST_CHECK;

#endif

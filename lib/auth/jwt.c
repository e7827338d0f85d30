#include "auth/jwt.h"

#include <errno.h>
#include <jwt.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"

static const struct {
    const char *name; /* as the header spells it */
    jwt_alg_t alg;
} algorithms[] = {
    [JWT_HS256] = {"HS256", JWT_ALG_HS256},
    [JWT_RS256] = {"RS256", JWT_ALG_RS256},
    [JWT_ES256] = {"ES256", JWT_ALG_ES256},
};

/* ---- the key, at start-up ---- */

/* libjwt looks neither at the size of an RSA key nor at the curve. */
static const char *check_public_key(enum jwt_algorithm algorithm, const EVP_PKEY *key)
{
    char curve[64];
    size_t len;

    if (algorithm == JWT_RS256) {
        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return "RS256 needs an RSA public key";
        if (EVP_PKEY_get_bits(key) < JWT_MIN_RSA_BITS) return "the RSA key has fewer than 2048 bits";
        return NULL;
    }
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return "ES256 needs an EC public key";
    if (!EVP_PKEY_get_group_name(key, curve, sizeof curve, &len) || strcmp(curve, SN_X9_62_prime256v1) != 0)
        return "ES256 needs a key on the curve P-256";
    return NULL;
}

/* The first one alone would be taken, and the other's tokens be refused without a word. */
static bool has_two_keys(const struct jwt_policy *policy)
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----";
    const char *key = (const char *)policy->key, *end = key + policy->key_len;
    const char *first = memmem(key, policy->key_len, begin, sizeof begin - 1);
    return first && memmem(first + 1, (size_t)(end - first - 1), begin, sizeof begin - 1);
}

static const char *policy_problem(const struct jwt_policy *policy)
{
    const char *problem;
    EVP_PKEY *key = NULL;
    BIO *pem;

    if (!policy->key || policy->key_len == 0) return "no key";
    if (policy->key_len > INT_MAX) return "the key is too long";
    if (policy->leeway_s < 0) return "the leeway is negative";
    if (policy->algorithm == JWT_HS256) {
        if (policy->key_len < JWT_MIN_SECRET_BYTES) return "the secret has fewer than 32 bytes";
        if (memmem(policy->key, policy->key_len, "-----BEGIN ", 11))
            return "the secret is a PEM key, which others may know";
        return NULL;
    }
    if (has_two_keys(policy)) return "the file holds more than one public key; tokens are checked with one";
    pem = BIO_new_mem_buf(policy->key, (int)policy->key_len);
    if (pem) key = PEM_read_bio_PUBKEY(pem, NULL, NULL, NULL);
    problem = key ? check_public_key(policy->algorithm, key) : "the key is no PEM public key (BEGIN PUBLIC KEY)";
    EVP_PKEY_free(key);
    BIO_free(pem);
    return problem;
}

enum chat_error jwt_policy_check(const struct jwt_policy *policy, const char **problem)
{
    *problem = policy_problem(policy);
    return *problem ? CHAT_ERR_INVALID_REQUEST : CHAT_OK;
}

/* ---- claims ----
 * Read by libjwt alone: a second parser of the payload might choose another of two equal keys. Each reader answers
 * NULL, or which rule the token breaks. */

/* jwt_get_grant tells a missing claim from one that is no string by errno only. */
static bool has_claim(jwt_t *jwt, const char *name)
{
    char *text = jwt_get_grants_json(jwt, name);

    free(text);
    return text != NULL;
}

/* A JSON integer: a string, 1.5 and 1e10 are none, although libjwt would give 0 or cut them. */
static bool integer_claim(jwt_t *jwt, const char *name, int64_t *out)
{
    char *text = jwt_get_grants_json(jwt, name), *end = NULL;
    bool is_integer = false;

    if (text && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))) {
        errno = 0;
        *out = strtoll(text, &end, 10);
        is_integer = errno == 0 && *end == '\0';
    }
    free(text);
    return is_integer;
}

static const char *check_header(jwt_t *jwt, enum jwt_algorithm algorithm)
{
    const char *alg = jwt_get_header(jwt, "alg"), *kid;
    char *json;

    /* The name too: libjwt reads "hs256" as HS256, and says "none" of a token it was given no key for. */
    if (jwt_get_alg(jwt) != algorithms[algorithm].alg || !alg || strcmp(alg, algorithms[algorithm].name) != 0)
        return "alg";
    json = jwt_get_headers_json(jwt, "crit");
    free(json);
    if (json) return "crit";
    json = jwt_get_headers_json(jwt, "kid");
    free(json);
    if (!json) return NULL;
    kid = jwt_get_header(jwt, "kid");
    if (!kid || !*kid || strlen(kid) > 128 ||
        kid[strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-")] || strstr(kid, ".."))
        return "kid";
    return NULL;
}

/* Not `exp + leeway <= now`: exp may be anything an int64 holds. */
static const char *check_times(jwt_t *jwt, int64_t now_s, int leeway_s, int64_t *expires_at_s)
{
    int64_t not_before_s;

    if (!integer_claim(jwt, "exp", expires_at_s) || *expires_at_s <= 0) return "exp";
    if (now_s - leeway_s >= *expires_at_s) return "expired";
    if (has_claim(jwt, "nbf")) {
        if (!integer_claim(jwt, "nbf", &not_before_s)) return "nbf";
        if (now_s + leeway_s < not_before_s) return "not yet valid";
    }
    return NULL;
}

/* aud is a string or an array that holds ours (RFC 7519 §4.1.3). What is parsed is jansson's own writing of it. */
static const char *check_audience(jwt_t *jwt, const char *audience)
{
    char *text = jwt_get_grants_json(jwt, "aud");
    struct json_doc *doc = NULL;
    const struct json *aud;
    const char *reason, *item;
    bool found = false;

    if (text && json_parse(text, strlen(text), &doc, &reason) == CHAT_OK) {
        aud = json_root(doc);
        item = json_string(aud, NULL);
        found = item && strcmp(item, audience) == 0;
        if (json_type(aud) == JSON_ARRAY)
            for (aud = json_first(aud); aud && !found; aud = json_next(aud)) {
                item = json_string(aud, NULL);
                found = item && strcmp(item, audience) == 0;
            }
        json_free(doc);
    }
    free(text);
    return found ? NULL : "aud";
}

bool jwt_is_subject(const char *sub)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-";
    size_t len = strspn(sub, allowed);

    return len > 0 && len < JWT_SUBJECT_SIZE && !sub[len];
}

static const char *check_identity(jwt_t *jwt, struct jwt_claims *claims)
{
    const char *sub = jwt_get_grant(jwt, "sub"), *role;

    if (!sub || !jwt_is_subject(sub)) return "sub";
    memcpy(claims->subject, sub, strlen(sub) + 1);
    claims->is_admin = false;
    if (has_claim(jwt, "role")) {
        role = jwt_get_grant(jwt, "role");
        claims->is_admin = role && strcmp(role, "admin") == 0;
        if (!claims->is_admin && !(role && strcmp(role, "user") == 0)) return "role";
    }
    return NULL;
}

/* Exactly three segments of base64url, none empty. libjwt takes 300 kB on the stack as gladly. */
static bool is_well_formed(const char *token, size_t len)
{
    size_t dots = 0, segment = 0;

    if (len > JWT_MAX_TOKEN_BYTES) return false;
    for (size_t i = 0; i < len; i++) {
        char c = token[i];

        if (c == '.') {
            if (segment == 0 || ++dots > 2) return false;
            segment = 0;
        } else if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
            segment++;
        } else {
            return false;
        }
    }
    return dots == 2 && segment > 0;
}

/* NULL and *claims filled, or which rule is broken. */
static const char *verify(const struct jwt_policy *policy, int64_t now_s, const char *token, size_t len,
                          struct jwt_claims *claims)
{
    char text[JWT_MAX_TOKEN_BYTES + 1];
    jwt_t *jwt = NULL;
    const char *broken, *issuer;

    memcpy(text, token, len);
    text[len] = '\0';
    if (jwt_decode(&jwt, text, policy->key, (int)policy->key_len) != 0 || !jwt) return "signature";
    broken = check_header(jwt, policy->algorithm);
    if (!broken) broken = check_times(jwt, now_s, policy->leeway_s, &claims->expires_at_s);
    if (!broken && policy->issuer) {
        issuer = jwt_get_grant(jwt, "iss");
        if (!issuer || strcmp(issuer, policy->issuer) != 0) broken = "iss";
    }
    if (!broken && policy->audience) broken = check_audience(jwt, policy->audience);
    if (!broken) broken = check_identity(jwt, claims);
    jwt_free(jwt);
    return broken;
}

/* ---- accepted tokens ----
 * Keyed by a digest of the policy and the token together. A slot holds the last token that fell on it. Refused tokens
 * are not kept: they would push out good ones. */

enum { CACHE_SLOTS = 512, CACHE_KEEP_MS = 60000 };

struct cache_slot {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int64_t kept_at_mono_ms;
    struct jwt_claims claims;
    bool is_used;
};

static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct cache_slot cache[CACHE_SLOTS]; /* under cache_mutex */

static bool add_part(EVP_MD_CTX *context, const void *bytes, size_t len)
{
    return EVP_DigestUpdate(context, &len, sizeof len) && EVP_DigestUpdate(context, bytes, len);
}

static bool add_text(EVP_MD_CTX *context, const char *text)
{
    return add_part(context, text ? text : "", text ? strlen(text) + 1 : 0); /* "" is not NULL */
}

static bool digest_of(const struct jwt_policy *policy, const char *token, size_t len,
                      unsigned char out[SHA256_DIGEST_LENGTH])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
                add_part(context, &policy->algorithm, sizeof policy->algorithm) &&
                add_part(context, policy->key, policy->key_len) && add_text(context, policy->issuer) &&
                add_text(context, policy->audience) && add_part(context, token, len) &&
                EVP_DigestFinal_ex(context, out, NULL);

    EVP_MD_CTX_free(context);
    return done;
}

static struct cache_slot *slot_of(const unsigned char digest[SHA256_DIGEST_LENGTH])
{
    return &cache[(size_t)(digest[0] << 8 | digest[1]) % CACHE_SLOTS];
}

static bool cache_get(const unsigned char digest[SHA256_DIGEST_LENGTH], int64_t mono_ms, struct jwt_claims *out)
{
    const struct cache_slot *slot = slot_of(digest);
    bool hit;

    pthread_mutex_lock(&cache_mutex);
    hit = slot->is_used && mono_ms - slot->kept_at_mono_ms < CACHE_KEEP_MS &&
          memcmp(slot->digest, digest, sizeof slot->digest) == 0;
    if (hit) *out = slot->claims;
    pthread_mutex_unlock(&cache_mutex);
    return hit;
}

static void cache_put(const unsigned char digest[SHA256_DIGEST_LENGTH], int64_t mono_ms,
                      const struct jwt_claims *claims)
{
    struct cache_slot *slot = slot_of(digest);

    pthread_mutex_lock(&cache_mutex);
    memcpy(slot->digest, digest, sizeof slot->digest);
    slot->kept_at_mono_ms = mono_ms;
    slot->claims = *claims;
    slot->is_used = true;
    pthread_mutex_unlock(&cache_mutex);
}

static enum chat_error refuse(const char *broken)
{
    log_write(LOG_DEBUG, "token_refused", LOG_STR("rule", broken));
    return CHAT_ERR_UNAUTHENTICATED;
}

enum chat_error jwt_verify(const struct jwt_policy *policy, const struct clock *clock, const char *token, size_t len,
                           struct jwt_claims *out)
{
    const int64_t now_s = clock_wall_ms(clock) / 1000;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct jwt_claims claims = {.subject = ""};
    const char *broken;
    bool is_cached;

    /* libjwt would take any token as good with a key of no bytes; jwt_policy_check refuses that at start-up. */
    if (!policy->key || policy->key_len == 0 || policy->key_len > INT_MAX) return refuse("no key");
    if (!is_well_formed(token, len)) return refuse("form");
    is_cached = digest_of(policy, token, len, digest);
    if (is_cached && cache_get(digest, clock_mono_ms(clock), &claims)) {
        if (now_s - policy->leeway_s >= claims.expires_at_s) return refuse("expired");
        *out = claims;
        return CHAT_OK;
    }
    broken = verify(policy, now_s, token, len, &claims);
    if (broken) return refuse(broken);
    if (is_cached) cache_put(digest, clock_mono_ms(clock), &claims);
    *out = claims;
    return CHAT_OK;
}

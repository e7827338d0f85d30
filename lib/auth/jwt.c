#include "auth/jwt.h"

#include <jwt.h>
#include <limits.h>
#include <math.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "auth/values.h"
#include "base/json.h"
#include "base/log.h"

/* As the header spells them. */
static const char *const algorithm_names[] = {[JWT_HS256] = "HS256", [JWT_RS256] = "RS256", [JWT_ES256] = "ES256"};

enum { ES256_BYTES = 64, ES256_DER_MAX = 80 };

/* ---- the key, at start-up ---- */

static const char *check_public_key(enum jwt_algorithm algorithm, const EVP_PKEY *key)
{
    if (algorithm == JWT_RS256) {
        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return "RS256 needs an RSA public key";
        if (EVP_PKEY_get_bits(key) < JWT_MIN_RSA_BITS) return "the RSA key has fewer than 2048 bits";
        return NULL;
    }
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return "ES256 needs an EC public key";
    char curve[64];
    size_t len;
    if (!EVP_PKEY_get_group_name(key, curve, sizeof curve, &len) || strcmp(curve, SN_X9_62_prime256v1) != 0)
        return "ES256 needs a key on the curve P-256";
    return NULL;
}

/* OpenSSL would take the first key alone, and the tokens of the other would be refused without a reason. */
static bool has_two_keys(const struct jwt_policy *policy)
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----";
    const char *key = (const char *)policy->key, *end = key + policy->key_len;
    const char *first = memmem(key, policy->key_len, begin, sizeof begin - 1);
    return first && memmem(first + 1, (size_t)(end - first - 1), begin, sizeof begin - 1);
}

static const char *policy_problem(const struct jwt_policy *policy)
{
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
    const char *problem =
        key ? check_public_key(policy->algorithm, key) : "the key is no PEM public key (BEGIN PUBLIC KEY)";
    EVP_PKEY_free(key);
    BIO_free(pem);
    return problem;
}

enum chat_error jwt_policy_check(const struct jwt_policy *policy, const char **problem)
{
    *problem = policy_problem(policy);
    return *problem ? CHAT_ERR_INVALID_REQUEST : CHAT_OK;
}

/* ---- the signature, by the policy's key alone ---- */

static bool is_signed_hs256(const struct jwt_policy *policy, const char *text, size_t len,
                            const unsigned char *signature, size_t signature_len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    return HMAC(EVP_sha256(), policy->key, (int)policy->key_len, (const unsigned char *)text, len, mac, &mac_len) &&
           mac_len == signature_len && CRYPTO_memcmp(mac, signature, mac_len) == 0;
}

/* Turns r and s, one after the other (RFC 7518, section 3.4), into what OpenSSL takes. 0: they are no signature. */
static size_t der_of_es256(const unsigned char *raw, size_t len, unsigned char der[ES256_DER_MAX])
{
    BIGNUM *r = len == ES256_BYTES ? BN_bin2bn(raw, ES256_BYTES / 2, NULL) : NULL;
    BIGNUM *s = len == ES256_BYTES ? BN_bin2bn(raw + ES256_BYTES / 2, ES256_BYTES / 2, NULL) : NULL;
    ECDSA_SIG *signature = r && s ? ECDSA_SIG_new() : NULL;
    int der_len = 0;
    if (signature && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; /* the signature owns them from now on */
        der_len = i2d_ECDSA_SIG(signature, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return der_len > 0 ? (size_t)der_len : 0;
}

static bool is_signed_by_pair(const struct jwt_policy *policy, const char *text, size_t len,
                              const unsigned char *signature, size_t signature_len)
{
    BIO *pem = BIO_new_mem_buf(policy->key, (int)policy->key_len);
    EVP_PKEY *key = pem ? PEM_read_bio_PUBKEY(pem, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fine = key && context && !check_public_key(policy->algorithm, key);
    unsigned char der[ES256_DER_MAX];
    if (fine && policy->algorithm == JWT_ES256) {
        signature_len = der_of_es256(signature, signature_len, der);
        signature = der;
    }
    fine = fine && signature_len > 0 && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
           EVP_DigestVerify(context, signature, signature_len, (const unsigned char *)text, len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    BIO_free(pem);
    ERR_clear_error(); /* what a wrong one left behind is nobody's */
    return fine;
}

static int base64url_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* false: not base64url of RFC 7515 (no padding, nothing left over in the last digit). out: 3/4 of len. */
static bool decode(const char *text, size_t len, unsigned char *out, size_t *out_len)
{
    *out_len = 0;
    unsigned bits = 0;
    int held = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = base64url_digit(text[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (unsigned)digit;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[(*out_len)++] = (unsigned char)(bits >> held);
        bits &= (1u << held) - 1;
    }
    return len > 0 && held < 6 && bits == 0;
}

/* ---- header and claims ----
 * Both pass the gate that bodies pass (base/json.h): one JSON object and nothing beside it, no key twice. Each reader
 * returns NULL, or the rule that the token breaks. */

static bool is_text(const struct json *value, const char *text)
{
    const char *string = json_string(value, NULL);
    return string && strcmp(string, text) == 0;
}

/* RFC 9068 has at+jwt. A token with another type was made for something else, and is no access token. */
static bool is_access_type(const struct json *typ)
{
    static const char *const types[] = {"JWT", "at+jwt", "application/jwt", "application/at+jwt"};
    const char *text = json_string(typ, NULL);
    if (!typ) return true;
    for (size_t i = 0; text && i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(text, types[i]) == 0) return true;
    return false;
}

/* An identifier, or bytes in base64. */
static bool is_harmless_kid(const struct json *kid)
{
    const char *text = json_string(kid, NULL);
    return !kid || (text && *text && strlen(text) <= 128 &&
                    !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+/-")] &&
                    !strstr(text, ".."));
}

static const char *check_header(const struct json *header, enum jwt_algorithm algorithm)
{
    if (!is_text(json_get(header, "alg"), algorithm_names[algorithm])) return "alg";
    if (json_get(header, "crit")) return "crit";
    if (!is_access_type(json_get(header, "typ"))) return "typ";
    return is_harmless_kid(json_get(header, "kid")) ? NULL : "kid";
}

/* Reads a whole number, however it is spelled: 1.8e9 is one, 1800000000.5 is none. A number beyond any calendar counts
 * as the last day. */
static bool integer_claim(const struct json *claims, const char *name, int64_t *out)
{
    static const double last = 9007199254740992.0;
    double number;
    if (!json_number(json_get(claims, name), &number) || floor(number) != number) return false;
    *out = number >= last ? (int64_t)last : number <= -last ? -(int64_t)last : (int64_t)number;
    return true;
}

static const char *check_times(const struct json *claims, int64_t now_s, int leeway_s, int64_t *expires_at_s)
{
    if (!integer_claim(claims, "exp", expires_at_s) || *expires_at_s <= 0) return "exp";
    if (now_s - leeway_s >= *expires_at_s) return "expired";
    int64_t not_before_s;
    if (json_get(claims, "nbf")) {
        if (!integer_claim(claims, "nbf", &not_before_s)) return "nbf";
        if (now_s + leeway_s < not_before_s) return "not yet valid";
    }
    return NULL;
}

/* Calls back for each string of a claim that is a string, or an array of them. */
static bool any_string(const struct json *claim, bool (*is_it)(const char *string, const void *context),
                       const void *context)
{
    const char *string = json_string(claim, NULL);
    if (string) return is_it(string, context);
    if (!claim || json_type(claim) != JSON_ARRAY) return false;
    for (const struct json *item = json_first(claim); item; item = json_next(item)) {
        string = json_string(item, NULL);
        if (string && is_it(string, context)) return true;
    }
    return false;
}

static bool is_same(const char *string, const void *other)
{
    return strcmp(string, other) == 0;
}

/* context: a list of values. */
static bool is_listed(const char *string, const void *context)
{
    return values_have(context, string, strlen(string));
}

/* Returns the claim of that whole name, or else the one that its dots lead to. */
static const struct json *claim_at(const struct json *claims, const char *path)
{
    const struct json *value = json_get(claims, path);
    if (value) return value;
    const char *dot;
    char name[JWT_CLAIM_NAME_SIZE];
    for (value = claims; value; path = dot + 1) {
        dot = strchr(path, '.');
        size_t len = dot ? (size_t)(dot - path) : strlen(path);
        if (len >= sizeof name) return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        value = json_get(value, name);
        if (!dot) return value;
    }
    return NULL;
}

struct group_writer {
    struct jwt_claims *claims;
};

/* All groups of a token fit. */
static bool add_group(const char *name, const void *context)
{
    struct jwt_claims *claims = ((const struct group_writer *)context)->claims;
    size_t len = strlen(name);
    if (len > 0 && claims->groups_len + len + 2 <= sizeof claims->groups) {
        memcpy(claims->groups + claims->groups_len, name, len + 1);
        claims->groups_len += len + 1;
        claims->groups[claims->groups_len] = '\0';
    }
    return false;
}

bool jwt_is_subject(const char *sub)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-";
    size_t len = strspn(sub, allowed);
    return len > 0 && len < JWT_SUBJECT_SIZE && !sub[len];
}

static const char *check_identity(const struct jwt_policy *policy, const struct json *payload,
                                  struct jwt_claims *claims)
{
    const char *sub = json_string(json_get(payload, "sub"), NULL);
    const struct json *role = claim_at(payload, policy->role_claim ? policy->role_claim : "role");
    const struct json *groups = claim_at(payload, policy->groups_claim ? policy->groups_claim : "groups");
    const struct group_writer writer = {claims};
    if (!sub || !jwt_is_subject(sub)) return "sub";
    memcpy(claims->subject, sub, strlen(sub) + 1);
    claims->is_admin = any_string(role, is_listed, policy->admin_values ? policy->admin_values : "admin");
    claims->is_outside = policy->required_values && !any_string(role, is_listed, policy->required_values) &&
                         !any_string(groups, is_listed, policy->required_values);
    claims->groups_len = 0;
    claims->groups[0] = '\0';
    any_string(groups, add_group, &writer);
    return NULL;
}

static const char *check_claims(const struct jwt_policy *policy, int64_t now_s, const struct json *payload,
                                struct jwt_claims *claims)
{
    const char *broken = check_times(payload, now_s, policy->leeway_s, &claims->expires_at_s);
    if (!broken && policy->issuer && !is_text(json_get(payload, "iss"), policy->issuer)) broken = "iss";
    if (!broken && policy->audience && !any_string(json_get(payload, "aud"), is_same, policy->audience)) broken = "aud";
    return broken ? broken : check_identity(policy, payload, claims);
}

/* Exactly three segments of base64url, none empty. */
static bool is_well_formed(const char *token, size_t len, size_t ends[2])
{
    if (len > JWT_MAX_TOKEN_BYTES) return false;
    size_t dots = 0, segment = 0;
    for (size_t i = 0; i < len; i++) {
        if (token[i] == '.') {
            if (segment == 0 || dots == 2) return false;
            ends[dots++] = i;
            segment = 0;
        } else if (base64url_digit(token[i]) >= 0) {
            segment++;
        } else {
            return false;
        }
    }
    return dots == 2 && segment > 0;
}

/* Returns one JSON object, for json_free. NULL: it is something else. */
static struct json_doc *read_object(const char *text, size_t len)
{
    NOT_ZEROED unsigned char bytes[JWT_MAX_TOKEN_BYTES];
    struct json_doc *doc;
    const char *reason;
    size_t bytes_len;
    if (!decode(text, len, bytes, &bytes_len) || json_parse((const char *)bytes, bytes_len, &doc, &reason) != CHAT_OK)
        return NULL;
    if (json_type(json_root(doc)) == JSON_OBJECT) return doc;
    json_free(doc);
    return NULL;
}

static bool is_signed_by_libjwt(const struct jwt_policy *policy, const char *token, size_t len)
{
    NOT_ZEROED char text[JWT_MAX_TOKEN_BYTES + 1];
    jwt_t *jwt = NULL;
    memcpy(text, token, len);
    text[len] = '\0';
    bool fine = jwt_decode(&jwt, text, policy->key, (int)policy->key_len) == 0 && jwt;
    jwt_free(jwt);
    ERR_clear_error(); /* what a wrong one left behind is nobody's */
    return fine;
}

/* libjwt 1.10 takes no type but JWT, and can't check a signature alone, so an RFC 9068 token is checked without it. */
static bool is_signed(const struct jwt_policy *policy, const char *token, size_t signed_len, size_t len,
                      const struct json *typ)
{
    NOT_ZEROED unsigned char signature[JWT_MAX_TOKEN_BYTES];
    size_t signature_len;
    if (!typ || strcasecmp(json_string(typ, NULL), "JWT") == 0) return is_signed_by_libjwt(policy, token, len);
    if (!decode(token + signed_len + 1, len - signed_len - 1, signature, &signature_len)) return false;
    return (policy->algorithm == JWT_HS256 ? is_signed_hs256 : is_signed_by_pair)(policy, token, signed_len, signature,
                                                                                  signature_len);
}

/* Returns NULL with *claims filled, or the rule that is broken. */
static const char *verify(const struct jwt_policy *policy, int64_t now_s, const char *token, size_t len,
                          const size_t ends[2], struct jwt_claims *claims)
{
    struct json_doc *header = read_object(token, ends[0]);
    const char *broken = header ? check_header(json_root(header), policy->algorithm) : "header";
    if (!broken && !is_signed(policy, token, ends[1], len, json_get(json_root(header), "typ"))) broken = "signature";
    json_free(header);
    if (broken) return broken;
    struct json_doc *payload = read_object(token + ends[0] + 1, ends[1] - ends[0] - 1);
    broken = payload ? check_claims(policy, now_s, json_root(payload), claims) : "payload";
    json_free(payload);
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

/* Everything that a token's acceptance depends on, in one short piece: a digest costs by the update and by the byte. */
struct basis {
    unsigned char bytes[16 << 10];
    size_t len; /* over the size: it doesn't fit, and the token isn't kept */
};

static void add_bytes(struct basis *basis, const void *bytes, size_t len)
{
    size_t at = basis->len;
    basis->len += len;
    if (basis->len <= sizeof basis->bytes) memcpy(basis->bytes + at, bytes, len);
}

/* A NUL ends each part, and a byte marks that it is there: "" is not NULL. */
static void add_text(struct basis *basis, const char *text)
{
    add_bytes(basis, text ? "+" : "-", 1);
    if (text) add_bytes(basis, text, strlen(text) + 1);
}

static bool digest_of(const struct jwt_policy *policy, const char *token, size_t len,
                      unsigned char out[SHA256_DIGEST_LENGTH])
{
    NOT_ZEROED struct basis basis;
    const unsigned char algorithm = (unsigned char)policy->algorithm;
    const uint32_t key_len = (uint32_t)policy->key_len;
    basis.len = 0;
    add_bytes(&basis, &algorithm, sizeof algorithm);
    add_bytes(&basis, &key_len, sizeof key_len);
    add_bytes(&basis, policy->key, policy->key_len);
    add_text(&basis, policy->issuer);
    add_text(&basis, policy->audience);
    add_text(&basis, policy->role_claim);
    add_text(&basis, policy->admin_values);
    add_text(&basis, policy->groups_claim);
    add_text(&basis, policy->required_values);
    add_bytes(&basis, token, len);
    bool done =
        basis.len <= sizeof basis.bytes && EVP_Digest(basis.bytes, basis.len, out, NULL, EVP_sha256(), NULL) == 1;
    /* the secret is in it */
    explicit_bzero(basis.bytes, basis.len < sizeof basis.bytes ? basis.len : sizeof basis.bytes);
    return done;
}

static struct cache_slot *slot_of(const unsigned char digest[SHA256_DIGEST_LENGTH])
{
    return &cache[(size_t)(digest[0] << 8 | digest[1]) % CACHE_SLOTS];
}

/* Copies only the groups that there are: most tokens have few. */
static void copy_claims(struct jwt_claims *to, const struct jwt_claims *from)
{
    memcpy(to, from, offsetof(struct jwt_claims, groups) + from->groups_len + 1);
}

static bool cache_get(const unsigned char digest[SHA256_DIGEST_LENGTH], int64_t mono_ms, struct jwt_claims *out)
{
    const struct cache_slot *slot = slot_of(digest);
    pthread_mutex_lock(&cache_mutex);
    bool hit = slot->is_used && mono_ms - slot->kept_at_mono_ms < CACHE_KEEP_MS &&
               memcmp(slot->digest, digest, sizeof slot->digest) == 0;
    if (hit) copy_claims(out, &slot->claims);
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
    copy_claims(&slot->claims, claims);
    slot->is_used = true;
    pthread_mutex_unlock(&cache_mutex);
}

static enum chat_error refuse(const char *broken)
{
    log_write(LOG_INFO, "token_refused", LOG_STR("rule", broken));
    return CHAT_ERR_UNAUTHENTICATED;
}

static enum chat_error accept(const struct jwt_claims *claims, struct jwt_claims *out)
{
    copy_claims(out, claims);
    if (!claims->is_outside) return CHAT_OK;
    log_write(LOG_INFO, "token_refused", LOG_STR("rule", "required values"));
    return CHAT_ERR_FORBIDDEN;
}

enum chat_error jwt_verify(const struct jwt_policy *policy, const struct clock *clock, const char *token, size_t len,
                           struct jwt_claims *out)
{
    const int64_t now_s = clock_wall_ms(clock) / 1000;
    NOT_ZEROED struct jwt_claims claims;
    const char *broken;
    size_t ends[2];
    bool has_digest;
    if (!policy->key || policy->key_len == 0 || policy->key_len > INT_MAX) return refuse("no key");
    if (!is_well_formed(token, len, ends)) return refuse("form");
    unsigned char digest[SHA256_DIGEST_LENGTH];
    has_digest = digest_of(policy, token, len, digest);
    if (has_digest && cache_get(digest, clock_mono_ms(clock), &claims))
        return now_s - policy->leeway_s >= claims.expires_at_s ? refuse("expired") : accept(&claims, out);
    broken = verify(policy, now_s, token, len, ends, &claims);
    if (broken) return refuse(broken);
    if (has_digest) cache_put(digest, clock_mono_ms(clock), &claims);
    return accept(&claims, out);
}

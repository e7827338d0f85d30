/*
 * Tokens. The first byte says what the rest is:
 *   0  a token as it stands
 *   1  edits to a good one: pairs of a position and a byte
 *   2  a header and a claims object, a line each, which are signed with the right key
 * Whatever is accepted was signed with the key (computed here once more), and its claims obey the rules of auth/jwt.h
 * as our own JSON reader sees them.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "auth/jwt.h"
#include "base/json.h"
#include "base/log.h"
#include "fuzz/fuzz.h"

#define NOW_S INT64_C(1800000000)
static const char secret[] = "0123456789abcdef0123456789abcdef";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { TOKEN_SIZE = 16384 };
struct token {
    char text[TOKEN_SIZE];
    size_t len;
};

static void add_base64url(struct token *token, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i += 3) {
        unsigned group =
            (unsigned)in[i] << 16 | (i + 1 < len ? (unsigned)in[i + 1] << 8 : 0) | (i + 2 < len ? in[i + 2] : 0u);
        for (size_t digit = 0; digit < (len - i >= 3 ? 4 : len - i + 1); digit++)
            token->text[token->len++] = digits[group >> (18 - 6 * digit) & 63];
    }
}

/* Bytes written; padding bits are not looked at. */
static size_t from_base64url(const char *text, size_t len, unsigned char *out)
{
    unsigned bits = 0, held = 0;
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        const char *found = text[i] ? strchr(digits, text[i]) : NULL;
        must(found != NULL); /* or the token's form had been refused */
        bits = (bits << 6 | (unsigned)(found - digits)) & 0xffff;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[written++] = (unsigned char)(bits >> held);
    }
    return written;
}

static void sign(struct token *token)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    HMAC(EVP_sha256(), secret, sizeof secret - 1, (const unsigned char *)token->text, token->len, mac, &len);
    token->text[token->len++] = '.';
    add_base64url(token, mac, len);
}

static void make(struct token *token, const char *header, const char *claims)
{
    token->len = 0;
    add_base64url(token, header, strlen(header));
    token->text[token->len++] = '.';
    add_base64url(token, claims, strlen(claims));
    sign(token);
}

static bool is_text(const struct json *value, const char *text)
{
    const char *string = json_string(value, NULL);
    return string && strcmp(string, text) == 0;
}

static void must_obey(const struct json *claims, const struct jwt_policy *policy, const struct jwt_claims *out)
{
    const struct json *nbf = json_get(claims, "nbf"), *role = json_get(claims, "role"), *aud = json_get(claims, "aud");
    int64_t number = 0;

    must(is_text(json_get(claims, "sub"), out->subject));
    must(json_type(json_get(claims, "exp")) == JSON_NUMBER);
    if (json_integer(json_get(claims, "exp"), &number)) must(number == out->expires_at_s);
    if (nbf && json_integer(nbf, &number)) must(number <= NOW_S + policy->leeway_s);
    if (nbf) must(json_type(nbf) == JSON_NUMBER);
    if (json_type(role) != JSON_ARRAY) must(out->is_admin == is_text(role, "admin"));
    must(strlen(out->groups) <= out->groups_len && out->groups_len < sizeof out->groups);
    if (policy->issuer) must(is_text(json_get(claims, "iss"), policy->issuer));
    if (policy->audience) {
        bool ours = is_text(aud, policy->audience);
        if (json_type(aud) == JSON_ARRAY)
            for (aud = json_first(aud); aud && !ours; aud = json_next(aud)) ours = is_text(aud, policy->audience);
        must(ours);
    }
}

static void must_be_good(const char *token, size_t len, const struct jwt_policy *policy, const struct jwt_claims *out)
{
    unsigned char mac[EVP_MAX_MD_SIZE], given[JWT_MAX_TOKEN_BYTES], part[JWT_MAX_TOKEN_BYTES];
    unsigned mac_len = 0;
    struct json_doc *doc;
    const char *reason;
    const char *dot = memchr(token, '.', len);
    const char *last = memrchr(token, '.', len);

    must(len <= JWT_MAX_TOKEN_BYTES && dot && last != dot);
    HMAC(EVP_sha256(), secret, sizeof secret - 1, (const unsigned char *)token, (size_t)(last - token), mac, &mac_len);
    must(from_base64url(last + 1, (size_t)(token + len - last - 1), given) == mac_len &&
         memcmp(given, mac, mac_len) == 0);

    size_t subject = strlen(out->subject);
    must(subject > 0 &&
         strspn(out->subject, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-") == subject);
    must(out->expires_at_s > NOW_S - policy->leeway_s);

    size_t part_len = from_base64url(token, (size_t)(dot - token), part);
    must(json_parse((const char *)part, part_len, &doc, &reason) == CHAT_OK);
    must(is_text(json_get(json_root(doc), "alg"), "HS256") && !json_get(json_root(doc), "crit"));
    json_free(doc);
    part_len = from_base64url(dot + 1, (size_t)(last - dot - 1), part);
    must(json_parse((const char *)part, part_len, &doc, &reason) == CHAT_OK);
    must_obey(json_root(doc), policy, out);
    json_free(doc);
}

static bool verify(const uint8_t *token, size_t len)
{
    static const struct {
        const char *issuer, *audience;
    } wanted[] = {{NULL, NULL}, {"issuer", NULL}, {NULL, "audience"}};
    struct manual_clock now;
    bool accepted = false;

    manual_clock_init(&now, NOW_S * 1000);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct jwt_policy policy = {.algorithm = JWT_HS256,
                                    .key = (const unsigned char *)secret,
                                    .key_len = sizeof secret - 1,
                                    .issuer = wanted[i].issuer,
                                    .audience = wanted[i].audience,
                                    .leeway_s = JWT_DEFAULT_LEEWAY_S};
        struct jwt_claims claims;
        char *copy = fuzz_copy(token, len);
        if (jwt_verify(&policy, &now.clock, copy, len, &claims) == CHAT_OK) {
            must_be_good(copy, len, &policy, &claims);
            accepted = true;
        }
        free(copy);
    }
    return accepted;
}

static void verify_edited(const uint8_t *edits, size_t len)
{
    struct token good, edited;
    make(&good, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
         "{\"sub\":\"alice\",\"exp\":1800000600,\"role\":\"admin\",\"iss\":\"issuer\",\"aud\":[\"x\",\"audience\"]}");
    edited = good;
    for (size_t i = 0; i + 1 < len; i += 2) edited.text[edits[i] % edited.len] = (char)edits[i + 1];
    bool same = memcmp(good.text, edited.text, good.len) == 0;
    bool accepted = verify((const uint8_t *)edited.text, edited.len);
    if (same) must(accepted);
}

static void verify_signed(const uint8_t *data, size_t len)
{
    struct token token;
    char *header = fuzz_line(&data, &len), *claims = fuzz_line(&data, &len);
    if (strlen(header) + strlen(claims) < TOKEN_SIZE / 2) {
        make(&token, header, claims);
        verify((const uint8_t *)token.text, token.len);
    }
    free(header);
    free(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    log_set_fd(-1);
    switch (data[0] % 3) {
    case 0: verify(data + 1, len - 1); break;
    case 1: verify_edited(data + 1, len - 1); break;
    default: verify_signed(data + 1, len - 1); break;
    }
    return 0;
}

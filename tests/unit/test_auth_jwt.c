/* Tokens are made here by OpenSSL alone, so that those no library would make can be tried. */
#include "auth/jwt.h"

#include <limits.h>
#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "unit.h"
#include "wiped.h"

#define NOW_S INT64_C(1800000000)
#define CLAIMS "{\"sub\":\"alice\",\"exp\":1800000600}"

static const char secret[] = "0123456789abcdef0123456789abcdef";
static struct manual_clock now;

/* A key pair, and its public half as PEM. */
struct pair {
    EVP_PKEY *key;
    char pem[2048];
    size_t pem_len;
};
static struct pair rsa, other_rsa, weak_rsa, p256, other_p256, p384;

static void pair_init(struct pair *pair, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int len;

    ck_assert_ptr_nonnull(key);
    ck_assert_int_eq(PEM_write_bio_PUBKEY(bio, key), 1);
    len = BIO_read(bio, pair->pem, sizeof pair->pem - 1);
    ck_assert_int_gt(len, 0);
    pair->key = key;
    pair->pem_len = (size_t)len;
    BIO_free(bio);
}

static void make_keys(void)
{
    pair_init(&rsa, EVP_RSA_gen(2048));
    pair_init(&other_rsa, EVP_RSA_gen(2048));
    pair_init(&weak_rsa, EVP_RSA_gen(1024));
    pair_init(&p256, EVP_EC_gen("P-256"));
    pair_init(&other_p256, EVP_EC_gen("P-256"));
    pair_init(&p384, EVP_EC_gen("P-384"));
}

static void free_keys(void)
{
    struct pair *const pairs[] = {&rsa, &other_rsa, &weak_rsa, &p256, &other_p256, &p384};

    for (size_t i = 0; i < UNIT_COUNT(pairs); i++) EVP_PKEY_free(pairs[i]->key);
}

static void set_clock(void)
{
    manual_clock_init(&now, NOW_S * 1000);
    log_set_fd(-1);
}

static void restore_log(void)
{
    log_set_fd(STDERR_FILENO);
}

static struct jwt_policy hs_policy(void)
{
    return (struct jwt_policy){.algorithm = JWT_HS256,
                               .key = (const unsigned char *)secret,
                               .key_len = sizeof secret - 1,
                               .leeway_s = JWT_DEFAULT_LEEWAY_S};
}

static struct jwt_policy pair_policy(enum jwt_algorithm algorithm, const struct pair *pair)
{
    return (struct jwt_policy){.algorithm = algorithm,
                               .key = (const unsigned char *)pair->pem,
                               .key_len = pair->pem_len,
                               .leeway_s = JWT_DEFAULT_LEEWAY_S};
}

/* ---- making tokens ---- */

struct token {
    char text[20000];
    size_t len;
};

static void add_base64url(struct token *token, const void *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = bytes;

    for (size_t i = 0; i < len; i += 3) {
        unsigned group =
            (unsigned)in[i] << 16 | (i + 1 < len ? (unsigned)in[i + 1] << 8 : 0) | (i + 2 < len ? in[i + 2] : 0u);

        for (size_t digit = 0; digit < (len - i >= 3 ? 4 : len - i + 1); digit++)
            token->text[token->len++] = digits[group >> (18 - 6 * digit) & 63];
    }
    token->text[token->len] = '\0';
}

static void add_text(struct token *token, const char *text)
{
    token->len += (size_t)sprintf(token->text + token->len, "%s", text);
}

/* `header.claims.`, unsigned. */
static void token_begin(struct token *token, const char *header, const char *claims)
{
    token->len = 0;
    add_base64url(token, header, strlen(header));
    add_text(token, ".");
    add_base64url(token, claims, strlen(claims));
}

static void token_sign_hmac(struct token *token, const void *key, size_t key_len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)token->text, token->len, mac, &len);
    add_text(token, ".");
    add_base64url(token, mac, len);
}

static void token_sign_pair(struct token *token, EVP_PKEY *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char bytes[1024], raw[64];
    size_t len = sizeof bytes;

    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(context, bytes, &len, (const unsigned char *)token->text, token->len), 1);
    EVP_MD_CTX_free(context);
    add_text(token, ".");
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == 256) { /* r || s, RFC 7518 §3.4 */
        const unsigned char *at = bytes;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);

        BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
        ECDSA_SIG_free(sig);
        add_base64url(token, raw, sizeof raw);
    } else {
        add_base64url(token, bytes, len);
    }
}

static struct token *hs_token(const char *header, const char *claims)
{
    static struct token token;

    token_begin(&token, header, claims);
    token_sign_hmac(&token, secret, sizeof secret - 1);
    return &token;
}

static struct token *pair_token(const char *header, const char *claims, const struct pair *pair)
{
    static struct token token;

    token_begin(&token, header, claims);
    token_sign_pair(&token, pair->key);
    return &token;
}

static struct jwt_claims claims_out;

static enum chat_error verify_text(const struct jwt_policy *policy, const char *text, size_t len)
{
    memset(&claims_out, 0x55, sizeof claims_out);
    return jwt_verify(policy, &now.clock, text, len, &claims_out);
}

static enum chat_error verify(const struct jwt_policy *policy, const struct token *token)
{
    return verify_text(policy, token->text, token->len);
}

/* HS256 with claims. */
static enum chat_error verify_claims(const char *claims)
{
    struct jwt_policy policy = hs_policy();

    return verify(&policy, hs_token("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims));
}

/* ---- what is taken ---- */

START_TEST(a_good_token_of_each_algorithm_gives_its_claims)
{
    static const char claims[] = "{\"sub\":\"auth0|al.ice_1-2:3@x+y=z/w\",\"exp\":1800000600,\"role\":\"admin\"}";
    struct jwt_policy policy = hs_policy();

    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS256\"}", claims)), CHAT_OK);
    ck_assert_str_eq(claims_out.subject, "auth0|al.ice_1-2:3@x+y=z/w");
    ck_assert(claims_out.is_admin);
    ck_assert_int_eq(claims_out.expires_at_s, NOW_S + 600);

    policy = pair_policy(JWT_RS256, &rsa);
    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"RS256\",\"typ\":\"JWT\"}", claims, &rsa)), CHAT_OK);
    ck_assert_str_eq(claims_out.subject, "auth0|al.ice_1-2:3@x+y=z/w");

    policy = pair_policy(JWT_ES256, &p256);
    ck_assert_int_eq(verify(&policy, pair_token("{\"typ\":\"JWT\",\"alg\":\"ES256\"}", claims, &p256)), CHAT_OK);
    ck_assert(claims_out.is_admin);
}
END_TEST

START_TEST(a_refused_token_leaves_the_result_untouched)
{
    struct jwt_claims before;

    memset(&before, 0x55, sizeof before);
    ck_assert_int_eq(verify_claims("{\"sub\":\"al ice\",\"exp\":1800000600}"), CHAT_ERR_UNAUTHENTICATED);
    ck_assert_mem_eq(&claims_out, &before, sizeof before);
}
END_TEST

/* ---- form and signature ---- */

START_TEST(a_token_without_a_signature_is_refused)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"NONE\",\"typ\":\"JWT\"}",
        "{\"typ\":\"JWT\"}",  "{\"alg\":\"\"}",     "{\"alg\":null}"};
    static const char *const signatures[] = {"", ".", ".x", ".AAAA"};
    struct jwt_policy policies[] = {hs_policy(), pair_policy(JWT_RS256, &rsa), pair_policy(JWT_ES256, &p256)};

    for (size_t h = 0; h < UNIT_COUNT(headers); h++)
        for (size_t s = 0; s < UNIT_COUNT(signatures); s++)
            for (size_t p = 0; p < UNIT_COUNT(policies); p++) {
                struct token token;

                token_begin(&token, headers[h], CLAIMS);
                add_text(&token, signatures[s]);
                ck_assert_int_eq(verify(&policies[p], &token), CHAT_ERR_UNAUTHENTICATED);
            }
}
END_TEST

START_TEST(no_key_means_no_entry)
{
    struct jwt_policy policy = hs_policy();

    policy.key_len = 0;
    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS256\"}", CLAIMS)), CHAT_ERR_UNAUTHENTICATED);
    policy.key = NULL;
    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS256\"}", CLAIMS)), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(the_token_does_not_choose_the_algorithm)
{
    struct jwt_policy policy = pair_policy(JWT_RS256, &rsa);
    struct token token;

    /* the public key, which all may know, as an HMAC secret */
    token_begin(&token, "{\"alg\":\"HS256\"}", CLAIMS);
    token_sign_hmac(&token, rsa.pem, rsa.pem_len);
    ck_assert_int_eq(verify(&policy, &token), CHAT_ERR_UNAUTHENTICATED);
    policy = pair_policy(JWT_ES256, &p256);
    token_begin(&token, "{\"alg\":\"HS256\"}", CLAIMS);
    token_sign_hmac(&token, p256.pem, p256.pem_len);
    ck_assert_int_eq(verify(&policy, &token), CHAT_ERR_UNAUTHENTICATED);

    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"RS256\"}", CLAIMS, &rsa)), CHAT_ERR_UNAUTHENTICATED);
    policy = hs_policy();
    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"RS256\"}", CLAIMS, &rsa)), CHAT_ERR_UNAUTHENTICATED);

    /* the right key and signature of another name */
    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS512\"}", CLAIMS)), CHAT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"hs256\"}", CLAIMS)), CHAT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS256\",\"alg\":\"none\"}", CLAIMS)),
                     CHAT_ERR_UNAUTHENTICATED);
    policy = pair_policy(JWT_RS256, &rsa);
    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"RS512\"}", CLAIMS, &rsa)), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(a_signature_with_any_character_changed_is_refused)
{
    struct jwt_policy policies[] = {hs_policy(), pair_policy(JWT_RS256, &rsa), pair_policy(JWT_ES256, &p256)};

    for (size_t p = 0; p < UNIT_COUNT(policies); p++) {
        struct token *token = p == 0   ? hs_token("{\"alg\":\"HS256\"}", CLAIMS)
                              : p == 1 ? pair_token("{\"alg\":\"RS256\"}", CLAIMS, &rsa)
                                       : pair_token("{\"alg\":\"ES256\"}", CLAIMS, &p256);
        size_t start = (size_t)(strrchr(token->text, '.') - token->text) + 1;

        ck_assert_int_eq(verify(&policies[p], token), CHAT_OK);
        for (size_t at = start; at < token->len; at += p == 1 ? 31 : 1) {
            char was = token->text[at];

            /* far apart in the alphabet, so that bits which count change in the last character too */
            token->text[at] = was == 'A' ? 'x' : was < 'a' ? 'z' : 'A';
            ck_assert_msg(verify(&policies[p], token) == CHAT_ERR_UNAUTHENTICATED, "policy %zu, character %zu", p,
                          at - start);
            token->text[at] = was;
        }
        token->text[token->len - 1] = token->text[token->len - 1] == 'A' ? 'z' : 'A';
        ck_assert_int_eq(verify(&policies[p], token), CHAT_ERR_UNAUTHENTICATED);
    }
}
END_TEST

START_TEST(a_signature_by_another_key_is_refused)
{
    struct jwt_policy policy = hs_policy();
    struct token token;

    token_begin(&token, "{\"alg\":\"HS256\"}", CLAIMS);
    token_sign_hmac(&token, "0123456789abcdef0123456789abcdeX", 32);
    ck_assert_int_eq(verify(&policy, &token), CHAT_ERR_UNAUTHENTICATED);
    policy = pair_policy(JWT_RS256, &rsa);
    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"RS256\"}", CLAIMS, &other_rsa)), CHAT_ERR_UNAUTHENTICATED);
    policy = pair_policy(JWT_ES256, &p256);
    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"ES256\"}", CLAIMS, &other_p256)), CHAT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(verify(&policy, pair_token("{\"alg\":\"ES256\"}", CLAIMS, &p384)), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(claims_swapped_under_a_signature_are_refused)
{
    struct jwt_policy policy = hs_policy();
    struct token *good = hs_token("{\"alg\":\"HS256\"}", CLAIMS), forged;

    token_begin(&forged, "{\"alg\":\"HS256\"}", "{\"sub\":\"alice\",\"exp\":1800000600,\"role\":\"admin\"}");
    add_text(&forged, strrchr(good->text, '.'));
    ck_assert_int_eq(verify(&policy, &forged), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(only_three_segments_of_base64url_are_a_token)
{
    struct jwt_policy policy = hs_policy();
    char text[JWT_MAX_TOKEN_BYTES];
    struct token *good = hs_token("{\"alg\":\"HS256\"}", CLAIMS);
    static const char *const bad[] = {"",        ".",      "..",    "...",    "a",           "a.b",
                                      "a.b.",    ".b.c",   "a..c",  "a.b.c.", "a.b.c.d",     "a.b.c d",
                                      "a.b.c\n", "a.b.+/", "a.b.=", "ä.b.c",  "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA"};

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(verify_text(&policy, bad[i], strlen(bad[i])) == CHAT_ERR_UNAUTHENTICATED, "%s", bad[i]);
    for (const char *tail = "=. \n.~\t+/"; *tail; tail++) {
        memcpy(text, good->text, good->len);
        text[good->len] = *tail;
        ck_assert_int_eq(verify_text(&policy, text, good->len + 1), CHAT_ERR_UNAUTHENTICATED);
    }
    text[good->len] = '\0';
    ck_assert_int_eq(verify_text(&policy, text, good->len + 1), CHAT_ERR_UNAUTHENTICATED);
    for (size_t len = 0; len < good->len; len++)
        ck_assert_int_eq(verify_text(&policy, good->text, len), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(a_token_ends_at_8192_bytes)
{
    struct jwt_policy policy = hs_policy();
    char claims[12000];
    size_t longest = 0;

    for (int pad = 5900; pad < 6300; pad++) {
        struct token *token;

        snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"exp\":1800000600,\"pad\":\"%0*d\"}", pad, 0);
        token = hs_token("{\"alg\":\"HS256\"}", claims);
        ck_assert_int_eq(verify(&policy, token),
                         token->len <= JWT_MAX_TOKEN_BYTES ? CHAT_OK : CHAT_ERR_UNAUTHENTICATED);
        if (token->len <= JWT_MAX_TOKEN_BYTES) longest = token->len;
    }
    ck_assert_uint_ge(longest, JWT_MAX_TOKEN_BYTES - 2);
    snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"exp\":1800000600,\"pad\":\"%0*d\"}", 11000, 0);
    ck_assert_int_eq(verify_claims(claims), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

static void *verify_longest(void *result)
{
    static char big[300000];
    struct jwt_policy policy = hs_policy();
    char claims[7000];

    snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"exp\":1800000600,\"pad\":\"%0*d\"}", 6000, 0);
    *(enum chat_error *)result = verify(&policy, hs_token("{\"alg\":\"HS256\"}", claims));
    memset(big, 'A', sizeof big);
    big[100] = big[200000] = '.';
    if (verify_text(&policy, big, sizeof big) != CHAT_ERR_UNAUTHENTICATED)
        *(enum chat_error *)result = CHAT_ERR_INTERNAL;
    return NULL;
}

START_TEST(the_longest_token_fits_a_small_stack)
{
    enum chat_error result = CHAT_ERR_INTERNAL;
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)256 * 1024);
    ck_assert_int_eq(pthread_create(&thread, &attr, verify_longest, &result), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    ck_assert_int_eq(result, CHAT_OK);
}
END_TEST

START_TEST(header_fields_that_steer_are_refused)
{
    static const struct {
        const char *header;
        enum chat_error wanted;
    } rows[] = {
        {"{\"alg\":\"HS256\",\"kid\":\"key-2026.1_a=\"}", CHAT_OK},
        {"{\"alg\":\"HS256\",\"kid\":\"2f/+Jx0lNq4=\"}", CHAT_OK},           /* as some providers name their keys */
        {"{\"alg\":\"HS256\",\"jku\":\"https://evil.example/k\"}", CHAT_OK}, /* never looked at */
        {"{\"alg\":\"HS256\",\"kid\":\"../../etc/passwd\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"kid\":\"' OR 1=1\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"kid\":\"..\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"kid\":\"\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"kid\":1}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"kid\":null}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"crit\":[]}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"crit\":null}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", CHAT_OK}, /* token-by-the-standards: RFC 9068 */
        {"{\"alg\":\"HS256\",\"typ\":\"application/at+JWT\"}", CHAT_OK},
        {"{\"alg\":\"HS256\",\"typ\":\"jwt\"}", CHAT_OK},
        {"{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", CHAT_ERR_UNAUTHENTICATED}, /* made for something else */
        {"{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"typ\":\"\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"typ\":null}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\",\"typ\":[\"JWT\"]}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"HS256\"} ", CHAT_OK},
        {"{\"alg\":\"HS256\"}x", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":\"hs256\"}", CHAT_ERR_UNAUTHENTICATED},
        {"[\"HS256\"]", CHAT_ERR_UNAUTHENTICATED},
        {"{\"alg\":[\"HS256\"]}", CHAT_ERR_UNAUTHENTICATED},
    };
    struct jwt_policy policy = hs_policy();

    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(verify(&policy, hs_token(rows[i].header, CLAIMS)) == rows[i].wanted, "%s", rows[i].header);
}
END_TEST

/* ---- claims ---- */

struct claims_row {
    const char *claims;
    enum chat_error wanted;
};

static void check_rows(const struct jwt_policy *policy, const struct claims_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(verify(policy, hs_token("{\"alg\":\"HS256\"}", rows[i].claims)) == rows[i].wanted, "%s",
                      rows[i].claims);
}

START_TEST(exp_and_nbf_are_integers_and_honoured)
{
    static const struct claims_row rows[] = {
        {"{\"sub\":\"a\",\"exp\":1800000001}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1799999995}", CHAT_OK}, /* 5 s ago, within the leeway */
        {"{\"sub\":\"a\",\"exp\":1799999971}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1799999970}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1799999969}", CHAT_ERR_UNAUTHENTICATED}, /* 31 s ago */
        {"{\"sub\":\"a\",\"exp\":9223372036854775807}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1e300}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1e400}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":-9223372036854775808}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":0}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":-1}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":\"1800000600\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1800000600.5}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1800000600.0}", CHAT_OK}, /* whole, however it is spelled: token-by-the-standards */
        {"{\"sub\":\"a\",\"exp\":1.800000600e9}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1e10}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1e9}", CHAT_ERR_UNAUTHENTICATED}, /* over */
        {"{\"sub\":\"a\",\"exp\":1795999999.5}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":10000000000.5}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":true}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":null}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":[1800000600]}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"EXP\":1800000600}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1800000600,\"exp\":1}", CHAT_ERR_UNAUTHENTICATED}, /* which one? */
        {"{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":1800000000}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":1800000030}", CHAT_OK},
        {"{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":1800000031}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1800009999,\"nbf\":1800003600}", CHAT_ERR_UNAUTHENTICATED}, /* in an hour */
        {"{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":\"1\"}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":1.5}", CHAT_ERR_UNAUTHENTICATED},
        {"{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":null}", CHAT_ERR_UNAUTHENTICATED},
    };
    struct jwt_policy policy = hs_policy();

    check_rows(&policy, rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(a_token_expires_as_the_clock_moves)
{
    ck_assert_int_eq(verify_claims(CLAIMS), CHAT_OK);
    manual_clock_advance(&now, 629 * 1000);
    ck_assert_int_eq(verify_claims(CLAIMS), CHAT_OK);
    manual_clock_advance(&now, 1000);
    ck_assert_int_eq(verify_claims(CLAIMS), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(issuer_and_audience_are_checked_where_configured)
{
#define WITH(more) "{\"sub\":\"a\",\"exp\":1800000600" more "}"
    static const struct claims_row rows[] = {
        {WITH(",\"iss\":\"me\",\"aud\":\"chat\""), CHAT_OK},
        {WITH(",\"iss\":\"me\",\"aud\":[\"chat\"]"), CHAT_OK},
        {WITH(",\"iss\":\"me\",\"aud\":[\"x\",\"chat\",\"y\"]"), CHAT_OK},
        {WITH(",\"iss\":\"me\",\"aud\":[1,null,\"chat\"]"), CHAT_OK},
        {WITH(",\"iss\":\"me\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":\"other\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":\"Chat\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":\"chat2\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":[]"), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":[\"x\",\"y\"]"), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":[[\"chat\"]]"), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":{\"chat\":\"chat\"}"), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":null"), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"me\",\"aud\":7"), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"aud\":\"chat\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"you\",\"aud\":\"chat\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":[\"me\"],\"aud\":\"chat\""), CHAT_ERR_UNAUTHENTICATED},
        {WITH(",\"iss\":\"\",\"aud\":\"chat\""), CHAT_ERR_UNAUTHENTICATED},
    };
    struct jwt_policy policy = hs_policy();

    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS256\"}", WITH(",\"iss\":7,\"aud\":7"))), CHAT_OK);
    policy.issuer = "me";
    policy.audience = "chat";
    check_rows(&policy, rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(the_subject_is_a_plain_identifier)
{
#define SUB(value) "{\"exp\":1800000600,\"sub\":" value "}"
    static const struct claims_row rows[] = {
        {SUB("\"a\""), CHAT_OK},
        {SUB("\"00u-AZ_az.09:@|+=/\""), CHAT_OK},
        {SUB("\"\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"a b\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"a\\r\\nFLUSHALL\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"a\\u0000b\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"a'--\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"a*\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"{a}\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("\"\\u00e4\""), CHAT_ERR_UNAUTHENTICATED},
        {SUB("1"), CHAT_ERR_UNAUTHENTICATED},
        {SUB("null"), CHAT_ERR_UNAUTHENTICATED},
        {SUB("[\"a\"]"), CHAT_ERR_UNAUTHENTICATED},
        {"{\"exp\":1800000600}", CHAT_ERR_UNAUTHENTICATED},
        {"[\"sub\",\"exp\"]", CHAT_ERR_UNAUTHENTICATED},
        {"\"text\"", CHAT_ERR_UNAUTHENTICATED},
        {"not json", CHAT_ERR_UNAUTHENTICATED},
    };
    struct jwt_policy policy = hs_policy();
    char claims[400], subject[JWT_SUBJECT_SIZE + 1];

    check_rows(&policy, rows, UNIT_COUNT(rows));
    memset(subject, 'x', sizeof subject);
    snprintf(claims, sizeof claims, SUB("\"%.255s\""), subject);
    ck_assert_int_eq(verify_claims(claims), CHAT_OK);
    ck_assert_uint_eq(strlen(claims_out.subject), 255);
    snprintf(claims, sizeof claims, SUB("\"%.256s\""), subject);
    ck_assert_int_eq(verify_claims(claims), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

START_TEST(the_role_is_admin_or_user)
{
    static const struct {
        const char *more;
        enum chat_error wanted;
        bool is_admin;
    } rows[] = {
        {"", CHAT_OK, false},
        {",\"role\":\"user\"", CHAT_OK, false},
        {",\"role\":\"admin\"", CHAT_OK, true},
        {",\"roles\":[\"admin\"]", CHAT_OK, false},
        {",\"Role\":\"admin\"", CHAT_OK, false},
        {",\"role\":\"user\",\"role\":\"admin\"", CHAT_ERR_UNAUTHENTICATED, false}, /* which one? */
        {",\"role\":\"Admin\"", CHAT_OK, false},                                    /* other programs' roles */
        {",\"role\":\"root\"", CHAT_OK, false},
        {",\"role\":\"\"", CHAT_OK, false},
        {",\"role\":null", CHAT_OK, false},
        {",\"role\":true", CHAT_OK, false},
        {",\"role\":[\"admin\"]", CHAT_OK, true},
        {",\"role\":[\"editor\",1,\"admin\"]", CHAT_OK, true},
        {",\"role\":[[\"admin\"]]", CHAT_OK, false},
        {",\"role\":[]", CHAT_OK, false},
        {",\"role\":{\"admin\":\"admin\"}", CHAT_OK, false},
        {",\"role\":\"admin,user\"", CHAT_OK, false},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char claims[200];

        snprintf(claims, sizeof claims, "{\"sub\":\"a\",\"exp\":1800000600%s}", rows[i].more);
        ck_assert_msg(verify_claims(claims) == rows[i].wanted, "%s", claims);
        if (rows[i].wanted == CHAT_OK) ck_assert_msg(claims_out.is_admin == rows[i].is_admin, "%s", claims);
    }
}
END_TEST

START_TEST(role_and_groups_are_found_where_the_policy_says)
{
    static const struct {
        const char *claim, *values, *more;
        bool is_admin;
    } rows[] = {
        {"roles", "admin", ",\"roles\":[\"admin\"]", true},
        {"roles", "admin", ",\"role\":\"admin\"", false},
        {"realm_access.roles", "admin", ",\"realm_access\":{\"roles\":[\"x\",\"admin\"]}", true},
        {"a.b.c", "admin", ",\"a\":{\"b\":{\"c\":\"admin\"}}", true},
        {"a.b.c", "admin", ",\"a.b.c\":\"admin\",\"a\":{\"b\":{\"c\":\"user\"}}", true}, /* the whole name first */
        {"a.b.c", "admin", ",\"a.b.c\":\"user\",\"a\":{\"b\":{\"c\":\"admin\"}}", false},
        {"a.b.c", "admin", ",\"a\":{\"b.c\":\"admin\"}", false},
        {"a.b", "admin", ",\"a\":\"admin\"", false},
        {"a..b", "admin", ",\"a\":{\"b\":\"admin\"}", false},
        {"https://chat.example/role", "admin", ",\"https://chat.example/role\":\"admin\"", true},
        {"role", "root, chat admin ,boss", ",\"role\":\"chat admin\"", true},
        {"role", "root, chat admin ,boss", ",\"role\":\"boss\"", true},
        {"role", "root, chat admin ,boss", ",\"role\":\"admin\"", false},
        {"role", "root, chat admin ,boss", ",\"role\":\"roo\"", false},
        {"role", "root, chat admin ,boss", ",\"role\":\"\"", false},
    };
    struct jwt_policy policy = hs_policy();
    char claims[300];

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        policy.role_claim = rows[i].claim;
        policy.admin_values = rows[i].values;
        snprintf(claims, sizeof claims, "{\"sub\":\"a\",\"exp\":1800000600%s}", rows[i].more);
        for (int again = 0; again < 2; again++) { /* kept the second time */
            ck_assert_msg(verify(&policy, hs_token("{\"alg\":\"HS256\"}", claims)) == CHAT_OK, "%s", claims);
            ck_assert_msg(claims_out.is_admin == rows[i].is_admin, "%s in %s", rows[i].claim, claims);
        }
    }
}
END_TEST

START_TEST(groups_are_kept_as_they_are)
{
    static const char two[] = "chat users\0b\0";
    struct jwt_policy policy = hs_policy();
    char claims[7000] = "{\"sub\":\"a\",\"exp\":1800000600,\"groups\":[\"\"";
    size_t count = 0;

    ck_assert_int_eq(verify_claims(CLAIMS), CHAT_OK);
    ck_assert_uint_eq(claims_out.groups_len, 0);
    ck_assert_int_eq(claims_out.groups[0], 0);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(verify_claims("{\"sub\":\"a\",\"exp\":1800000600,\"groups\":[\"chat users\",7,\"\",\"b\"]}"),
                         CHAT_OK);
        ck_assert_uint_eq(claims_out.groups_len, sizeof two - 1);
        ck_assert_mem_eq(claims_out.groups, two, sizeof two);
    }
    ck_assert_int_eq(verify_claims("{\"sub\":\"a\",\"exp\":1800000600,\"groups\":\"one\"}"), CHAT_OK);
    ck_assert_str_eq(claims_out.groups, "one");
    policy.groups_claim = "o.g";
    ck_assert_int_eq(
        verify(&policy, hs_token("{\"alg\":\"HS256\"}", "{\"sub\":\"a\",\"exp\":1800000600,\"o\":{\"g\":[\"x\"]}}")),
        CHAT_OK);
    ck_assert_str_eq(claims_out.groups, "x");
    for (int i = 0; i < 1490; i++) strcat(claims, ",\"g\""); /* as many as a token has room for */
    strcat(claims, "]}");
    ck_assert_int_eq(verify_claims(claims), CHAT_OK);
    for (const char *at = claims_out.groups; *at; at += strlen(at) + 1) count++;
    ck_assert_uint_eq(count, 1490);
}
END_TEST

START_TEST(who_has_none_of_the_required_values_is_forbidden)
{
    static const struct claims_row rows[] = {
        {WITH(""), CHAT_ERR_FORBIDDEN},
        {WITH(",\"role\":\"user\""), CHAT_ERR_FORBIDDEN},
        {WITH(",\"role\":\"staff\""), CHAT_OK},
        {WITH(",\"role\":[\"x\",\"staff\"]"), CHAT_OK},
        {WITH(",\"groups\":[\"chat users\"]"), CHAT_OK},
        {WITH(",\"groups\":\"staff\""), CHAT_OK},
        {WITH(",\"groups\":[\"chat\"]"), CHAT_ERR_FORBIDDEN},
        {WITH(",\"groups\":{\"staff\":\"staff\"}"), CHAT_ERR_FORBIDDEN},
        {WITH(",\"role\":\"admin\""), CHAT_ERR_FORBIDDEN},
        {"{\"sub\":\"a\",\"exp\":5,\"role\":\"staff\"}", CHAT_ERR_UNAUTHENTICATED},
    };
    struct jwt_policy policy = hs_policy();

    policy.required_values = "staff, chat users";
    for (int again = 0; again < 2; again++) check_rows(&policy, rows, UNIT_COUNT(rows)); /* kept the second time */
    policy.required_values = NULL;
    ck_assert_int_eq(verify(&policy, hs_token("{\"alg\":\"HS256\"}", WITH(""))), CHAT_OK);
}
END_TEST

/* (B4) */
START_TEST(a_payload_is_one_json_object_and_nothing_else)
{
    static const struct {
        const char *bytes;
        size_t len;
    } payloads[] = {
#define BYTES(text) {text, sizeof text - 1}
        BYTES(CLAIMS "\0"),
        BYTES(CLAIMS "\0\0"),
        BYTES("\0" CLAIMS),
        BYTES(CLAIMS "x"),
        BYTES(CLAIMS "{}"),
        BYTES(CLAIMS ","),
        BYTES("\xef\xbb\xbf" CLAIMS),
        BYTES("[" CLAIMS "]"),
        BYTES("{\"sub\":\"alice\",\"exp\":1800000600,\"x\":\"\\u0000\"}"),
        BYTES("{\"sub\":\"alice\",\"exp\":1800000600,\"x\":\"\xc3\"}"),
        BYTES("{\"sub\":\"bob\",\"sub\":\"alice\",\"exp\":1800000600}"),
        BYTES("{\"sub\":\"bob\",\"s\\u0075b\":\"alice\",\"exp\":1800000600}"),
        BYTES("{\"sub\":\"alice\",\"exp\":1800000600,}"),
        BYTES("{'sub':'alice','exp':1800000600}"),
        BYTES("{\"sub\":\"alice\",\"exp\":1800000600 /* c */}"),
    };
    struct jwt_policy policy = hs_policy();

    for (size_t i = 0; i < UNIT_COUNT(payloads); i++) {
        struct token token = {.len = 0};

        add_base64url(&token, "{\"alg\":\"HS256\"}", 15);
        add_text(&token, ".");
        add_base64url(&token, payloads[i].bytes, payloads[i].len);
        token_sign_hmac(&token, secret, sizeof secret - 1);
        ck_assert_msg(verify(&policy, &token) == CHAT_ERR_UNAUTHENTICATED, "payload %zu", i);
    }
    ck_assert_int_eq(verify_claims(" \n" CLAIMS "\t "), CHAT_OK); /* blanks are JSON's own */
}
END_TEST

/* The last character of a segment may hold bits that no byte uses: two spellings of one token. */
START_TEST(a_segment_is_spelled_one_way_alone)
{
    struct jwt_policy policy = hs_policy();
    struct token *token = hs_token("{\"alg\":\"HS256\"}", CLAIMS);

    ck_assert_int_eq(verify(&policy, token), CHAT_OK);
    token->text[token->len - 1]++; /* 32 bytes: the last two bits are nobody's */
    ck_assert_int_eq(verify(&policy, token), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

/* ---- accepted tokens that are kept ---- */

static void must_still_expire(const struct jwt_policy *policy, struct token *token)
{
    ck_assert_int_eq(verify(policy, token), CHAT_OK);
    ck_assert_int_eq(verify(policy, token), CHAT_OK);
    ck_assert_str_eq(claims_out.subject, "a");
    ck_assert_int_eq(claims_out.expires_at_s, NOW_S + 10);
    manual_clock_advance(&now, 39 * 1000);
    ck_assert_int_eq(verify(policy, token), CHAT_OK);
    manual_clock_advance(&now, 1000);
    ck_assert_int_eq(verify(policy, token), CHAT_ERR_UNAUTHENTICATED);
    manual_clock_advance(&now, 3600 * 1000);
    ck_assert_int_eq(verify(policy, token), CHAT_ERR_UNAUTHENTICATED);
}

START_TEST(a_kept_token_still_expires)
{
    struct jwt_policy policy = pair_policy(JWT_ES256, &p256);
    must_still_expire(&policy, pair_token("{\"alg\":\"ES256\"}", "{\"sub\":\"a\",\"exp\":1800000010}", &p256));
}
END_TEST

START_TEST(a_kept_token_with_a_secret_still_expires)
{
    struct jwt_policy policy = hs_policy();
    must_still_expire(&policy, hs_token("{\"alg\":\"HS256\"}", "{\"sub\":\"a\",\"exp\":1800000010}"));
}
END_TEST

/* A token is kept by a digest that the secret is in. */
START_TEST(the_secret_does_not_stay_on_the_stack)
{
    struct jwt_policy policy = hs_policy();
    struct token *token = hs_token("{\"alg\":\"HS256\"}", CLAIMS);

    wiped_watch(secret);
    for (int looks = 1; looks <= 2; looks++) { /* the second finds it kept */
        ck_assert_int_eq(verify(&policy, token), CHAT_OK);
        ck_assert_int_eq(wiped_count(), looks);
    }
    wiped_watch(NULL);
}
END_TEST

START_TEST(a_kept_token_is_no_good_under_another_policy)
{
    struct jwt_policy policy = pair_policy(JWT_ES256, &p256), other = pair_policy(JWT_ES256, &other_p256);
    struct token *token = pair_token("{\"alg\":\"ES256\"}", CLAIMS, &p256);

    ck_assert_int_eq(verify(&policy, token), CHAT_OK);
    ck_assert_int_eq(verify(&other, token), CHAT_ERR_UNAUTHENTICATED);
    policy.audience = "chat";
    ck_assert_int_eq(verify(&policy, token), CHAT_ERR_UNAUTHENTICATED);
    policy.audience = NULL;
    policy.issuer = "";
    ck_assert_int_eq(verify(&policy, token), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

/* (F) "The token cache never forgets": seen where the clock is set back before nbf. */
START_TEST(a_kept_token_is_looked_at_again_after_a_minute)
{
    static const char claims[] = "{\"sub\":\"a\",\"exp\":1800000600,\"nbf\":1800000000}";

    ck_assert_int_eq(verify_claims(claims), CHAT_OK);
    manual_clock_advance(&now, 59999);
    now.now_wall_ms -= 3600 * 1000;
    ck_assert_int_eq(verify_claims(claims), CHAT_OK);
    manual_clock_advance(&now, 1);
    ck_assert_int_eq(verify_claims(claims), CHAT_ERR_UNAUTHENTICATED);
}
END_TEST

static int signatures_checked;

/* In the place of OpenSSL's, which libjwt calls for a public key. */
int EVP_DigestVerifyFinal(EVP_MD_CTX *context, const unsigned char *signature, size_t len)
{
    int (*real)(EVP_MD_CTX *, const unsigned char *, size_t);

    *(void **)&real = dlsym(RTLD_NEXT, "EVP_DigestVerifyFinal");
    signatures_checked++;
    return real(context, signature, len);
}

START_TEST(the_signature_of_a_token_is_checked_once_a_minute)
{
    struct jwt_policy policy = pair_policy(JWT_RS256, &rsa);
    struct token *token = pair_token("{\"alg\":\"RS256\"}", "{\"sub\":\"cached\",\"exp\":1800000600}", &rsa);

    signatures_checked = 0;
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(verify(&policy, token), CHAT_OK);
    ck_assert_int_eq(signatures_checked, 1);
    manual_clock_advance(&now, 60000);
    ck_assert_int_eq(verify(&policy, token), CHAT_OK);
    ck_assert_int_eq(signatures_checked, 2);
}
END_TEST

/* ---- keys at start-up ---- */

START_TEST(a_policy_with_a_weak_or_wrong_key_is_refused_at_start_up)
{
    const char *problem = "untouched";
    struct jwt_policy good[] = {hs_policy(), pair_policy(JWT_RS256, &rsa), pair_policy(JWT_ES256, &p256)};
    struct jwt_policy bad[] = {
        hs_policy(),
        hs_policy(),
        hs_policy(),
        hs_policy(),
        pair_policy(JWT_HS256, &rsa),
        pair_policy(JWT_RS256, &weak_rsa),
        pair_policy(JWT_RS256, &p256),
        pair_policy(JWT_ES256, &rsa),
        pair_policy(JWT_ES256, &p384),
        pair_policy(JWT_RS256, &rsa),
        pair_policy(JWT_RS256, &rsa),
        pair_policy(JWT_ES256, &p256),
    };

    for (size_t i = 0; i < UNIT_COUNT(good); i++) {
        ck_assert_int_eq(jwt_policy_check(&good[i], &problem), CHAT_OK);
        ck_assert_ptr_null(problem);
    }
    bad[0].key_len = 31;
    bad[1].key_len = 0;
    bad[2].key = NULL;
    bad[3].leeway_s = -1;
    bad[9].key_len = 100; /* cut */
    bad[10].key = (const unsigned char *)secret;
    bad[10].key_len = sizeof secret - 1;
    bad[11].key_len = 0;
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        ck_assert_msg(jwt_policy_check(&bad[i], &problem) == CHAT_ERR_INVALID_REQUEST, "policy %zu", i);
        ck_assert_ptr_nonnull(problem);
    }
}
END_TEST

/* (E8) The second one's tokens would be refused, and nobody told why. */
START_TEST(a_file_with_two_public_keys_is_refused)
{
    struct jwt_policy policy = pair_policy(JWT_ES256, &p256), other = pair_policy(JWT_ES256, &other_p256);
    const char *problem;
    char both[4096];

    snprintf(both, sizeof both, "%.*s\n%.*s", (int)policy.key_len, (const char *)policy.key, (int)other.key_len,
             (const char *)other.key);
    policy.key = (const unsigned char *)both;
    policy.key_len = strlen(both);
    ck_assert_int_eq(jwt_policy_check(&policy, &problem), CHAT_ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(strstr(problem, "more than one public key"));
}
END_TEST

START_TEST(the_reason_is_logged_and_the_token_is_not)
{
    char line[4096];
    int ends[2];
    ssize_t len;
    struct token *token = hs_token("{\"alg\":\"HS256\"}", "{\"sub\":\"alice\",\"exp\":5}");
    struct jwt_policy policy = hs_policy();

    ck_assert_int_eq(pipe(ends), 0);
    log_set_fd(ends[1]);
    ck_assert_int_eq(verify(&policy, token), CHAT_ERR_UNAUTHENTICATED); /* at info: who made the token has to find it */
    log_set_level(LOG_INFO);
    log_set_fd(-1);
    close(ends[1]);
    len = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    ck_assert_int_gt(len, 0);
    line[len] = '\0';
    ck_assert_ptr_nonnull(strstr(line, "\"event\":\"token_refused\",\"rule\":\"expired\""));
    ck_assert_ptr_null(strstr(line, "eyJ"));
}
END_TEST

/* ---- making one, for an operator (E1) ---- */

START_TEST(an_issued_token_is_taken_by_the_same_policy_alone)
{
    struct jwt_policy policy = hs_policy(), other = hs_policy();
    struct jwt_claims claims = {.subject = "alice@example.org", .is_admin = true, .expires_at_s = NOW_S + 60};

    policy.issuer = "https://issuer.example.org";
    policy.audience = "chat";
    other.issuer = "https://elsewhere.example.org";
    char *token = jwt_issue(&policy, &now.clock, &claims);
    ck_assert_ptr_nonnull(token);
    ck_assert_int_eq(jwt_verify(&policy, &now.clock, token, strlen(token), &claims_out), CHAT_OK);
    ck_assert_str_eq(claims_out.subject, "alice@example.org");
    ck_assert(claims_out.is_admin);
    ck_assert_int_eq(claims_out.expires_at_s, NOW_S + 60);
    ck_assert_int_eq(jwt_verify(&other, &now.clock, token, strlen(token), &claims_out), CHAT_ERR_UNAUTHENTICATED);
    manual_clock_advance(&now, (60 + JWT_DEFAULT_LEEWAY_S) * 1000);
    ck_assert_int_eq(jwt_verify(&policy, &now.clock, token, strlen(token), &claims_out), CHAT_ERR_UNAUTHENTICATED);
    free(token);
}
END_TEST

/* What the policy calls an admin, and what it requires of everybody. */
static const struct {
    const char *role_claim, *admin_values, *required_values;
} role_rules[] = {
    {NULL, NULL, NULL},
    {"realm_access.roles", NULL, NULL},
    {"groups", "chat-admins, root", NULL},
    {NULL, " ops \"1\" ,admin", "staff , guests"},
    {NULL, "staff", "staff"},
    {NULL, NULL, "user"},
};

START_TEST(an_issued_token_has_the_role_by_the_policys_own_words)
{
    struct jwt_policy policy = hs_policy();

    policy.role_claim = role_rules[_i].role_claim;
    policy.admin_values = role_rules[_i].admin_values;
    policy.required_values = role_rules[_i].required_values;
    for (int is_admin = 0; is_admin < 2; is_admin++) {
        struct jwt_claims claims = {.subject = "alice", .is_admin = is_admin, .expires_at_s = NOW_S + 60};
        char *token = jwt_issue(&policy, &now.clock, &claims);

        if (!is_admin && policy.required_values && policy.admin_values && !strcmp(policy.admin_values, "staff")) {
            ck_assert_ptr_null(token); /* whoever may come in is an admin */
            continue;
        }
        ck_assert_ptr_nonnull(token);
        ck_assert_int_eq(jwt_verify(&policy, &now.clock, token, strlen(token), &claims_out), CHAT_OK);
        ck_assert_int_eq(claims_out.is_admin, is_admin);
        free(token);
    }
}
END_TEST

START_TEST(no_token_is_issued_for_no_subject_or_by_a_public_key)
{
    struct jwt_policy secret_policy = hs_policy(), public_policy = pair_policy(JWT_RS256, &rsa);
    struct jwt_claims claims = {.subject = "alice", .expires_at_s = NOW_S + 60}, nobody = {.subject = "two words"};

    ck_assert_ptr_null(jwt_issue(&public_policy, &now.clock, &claims));
    ck_assert_ptr_null(jwt_issue(&secret_policy, &now.clock, &nobody));
}
END_TEST

UNIT_SUITE(auth_jwt)
{
    Suite *suite = suite_create("auth_jwt");
    TCase *cases[] = {
        UNIT_CASE(suite, "accepting", a_good_token_of_each_algorithm_gives_its_claims,
                  a_refused_token_leaves_the_result_untouched, a_kept_token_still_expires,
                  a_kept_token_with_a_secret_still_expires, the_secret_does_not_stay_on_the_stack,
                  a_kept_token_is_no_good_under_another_policy, a_kept_token_is_looked_at_again_after_a_minute,
                  the_signature_of_a_token_is_checked_once_a_minute),
        UNIT_CASE(suite, "attacks", a_token_without_a_signature_is_refused, no_key_means_no_entry,
                  the_token_does_not_choose_the_algorithm, a_signature_with_any_character_changed_is_refused,
                  a_signature_by_another_key_is_refused, claims_swapped_under_a_signature_are_refused,
                  only_three_segments_of_base64url_are_a_token, a_token_ends_at_8192_bytes,
                  the_longest_token_fits_a_small_stack, header_fields_that_steer_are_refused),
        UNIT_CASE(suite, "claims", exp_and_nbf_are_integers_and_honoured, a_token_expires_as_the_clock_moves,
                  issuer_and_audience_are_checked_where_configured, the_subject_is_a_plain_identifier,
                  the_role_is_admin_or_user, role_and_groups_are_found_where_the_policy_says,
                  groups_are_kept_as_they_are, who_has_none_of_the_required_values_is_forbidden,
                  a_payload_is_one_json_object_and_nothing_else, a_segment_is_spelled_one_way_alone),
        UNIT_CASE(suite, "policy", a_policy_with_a_weak_or_wrong_key_is_refused_at_start_up,
                  the_reason_is_logged_and_the_token_is_not),
        UNIT_CASE(suite, "issuing", an_issued_token_is_taken_by_the_same_policy_alone,
                  no_token_is_issued_for_no_subject_or_by_a_public_key, a_file_with_two_public_keys_is_refused),
    };

    tcase_add_loop_test(cases[UNIT_COUNT(cases) - 1], an_issued_token_has_the_role_by_the_policys_own_words, 0,
                        (int)UNIT_COUNT(role_rules));
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        tcase_add_unchecked_fixture(cases[i], make_keys, free_keys);
        tcase_add_checked_fixture(cases[i], set_clock, restore_log);
        tcase_set_timeout(cases[i], 20);
    }
    return suite;
}

#include "sambanova/provider.h"

#include <string.h>

#include "unit.h"
#include "wiped.h"

static struct sambanova_settings fine(void)
{
    return (struct sambanova_settings){
        "01234567-89ab-cdef-0123-456789abcdef", "https://api.example.com/v1", NULL, 1, 2, 3, 4};
}

/* (F) */
START_TEST(the_key_is_wiped_before_its_memory_is_given_back)
{
    struct sambanova_settings settings = fine();
    const char *problem;
    struct provider *provider = sambanova_open(&settings, &problem);

    ck_assert_ptr_nonnull(provider);
    wiped_watch(settings.api_key);
    sambanova_close(provider);
    ck_assert_int_eq(wiped_count(), 1);
    wiped_watch(NULL);
}
END_TEST

static bool opens(const struct sambanova_settings *settings)
{
    const char *problem = "unset";
    struct provider *provider = sambanova_open(settings, &problem);

    ck_assert((provider == NULL) == (problem != NULL));
    if (problem && settings->api_key && strlen(settings->api_key) > 5)
        ck_assert_ptr_null(strstr(problem, settings->api_key));
    sambanova_close(provider);
    return provider != NULL;
}

START_TEST(settings_become_addresses_and_a_header)
{
    struct sambanova_settings settings = fine();
    const char *problem;
    struct provider *provider;

    settings.api_base = "https://api.example.com:8443/v1/";
    provider = sambanova_open(&settings, &problem);
    ck_assert_ptr_nonnull(provider);
    ck_assert_str_eq(provider->completions_url, "https://api.example.com:8443/v1/chat/completions");
    ck_assert_str_eq(provider->models_url, "https://api.example.com:8443/v1/models");
    ck_assert_str_eq(provider->authorization, "Authorization: Bearer 01234567-89ab-cdef-0123-456789abcdef");
    ck_assert_int_eq(provider->connect_timeout_ms, 1);
    ck_assert_int_eq(provider->first_byte_timeout_ms, 2);
    ck_assert_int_eq(provider->idle_timeout_ms, 3);
    ck_assert_int_eq(provider->total_timeout_ms, 4);
    sambanova_close(provider);
    sambanova_close(NULL);
}
END_TEST

START_TEST(a_key_that_cannot_be_a_header_is_refused)
{
    static const char *const keys[] = {NULL,    "",      " ",      "a b",        "key\n",     "key\r\nX-Evil: 1",
                                       "\tkey", "k\x7f", "k\x01y", "k\xc3\xa9y", "k\xc2\xa0y"};
    struct sambanova_settings settings = fine();

    for (size_t i = 0; i < UNIT_COUNT(keys); i++) {
        settings.api_key = keys[i];
        ck_assert_msg(!opens(&settings), "key %zu", i);
    }
}
END_TEST

START_TEST(a_base_is_https_or_a_loopback_host)
{
    static const struct {
        const char *base;
        bool fine;
    } rows[] = {
        {"https://api.sambanova.ai/v1", true},
        {"https://api.sambanova.ai", true},
        {"https://api.sambanova.ai/", true},
        {"HTTPS://10.0.0.1:8443", true},
        {"https://[2001:db8::1]:8443/v1", true},
        {"http://127.0.0.1:9000/v1", true},
        {"http://127.9.8.7", true},
        {"http://localhost:9000", true},
        {"http://LocalHost/v1", true},
        {"http://[::1]:9000/v1", true},
        {NULL, false},
        {"", false},
        {"api.sambanova.ai", false},
        {"ftp://127.0.0.1", false},
        {"http://api.sambanova.ai/v1", false},
        {"http://10.0.0.1", false},
        {"http://128.0.0.1", false},
        {"http://0.0.0.0", false},
        {"http://127.0.0.1.example.com", false},
        {"http://localhost.example.com", false},
        {"http://127.1", false},
        {"http://[::2]", false},
        {"http://[::ffff:127.0.0.1]", false},
        {"http://127.0.0.1@evil.example/", false},
        {"https://user:pass@api.sambanova.ai/v1", false},
        {"http://localhost\\@evil.example/", false},
        {"https://", false},
        {"https:///v1", false},
        {"https://:443/v1", false},
        {"https://host:/v1", false},
        {"https://host:0/v1", false},
        {"https://host:65536/v1", false},
        {"https://host:44a/v1", false},
        {"https://[::1/v1", false},
        {"https://[::1]x/v1", false},
        {"https://[]/v1", false},
        {"https://ho st/v1", false},
        {"https://host/v1\n", false},
        {"https://host/v1?x=1", false},
        {"https://host/v1#x", false},
        {"https://h%6fst/v1", false},
    };
    struct sambanova_settings settings = fine();

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        settings.api_base = rows[i].base;
        ck_assert_msg(opens(&settings) == rows[i].fine, "%s", rows[i].base ? rows[i].base : "NULL");
    }
}
END_TEST

START_TEST(a_proxy_is_taken_where_the_key_stays_hidden_from_it)
{
    static const struct {
        const char *proxy, *base;
        bool fine;
    } rows[] = {
        {NULL, "https://host/v1", true},
        {"", "https://host/v1", true},
        {"http://proxy:3128", "https://host/v1", true},
        {"http://proxy:3128/", "https://host/v1", true},
        {"http://user:p@ss@proxy:3128", "https://host/v1", true},
        {"http://127.0.0.1:3128", "http://127.0.0.1:80/v1", true},
        {"http://proxy:3128", "http://127.0.0.1:80/v1", false},
        {"http://127.0.0.1@proxy:3128", "http://127.0.0.1:80/v1", false},
        {"proxy:3128", "https://host/v1", false},
        {"socks5://proxy:3128", "https://host/v1", false},
        {"http://", "https://host/v1", false},
        {"http://proxy:0", "https://host/v1", false},
        {"http://proxy:3128/path", "https://host/v1", false},
        {"http://pro xy:3128", "https://host/v1", false},
    };
    struct sambanova_settings settings = fine();

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        settings.proxy = rows[i].proxy;
        settings.api_base = rows[i].base;
        ck_assert_msg(opens(&settings) == rows[i].fine, "%s before %s", rows[i].proxy, rows[i].base);
    }
}
END_TEST

START_TEST(a_timeout_of_nothing_is_refused)
{
    struct sambanova_settings settings = fine();

    settings.idle_timeout_ms = 0;
    ck_assert(!opens(&settings));
    settings = fine();
    settings.connect_timeout_ms = -1;
    ck_assert(!opens(&settings));
}
END_TEST

START_TEST(every_operation_is_there)
{
    struct sambanova_settings settings = fine();
    const char *problem;
    struct provider *provider = sambanova_open(&settings, &problem);
    struct decoder *decoder = provider_decoder_new(provider);
    struct provider_end end;
    struct delta_sink sink = {0};

    ck_assert_ptr_nonnull(provider->ops->compose);
    ck_assert(provider_is_stream(provider, "text/event-stream"));
    ck_assert_int_eq(provider_read_refusal(provider, 503, NULL, 0, NULL, 0).error, CHAT_ERR_UPSTREAM_ERROR);
    ck_assert_int_eq(provider_decoder_feed(provider, decoder, "\n", 1, &sink), CHAT_OK);
    ck_assert(!provider_decoder_done(provider, decoder));
    provider_decoder_end(provider, decoder, &sink, &end);
    ck_assert_int_eq(end.error, CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
    provider_decoder_free(provider, decoder);
    sambanova_close(provider);
}
END_TEST

UNIT_SUITE(sambanova_provider)
{
    Suite *suite = suite_create("sambanova_provider");

    UNIT_CASE(suite, "settings", settings_become_addresses_and_a_header, a_key_that_cannot_be_a_header_is_refused,
              a_base_is_https_or_a_loopback_host, a_proxy_is_taken_where_the_key_stays_hidden_from_it,
              a_timeout_of_nothing_is_refused, the_key_is_wiped_before_its_memory_is_given_back);
    UNIT_CASE(suite, "interface", every_operation_is_there);
    return suite;
}

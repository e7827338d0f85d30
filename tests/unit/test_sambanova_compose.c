#include "sambanova/compose.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "unit.h"

#define TURN(role, text)                        \
    {                                           \
        (role), (text), sizeof(text) - 1, false \
    }

static const struct turn turns[] = {
    TURN(ROLE_SYSTEM, "Be \"brief\"."),
    TURN(ROLE_USER, "a\n\\\xe2\x80\xa8\xf0\x9f\x98\x80</script>\x01"),
    TURN(ROLE_ASSISTANT, ""),
    TURN(ROLE_USER, "b"),
};
static const struct prompt prompt = {
    .model = "M-1", .max_tokens = 2048, .turns = turns, .turn_count = UNIT_COUNT(turns)};

static struct body_cut cut;

START_TEST(a_request_reads_back_as_what_was_asked)
{
    static const char *const roles[] = {"system", "user", "assistant", "user"};
    struct buf out;
    struct json_doc *doc;
    const struct json *root, *message;
    const char *reason;
    int64_t max_tokens;
    bool yes = false;
    size_t len, i = 0;

    buf_init(&out, 4096);
    ck_assert(compose_request(NULL, &prompt, &out, &cut));
    ck_assert_int_eq(json_parse(out.data, out.len, &doc, &reason), CHAT_OK);
    root = json_root(doc);
    ck_assert_str_eq(json_string(json_get(root, "model"), NULL), "M-1");
    ck_assert(json_integer(json_get(root, "max_tokens"), &max_tokens) && max_tokens == 2048);
    ck_assert(json_bool(json_get(root, "stream"), &yes) && yes);
    ck_assert(json_bool(json_get(json_get(root, "stream_options"), "include_usage"), &yes) && yes);
    for (message = json_first(json_get(root, "messages")); message; message = json_next(message), i++) {
        const char *content = json_string(json_get(message, "content"), &len);

        ck_assert_str_eq(json_string(json_get(message, "role"), NULL), roles[i]);
        ck_assert_uint_eq(len, turns[i].content_len);
        ck_assert_mem_eq(content, turns[i].content, len);
    }
    ck_assert_uint_eq(i, UNIT_COUNT(turns));
    json_free(doc);
    buf_fini(&out);
}
END_TEST

START_TEST(no_token_limit_is_not_asked_for)
{
    struct prompt open = prompt;
    struct buf out;

    open.max_tokens = 0;
    buf_init(&out, 4096);
    ck_assert(compose_request(NULL, &open, &out, &cut));
    ck_assert_ptr_null(memmem(out.data, out.len, "max_tokens", 10));
    buf_fini(&out);
}
END_TEST

/* (title-by-thinking-model) */
START_TEST(low_effort_is_asked_of_models_that_take_it)
{
    static const struct {
        const char *model;
        bool low_effort, asked;
    } cases[] = {{"gpt-oss-120b", true, true},
                 {"openai/GPT-OSS-20b", true, true},
                 {"gpt-oss-120b", false, false},
                 {"Meta-Llama-3.3-70B-Instruct", true, false}};

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct prompt title = prompt;
        struct buf out;

        title.model = cases[i].model;
        title.low_effort = cases[i].low_effort;
        buf_init(&out, 4096);
        ck_assert(compose_request(NULL, &title, &out, &cut));
        ck_assert((memmem(out.data, out.len, "\"reasoning_effort\":\"low\"", 24) != NULL) == cases[i].asked);
        buf_fini(&out);
    }
}
END_TEST

START_TEST(a_request_past_the_buffers_maximum_is_refused)
{
    struct buf out;

    buf_init(&out, 100);
    ck_assert(!compose_request(NULL, &prompt, &out, &cut));
    buf_fini(&out);
}
END_TEST

/* (unanswered-question-in-context) */
START_TEST(turns_that_join_are_one_message)
{
    static const struct turn joined[] = {
        {ROLE_USER, "a\"", 2, false}, {ROLE_USER, "b", 1, true}, {ROLE_USER, "c", 1, true}, TURN(ROLE_ASSISTANT, "d")};
    struct prompt unanswered = {.model = "M", .turns = joined, .turn_count = UNIT_COUNT(joined)};
    struct buf out;

    buf_init(&out, 4096);
    ck_assert(compose_request(NULL, &unanswered, &out, &cut));
    buf_append_char(&out, '\0');
    ck_assert_str_eq(out.data, "{\"model\":\"M\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\\"\\n\\nb\\n\\nc\"},"
                               "{\"role\":\"assistant\",\"content\":\"d\"}],\"stream\":true,"
                               "\"stream_options\":{\"include_usage\":true}}");
    buf_fini(&out);
}
END_TEST

/* (chat-outgrows-model) The body without what its cut says is the body of the shorter prompt, byte for byte. */
START_TEST(a_request_can_be_cut_to_the_shorter_one)
{
    static const struct turn all[] = {
        TURN(ROLE_SYSTEM, "system"),      TURN(ROLE_USER, "first \""),
        TURN(ROLE_ASSISTANT, "\n"),       TURN(ROLE_USER, "second"),
        {ROLE_USER, "third \\", 7, true}, {ROLE_USER, "fourth", 6, true},
        TURN(ROLE_ASSISTANT, "4"),        TURN(ROLE_USER, "the newest \xc3\xa9"),
    };
    static const size_t users[] = {3, 4, 5, 7};

    for (size_t system = 0; system < 2; system++)
        for (size_t i = 0; i < UNIT_COUNT(users); i++) {
            struct turn shorter[UNIT_COUNT(all)] = {all[0]};
            struct prompt whole = {.model = "M", .turns = all + 1 - system, .turn_count = UNIT_COUNT(all) - 1 + system};
            struct prompt half = {.model = "M", .turns = shorter + 1 - system};
            struct buf out, expected;

            whole.shorter_from = users[i] - 1 + system;
            whole.shorter_starts_at = "019c";
            half.turn_count = whole.turn_count - whole.shorter_from + system;
            memcpy(shorter + 1, all + users[i], (UNIT_COUNT(all) - users[i]) * sizeof *all);
            shorter[1].joins = false;
            buf_init(&out, 4096);
            buf_init(&expected, 4096);
            ck_assert(compose_request(NULL, &half, &expected, &cut));
            ck_assert_uint_eq(cut.from_end + cut.to_end, 0); /* it names none */
            ck_assert(compose_request(NULL, &whole, &out, &cut));
            ck_assert_uint_gt(cut.from_end, cut.to_end);
            ck_assert_str_eq(cut.starts_at, "019c");
            memmove(out.data + out.len - cut.from_end, out.data + out.len - cut.to_end, cut.to_end);
            out.len -= cut.from_end - cut.to_end;
            ck_assert_uint_eq(out.len, expected.len);
            ck_assert_mem_eq(out.data, expected.data, out.len);
            buf_fini(&out);
            buf_fini(&expected);
        }
}
END_TEST

static const struct {
    const char *body, *changed; /* NULL: can't be */
} models[] = {
    {"{\"model\":\"M-1\",\"n\":1}", "{\"model\":\"B \\\"2\\\"\",\"n\":1}"},
    {"{ \"messages\":[{\"model\":\"x\"}], \"a\":\"model\", \"model\" :\n\"\\\"\" }",
     "{ \"messages\":[{\"model\":\"x\"}], \"a\":\"model\", \"model\" :\n\"B \\\"2\\\"\" }"},
    {"{\"a\":\"\\\\\",\"b\":\"\\\",\\\"model\\\":\",\"model\":\"M\"}",
     "{\"a\":\"\\\\\",\"b\":\"\\\",\\\"model\\\":\",\"model\":\"B \\\"2\\\"\"}"},
    {"{\"a\":\"{[\",\"model\":\"M\"}", "{\"a\":\"{[\",\"model\":\"B \\\"2\\\"\"}"},
    {"{\"messages\":[{\"model\":\"x\"}]}", NULL},
    {"{\"model\":7}", NULL},
    {"{\"model\":", NULL},
    {"{\"mod\\u0065l\":\"M\"}", NULL},
    {"{\"caf\\u00e9\":{\"mod\\u0065l\":1},\"model\":\"M\"}",
     "{\"caf\\u00e9\":{\"mod\\u0065l\":1},\"model\":\"B \\\"2\\\"\"}"},
    {"", NULL},
};

START_TEST(the_model_of_a_body_is_changed_and_nothing_else)
{
    struct buf out;

    buf_init(&out, 4096);
    ck_assert_int_eq(compose_set_model(NULL, models[_i].body, strlen(models[_i].body), "B \"2\"", &out),
                     models[_i].changed != NULL);
    if (models[_i].changed) {
        ck_assert_uint_eq(out.len, strlen(models[_i].changed));
        ck_assert_mem_eq(out.data, models[_i].changed, out.len);
    }
    buf_fini(&out);
}
END_TEST

static const struct {
    const char *body, *bounded; /* NULL: can't be told */
} tokens[] = {
    {"{\"max_tokens\":2049,\"n\":1}", "{\"max_tokens\":2048,\"n\":1}"},
    {"{\"max_tokens\":2048}", "{\"max_tokens\":2048}"},
    {"{\"n\":1, \"max_tokens\" : 1 }", "{\"n\":1, \"max_tokens\" : 1 }"},
    {"{\"max_completion_tokens\":3e3,\"a\":[9999]}", "{\"max_completion_tokens\":2048,\"a\":[9999]}"},
    {"{\"max_completion_tokens\":99999,\"x\":{\"max_tokens\":99999},\"max_tokens\":3000.5}",
     "{\"max_completion_tokens\":2048,\"x\":{\"max_tokens\":99999},\"max_tokens\":2048}"},
    {"{\"max_tokens\":99999,\"max_completion_tokens\":5}", "{\"max_tokens\":2048,\"max_completion_tokens\":5}"},
    {"{\"max_tokens\":100000000000000000000000000000000000000}", "{\"max_tokens\":2048}"},
    {"{\"max_tokens\":-5}", "{\"max_tokens\":-5}"}, /* what is no count is the provider's to refuse */
    {"{\"max_tokens\":\"9999\"}", "{\"max_tokens\":\"9999\"}"},
    {"{\"max_tokens\":null}", "{\"max_tokens\":2048}"},
    {"{\"n\":1}", "{\"max_tokens\":2048,\"n\":1}"},
    {" { }", " {\"max_tokens\":2048 }"},
    {"{\"max_t\\u006fkens\":9999}", NULL},
    {"{\"n\":1,"
     "\"\\u006d\\u0061\\u0078\\u005f\\u0063\\u006f\\u006d\\u0070\\u006c\\u0065\\u0074\\u0069\\u006f\\u006e\\u005f"
     "\\u0074\\u006f\\u006b\\u0065\\u006e\\u0073\":9999}",
     NULL},
    {"{\"mod\\u0065l\":\"M\"}", NULL},
    {"{\"caf\\u00e9\":1,\"stream\\u005foptions\":{}}", NULL},
    {"{\"caf\\u00e9\":{\"mod\\u0065l\":1},\"max_tokens\":1}", "{\"caf\\u00e9\":{\"mod\\u0065l\":1},\"max_tokens\":1}"},
    {"{\"caf\\u00e9\":1,\"a\\/b\":2,\"max_tokens\":9999}", "{\"caf\\u00e9\":1,\"a\\/b\":2,\"max_tokens\":2048}"},
    {"{\"\\ud83d\\ude00\":1,\"max_tokens\\n\":9999,\"\\\"max_tokens\\\"\":9}",
     "{\"max_tokens\":2048,\"\\ud83d\\ude00\":1,\"max_tokens\\n\":9999,\"\\\"max_tokens\\\"\":9}"},
    {"{\"a name longer than any that counts, even if each of its characters were spelled as an escape of six bytes, so "
     "that nothing of it needs a look\\u002e\":1,\"max_tokens\":1}",
     "{\"a name longer than any that counts, even if each of its characters were spelled as an escape of six bytes, so "
     "that nothing of it needs a look\\u002e\":1,\"max_tokens\":1}"},
    {"{\"messages\":[{\"a\\u006f\":\"\\n\"}],\"b\":\"\\n\"}",
     "{\"max_tokens\":2048,\"messages\":[{\"a\\u006f\":\"\\n\"}],\"b\":\"\\n\"}"},
};

START_TEST(no_more_tokens_are_asked_for_than_there_may_be)
{
    struct buf out;

    buf_init(&out, 4096);
    const struct completion_bounds bounds = {.max_tokens = 2048};
    ck_assert_int_eq(compose_bound(NULL, tokens[_i].body, strlen(tokens[_i].body), &bounds, &out),
                     tokens[_i].bounded != NULL);
    if (tokens[_i].bounded) {
        ck_assert_uint_eq(out.len, strlen(tokens[_i].bounded));
        ck_assert_mem_eq(out.data, tokens[_i].bounded, out.len);
    }
    buf_fini(&out);
}
END_TEST

/* Usage is asked for whatever the client says, and all else of its options is kept (usage-counted-whatever-is-asked).
 */
static const struct {
    const char *body;
    bool stream;
    const char *model, *bounded; /* the second NULL: can't be told */
} completions[] = {
    {"{\"max_tokens\":1}", true, NULL, "{\"stream_options\":{\"include_usage\":true},\"max_tokens\":1}"},
    {"{\"max_tokens\":1}", false, NULL, "{\"max_tokens\":1}"},
    {"{ }", true, "M \"1\"",
     "{\"model\":\"M \\\"1\\\"\",\"stream_options\":{\"include_usage\":true},\"max_tokens\":2048 }"},
    {"{\"stream_options\":null,\"max_tokens\":1}", true, NULL,
     "{\"stream_options\":{\"include_usage\":true},\"max_tokens\":1}"},
    {"{\"stream_options\":null,\"max_tokens\":1}", false, NULL, "{\"stream_options\":null,\"max_tokens\":1}"},
    {"{\"max_tokens\":1,\"stream_options\":{}}", true, NULL,
     "{\"max_tokens\":1,\"stream_options\":{\"include_usage\":true}}"},
    {"{\"stream_options\":{ \"include_usage\" : false , \"x\":[1,{}]},\"max_tokens\":9999}", true, NULL,
     "{\"stream_options\":{ \"include_usage\" : true , \"x\":[1,{}]},\"max_tokens\":2048}"},
    {"{\"stream_options\":{\"include_usage\":null},\"max_tokens\":1}", true, NULL,
     "{\"stream_options\":{\"include_usage\":true},\"max_tokens\":1}"},
    {"{\"stream_options\":{\"include_usage\":false},\"max_tokens\":1}", false, NULL,
     "{\"stream_options\":{\"include_usage\":true},\"max_tokens\":1}"},
    {"{\"stream_options\":{\"a\":{\"include_usage\":false}},\"x\":{\"include_usage\":false},\"max_tokens\":1}", true,
     NULL,
     "{\"stream_options\":{\"include_usage\":true,\"a\":{\"include_usage\":false}},\"x\":{\"include_usage\":false},"
     "\"max_tokens\":1}"},
    {"{\"stream_options\":{\"include_us\\u0061ge\":false},\"max_tokens\":1}", true, NULL, NULL},
    {"{\"stream_opti\\u006fns\":{\"\\u0078\":1,\"include_usage\":false},\"max_tokens\":1}", true, NULL, NULL},
    {"{\"messages\":[{\"stream_options\":{\"include_usage\":false}}],\"max_tokens\":1}", true, NULL,
     "{\"stream_options\":{\"include_usage\":true},\"messages\":[{\"stream_options\":{\"include_usage\":false}}],"
     "\"max_tokens\":1}"},
};

START_TEST(a_completion_says_what_we_have_to_know_and_else_what_the_client_said)
{
    const struct completion_bounds bounds = {
        .model = completions[_i].model, .max_tokens = 2048, .stream = completions[_i].stream};
    const char *expected = completions[_i].bounded;
    struct buf out;

    buf_init(&out, 4096);
    ck_assert_int_eq(compose_bound(NULL, completions[_i].body, strlen(completions[_i].body), &bounds, &out),
                     expected != NULL);
    ck_assert(!out.failed);
    buf_append_char(&out, '\0');
    if (expected) ck_assert_str_eq(out.data, expected);
    buf_fini(&out);
}
END_TEST

START_TEST(a_composed_request_takes_another_model)
{
    struct buf out, other;

    buf_init(&out, 4096);
    buf_init(&other, 100);
    ck_assert(compose_request(NULL, &prompt, &out, &cut));
    ck_assert(!compose_set_model(NULL, out.data, out.len, "M-2", &other)); /* past its maximum */
    buf_fini(&other);
    buf_init(&other, 4096);
    ck_assert(compose_set_model(NULL, out.data, out.len, "M-2", &other));
    ck_assert_uint_eq(out.len, other.len);
    memcpy(memmem(out.data, out.len, "M-1", 3), "M-2", 3);
    ck_assert_mem_eq(out.data, other.data, out.len);
    buf_fini(&out);
    buf_fini(&other);
}
END_TEST

/* (developer-role) Within {"max_tokens":1,…}: all else is kept, byte for byte. */
static const struct {
    const char *body, *sent;
} developers[] = {
    {"\"messages\":[{\"role\":\"developer\",\"content\":\"developer\"},{\"role\":\"user\",\"content\":\"x\"}]",
     "\"messages\":[{\"role\":\"system\",\"content\":\"developer\"},{\"role\":\"user\",\"content\":\"x\"}]"},
    {"\"messages\" : [ {\"content\":\"\\\"role\\\":\\\"developer\\\"\", \"role\" :\n\"developer\" } , "
     "{\"role\":\"developer\"}], \"n\":1",
     "\"messages\" : [ {\"content\":\"\\\"role\\\":\\\"developer\\\"\", \"role\" :\n\"system\" } , "
     "{\"role\":\"system\"}], \"n\":1"},
    {"\"messages\":[{\"\\u0072ole\":\"developer\"},{\"role\":\"develop\\u0065r\"},{\"role\":\"\\u0064\\u0065veloper\"}"
     "]",
     "\"messages\":[{\"\\u0072ole\":\"system\"},{\"role\":\"system\"},{\"role\":\"system\"}]"},
    {"\"mess\\u0061ges\":[{\"role\":\"developer\"}]", "\"mess\\u0061ges\":[{\"role\":\"system\"}]"},
    {"\"messages\":[{\"content\":[{\"type\":\"text\",\"role\":\"developer\"}],\"role\":\"developer\"}]",
     "\"messages\":[{\"content\":[{\"type\":\"text\",\"role\":\"developer\"}],\"role\":\"system\"}]"},
    /* nothing of these is a message's role */
    {"\"role\":\"developer\",\"a\":[{\"role\":\"developer\"}],\"messages\":[{\"name\":\"developer\",\"role\":\"user\"}"
     "]",
     NULL},
    {"\"messages\":{\"a\":{\"role\":\"developer\"}},\"x\":[{\"role\":\"developer\"}]", NULL},
    {"\"messages\":[[{\"role\":\"developer\"}],\"role\",\"developer\",{\"role\":[\"developer\"]},{\"Role\":"
     "\"developer\"}]",
     NULL},
    {"\"tools\":[{\"messages\":[{\"role\":\"developer\"}]}],\"messages\":[{\"role\":\"developers\"},{\"role\":"
     "\"Developer\"}]",
     NULL},
    {"\"messages\":[{\"role\":\"user\",\"content\":\"\\\\\"}],\"metadata\":[{\"role\":\"developer\"}]", NULL},
    {"\"messages\":[{\"role\":\"\",\"content\":\"\\u00e9\"}]", NULL},
};

START_TEST(a_developers_messages_are_the_systems)
{
    const struct completion_bounds bounds = {.max_tokens = 2048};
    char body[512], sent[512];
    struct buf out;

    snprintf(body, sizeof body, "{\"max_tokens\":1,%s}", developers[_i].body);
    snprintf(sent, sizeof sent, "{\"max_tokens\":1,%s}",
             developers[_i].sent ? developers[_i].sent : developers[_i].body);
    buf_init(&out, 4096);
    ck_assert(compose_bound(NULL, body, strlen(body), &bounds, &out));
    buf_append_char(&out, '\0');
    ck_assert_str_eq(out.data, sent);
    buf_fini(&out);
}
END_TEST

UNIT_SUITE(sambanova_compose)
{
    Suite *suite = suite_create("sambanova_compose");

    TCase *request =
        UNIT_CASE(suite, "request", a_request_reads_back_as_what_was_asked, turns_that_join_are_one_message,
                  a_request_can_be_cut_to_the_shorter_one, no_token_limit_is_not_asked_for,
                  low_effort_is_asked_of_models_that_take_it, a_request_past_the_buffers_maximum_is_refused);
    tcase_add_loop_test(request, no_more_tokens_are_asked_for_than_there_may_be, 0, (int)UNIT_COUNT(tokens));
    tcase_add_loop_test(request, a_completion_says_what_we_have_to_know_and_else_what_the_client_said, 0,
                        (int)UNIT_COUNT(completions));
    tcase_add_loop_test(request, a_developers_messages_are_the_systems, 0, (int)UNIT_COUNT(developers));
    tcase_add_loop_test(UNIT_CASE(suite, "another model", a_composed_request_takes_another_model),
                        the_model_of_a_body_is_changed_and_nothing_else, 0, (int)UNIT_COUNT(models));
    return suite;
}

/* chunk_read against json_parse: on all that the gate takes they must find the same, and refuse the same. */
#include "sambanova/chunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "unit.h"

static const char *const corpus[] = {
    "{\"choices\":[{\"delta\":{\"content\":\"Tesla\",\"role\":\"assistant\"},\"finish_reason\":null,\"index\":0,"
    "\"logprobs\":"
    "null}],\"created\":1771518114.5,\"id\":\"283ffbf5\",\"model\":\"Meta-Llama\",\"object\":\"chat.completion."
    "chunk\"}",
    "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\",\"index\":0}]}",
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":43,\"completion_tokens\":1e2,\"total_tokens\":143.0,\"x\":{\"a\":[1,-"
    "2]}}}",
    "{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1000000001,\"total_tokens\":\"1\"},\"choices\":null}",
    "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}},{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
    "{\"choices\":[null,{\"delta\":{\"content\":\"x\"}},7]}",
    "{\"choices\":[{\"index\":-1,\"delta\":{\"content\":\"x\"}},{\"index\":null,\"delta\":null},{\"index\":0.5}]}",
    "{\"choices\":[{\"delta\":{\"reasoning\":\"a\\u00e9\\ud83d\\ude00\\n\",\"reasoning_content\":\"b\",\"channel\":"
    "\"final\"}}]}",
    "{\"c\\u0068oices\":[{\"\\u0064elta\":{\"content\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac \xe2\x82\xac\"}}]}",
    "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\",{},[]]},\"finish_reason\":7}]}",
    "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"rate_limit\"}}",
    "{\"error\":{\"code\":429}}",
    "{\"error\":\"text\"}",
    "{\"error\":null}",
    "{\"error\":false,\"choices\":[{\"error\":true}]}",
    "{\"error\":\"\"}",
    "{\"error\":[]}",
    "{\"object\":\"error\",\"code\":1,\"message\":\"m\"}",
    " { } ",
    "[]",
    "\"{}\"",
    "null",
    "",
    "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    "{\"a\":01}",
    "{\"a\":1.}",
    "{\"a\":-}",
    "{\"a\":1e+}",
    "{\"a\":.5}",
    "{\"a\":-0.5e-3,\"b\":true,\"c\":false,\"d\":null}",
    "{\"a\":tru}",
    "{\"a\":1,}",
    "{\"a\":[1,]}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12\"}",
    "{} {}",
    "{\"a\":\"b",
    "{\"a\":{",
};

/* What a chunk says, as the decoder would take it. */
struct said {
    char *texts[9]; /* content, parts, reasoning, reasoning_content, channel, finish_reason; code, type, message */
    struct token_usage usage;
    bool error;
    bool choice;
};

static void said_fini(struct said *said)
{
    for (size_t i = 0; i < UNIT_COUNT(said->texts); i++) free(said->texts[i]);
}

static char *decoded(const struct json_text *text)
{
    struct buf scratch;
    const char *at;
    char *copy = NULL;
    size_t len;

    buf_init(&scratch, 1 << 20);
    if (text->at) {
        ck_assert(json_text_decode(text, &scratch, &at, &len));
        copy = strndup(at, len);
    }
    buf_fini(&scratch);
    return copy;
}

static bool add_part(void *context, const struct json_text *text, bool thinking)
{
    char *part = decoded(text);

    buf_printf(context, "%s%s;", thinking ? "!" : "", part);
    free(part);
    return true;
}

static struct said scanned(const struct chunk *chunk)
{
    struct said said = {.usage = chunk->usage, .error = chunk->error.present, .choice = chunk->has_choice};
    struct buf parts;

    said.texts[0] = decoded(&chunk->content);
    buf_init(&parts, 1 << 20);
    chunk_each_part(chunk, add_part, &parts);
    if (parts.len) said.texts[1] = strndup(parts.data, parts.len);
    buf_fini(&parts);
    said.texts[2] = decoded(&chunk->reasoning);
    said.texts[3] = decoded(&chunk->reasoning_content);
    said.texts[4] = decoded(&chunk->channel);
    said.texts[5] = decoded(&chunk->finish_reason);
    if (chunk->error.present) {
        if (!json_text_is(&chunk->error.code, "") && !(chunk->error.code.at && chunk->error.code.at[-1] != '"'))
            said.texts[6] = decoded(&chunk->error.code); /* a number is compared by its presence alone */
        said.texts[7] = decoded(&chunk->error.type);
        said.texts[8] = decoded(&chunk->error.message);
    }
    return said;
}

static char *copy_string(const struct json *value)
{
    const char *text = json_string(value, NULL);

    return text ? strdup(text) : NULL;
}

static int64_t count(const struct json *value)
{
    int64_t number;

    return json_type(value) == JSON_NUMBER && json_integer(value, &number) && number >= 0 && number <= CHUNK_MAX_TOKENS
               ? number
               : -1;
}

static bool is_error(const struct json *error)
{
    bool yes = false;

    if (!error || json_type(error) == JSON_NULL) return false;
    if (json_type(error) == JSON_BOOL) return json_bool(error, &yes) && yes;
    return json_type(error) != JSON_STRING || *json_string(error, NULL) != '\0';
}

static void say_error(struct said *said, const struct json *error)
{
    said->error = true;
    if (json_type(error) == JSON_STRING) said->texts[8] = copy_string(error);
    if (json_type(error) != JSON_OBJECT) return;
    said->texts[6] = copy_string(json_get(error, "code"));
    if (said->texts[6] && !*said->texts[6]) {
        free(said->texts[6]);
        said->texts[6] = NULL;
    }
    said->texts[7] = copy_string(json_get(error, "type"));
    said->texts[8] = copy_string(json_get(error, "message"));
}

static struct said parsed(const struct json *root)
{
    const struct json *usage = json_get(root, "usage");
    int64_t cached = count(json_get(json_get(usage, "prompt_tokens_details"), "cached_tokens"));
    struct said said = {.usage = {count(json_get(usage, "prompt_tokens")), count(json_get(usage, "completion_tokens")),
                                  count(json_get(usage, "total_tokens")), cached > 0 ? cached : 0}};
    const struct json *choices = json_get(root, "choices"), *choice = NULL, *delta, *content, *object;
    struct buf parts;
    int place = 0;

    if (json_type(choices) == JSON_ARRAY) {
        for (choice = json_first(choices); choice; choice = json_next(choice), place++) {
            int64_t index;

            if (json_type(choice) != JSON_OBJECT) continue;
            index = count(json_get(choice, "index"));
            if (index == 0 || (index < 0 && place == 0)) break;
        }
    }
    said.choice = choice != NULL;
    delta = json_get(choice, "delta");
    content = json_get(delta, "content");
    said.texts[0] = copy_string(content);
    buf_init(&parts, 1 << 20);
    for (const struct json *part = json_type(content) == JSON_ARRAY ? json_first(content) : NULL; part;
         part = json_next(part)) {
        const char *text = json_string(json_type(part) == JSON_OBJECT ? json_get(part, "text") : part, NULL);
        const char *type = json_string(json_get(part, "type"), NULL);

        if (text)
            buf_printf(&parts, "%s%s;", type && (!strcmp(type, "thinking") || !strcmp(type, "reasoning")) ? "!" : "",
                       text);
    }
    if (parts.len) said.texts[1] = strndup(parts.data, parts.len);
    buf_fini(&parts);
    said.texts[2] = copy_string(json_get(delta, "reasoning"));
    said.texts[3] = copy_string(json_get(delta, "reasoning_content"));
    said.texts[4] = copy_string(json_get(delta, "channel"));
    said.texts[5] = copy_string(json_get(choice, "finish_reason"));
    object = json_get(root, "object");
    if (is_error(json_get(root, "error")))
        say_error(&said, json_get(root, "error"));
    else if (is_error(json_get(choice, "error")))
        say_error(&said, json_get(choice, "error"));
    else if (json_string(object, NULL) && strcmp(json_string(object, NULL), "error") == 0)
        say_error(&said, root);
    return said;
}

static bool tolerated(const char *reason)
{
    static const char *const reasons[] = {
        "not valid UTF-8", "NUL in a string",    "lone surrogate in a string", "control character in a string",
        "duplicate key",   "number out of range"};

    for (size_t i = 0; i < UNIT_COUNT(reasons); i++)
        if (strcmp(reason, reasons[i]) == 0) return true;
    return false;
}

static void expect_same(struct said *a, struct said *b, const char *text, size_t len)
{
    ck_assert_msg(memcmp(&a->usage, &b->usage, sizeof a->usage) == 0 && a->error == b->error && a->choice == b->choice,
                  "read differently: %.*s", (int)len, text);
    for (size_t i = 0; i < UNIT_COUNT(a->texts); i++)
        ck_assert_msg((!a->texts[i] && !b->texts[i]) ||
                          (a->texts[i] && b->texts[i] && strcmp(a->texts[i], b->texts[i]) == 0),
                      "text %zu is %s, not %s: %.*s", i, a->texts[i], b->texts[i], (int)len, text);
    said_fini(a);
    said_fini(b);
}

/* Whatever chunk came before, it changes nothing. */
static void compare_after(const char *before, const char *json, size_t len, const char *problem, struct chunk *alone)
{
    struct chunk_form form;
    struct chunk ignored, chunk;

    chunk_form_init(&form);
    (void)chunk_read_like(&form, before, strlen(before), &ignored);
    const char *now = chunk_read_like(&form, json, len, &chunk);
    ck_assert_msg(!now == !problem, "%s alone, %s after %s: %.*s", problem, now, before, (int)len, json);
    if (!now) {
        struct said a = scanned(&chunk), b = scanned(alone);
        expect_same(&a, &b, json, len);
    }
    chunk_form_fini(&form);
}

static void compare(const char *text, size_t len, const char *before)
{
    char *json = malloc(len ? len : 1); /* of its own size, for the sanitizer */
    const char *reason, *problem;
    struct json_doc *doc;
    struct chunk chunk;
    bool taken;

    memcpy(json, text, len);
    problem = chunk_read(json, len, &chunk);
    compare_after(before, json, len, problem, &chunk);
    taken = json_parse(json, len, &doc, &reason) == CHAT_OK;
    if (taken && json_type(json_root(doc)) == JSON_OBJECT) {
        struct said a = scanned(&chunk), b = parsed(json_root(doc));

        ck_assert_msg(!problem, "refused (%s): %.*s", problem, (int)len, text);
        expect_same(&a, &b, text, len);
    } else if (taken) {
        ck_assert_msg(problem != NULL, "no object, but taken: %.*s", (int)len, text);
    } else if (!tolerated(reason) && !memmem(json, len, "NaN", 3) && !memmem(json, len, "Infinity", 8)) {
        ck_assert_msg(problem != NULL, "taken, though %s: %.*s", reason, (int)len, text);
    }
    json_free(doc);
    free(json);
}

START_TEST(a_chunk_reads_as_the_gate_reads_it)
{
    for (size_t i = 0; i < UNIT_COUNT(corpus); i++) compare(corpus[i], strlen(corpus[i]), corpus[i]);
}
END_TEST

START_TEST(a_cut_chunk_reads_as_the_gate_reads_it)
{
    for (size_t i = 0; i < UNIT_COUNT(corpus); i++)
        for (size_t len = 0; len < strlen(corpus[i]); len++) compare(corpus[i], len, corpus[i]);
}
END_TEST

/* Characters that mean something are swapped in, so that many of the results are JSON again. */
START_TEST(a_changed_chunk_reads_as_the_gate_reads_it)
{
    static const char letters[] = "{}[]\",:\\u0d1e.-+ntf\x80\xc3\xa9 ";
    unsigned seed = 20260101;

    for (int round = 0; round < 60000; round++) {
        const char *from = corpus[(unsigned)rand_r(&seed) % UNIT_COUNT(corpus)];
        char text[512];
        size_t len = strlen(from);

        if (len == 0) continue;
        memcpy(text, from, len);
        for (int changes = 1 + rand_r(&seed) % 3; changes > 0; changes--) {
            size_t at = (size_t)rand_r(&seed) % len;

            if (rand_r(&seed) % 2 == 0) {
                text[at] = letters[(unsigned)rand_r(&seed) % (sizeof letters - 1)];
            } else if (len > 1) {
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
            }
        }
        compare(text, len, from);
    }
}
END_TEST

/* Read in full, a chunk becomes the form that the next is held against: that of the second is still the first's. */
START_TEST(a_chunk_like_the_one_before_is_read_by_its_text_alone)
{
    static const char head[] = "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"";
    static const char tail[] = "\"},\"index\":0,\"finish_reason\":null}],\"id\":\"a\"}";
    static const char *const same[] = {"Tesla", "", "\\\"quoted\\\"", "gr\xc3\xbc\xc3\x9f", "\\u00e9\\n"};
    static const char *const others[] = {"a\",\"content\":\"b", "a\"}},{\"x\":{\"y\":\"", "a\\"};
    struct chunk_form form;
    struct chunk chunk;
    char json[512];

    chunk_form_init(&form);
    for (size_t i = 0; i < UNIT_COUNT(same); i++) {
        snprintf(json, sizeof json, "%s%s%s", head, same[i], tail);
        ck_assert_ptr_null(chunk_read_like(&form, json, strlen(json), &chunk));
        ck_assert(json_text_is(&chunk.content, same[i]) && chunk.has_choice);
        ck_assert_msg(memmem(form.json.data, form.json.len, "Tesla", 5) != NULL, "\"%s\" was read in full", same[i]);
    }
    for (size_t i = 0; i < UNIT_COUNT(others); i++) {
        snprintf(json, sizeof json, "%sTesla%s", head, tail);
        ck_assert_ptr_null(chunk_read_like(&form, json, strlen(json), &chunk));
        snprintf(json, sizeof json, "%s%s%s", head, others[i], tail);
        struct chunk alone;
        const char *problem = chunk_read(json, strlen(json), &alone);
        compare_after("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"Tesla\"},\"index\":0,"
                      "\"finish_reason\":null}],\"id\":\"a\"}",
                      json, strlen(json), problem, &alone);
    }
    chunk_form_fini(&form);
}
END_TEST

UNIT_SUITE(sambanova_chunk)
{
    Suite *suite = suite_create("sambanova_chunk");
    TCase *tcase =
        UNIT_CASE(suite, "against the gate", a_chunk_reads_as_the_gate_reads_it, a_cut_chunk_reads_as_the_gate_reads_it,
                  a_changed_chunk_reads_as_the_gate_reads_it, a_chunk_like_the_one_before_is_read_by_its_text_alone);

    tcase_set_timeout(tcase, 60);
    return suite;
}

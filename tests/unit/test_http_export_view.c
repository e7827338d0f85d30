#include "http/export_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

static struct arena arena;
static struct buf out;

static void set_up(void)
{
    arena_init(&arena);
    buf_init(&out, 1 << 20);
}

static void tear_down(void)
{
    buf_fini(&out);
    arena_fini(&arena);
}

static const char *written(void)
{
    return arena_strndup(&arena, out.data, out.len);
}

/* ---- the file's name ---- */

START_TEST(the_name_comes_in_ascii_and_whole)
{
    static const struct {
        const char *title, *ascii, *whole;
    } cases[] = {
        {"Plain title", "Plain-title", "Plain%20title"},
        {"snake_case v1.2", "snake_case-v1-2", "snake_case%20v1.2"},
        {"Gr\xc3\xb6\xc3\x9f"
         "e",
         "Gr-e", "Gr%C3%B6%C3%9Fe"},
        {"\xe6\x97\xa5\xe6\x9c\xac", "chat", "%E6%97%A5%E6%9C%AC"},
        {"...", "chat", "chat"},
        {"../../etc/passwd", "etc-passwd", "etc-passwd"},
        {".hidden.", "hidden", "hidden"},
        {"C:\\x|y*?", "C-x-y", "C--x-y"},
        {"a\"; filename=evil", "a-filename-evil", "a-%3B%20filename%3Devil"},
        {"100%41", "100-41", "100-41"},
        {"invoice\xe2\x80\xae"
         "fdp",
         "invoice-fdp", "invoice-fdp"},
        {"a\xe2\x80\xa8"
         "b\xc2\xa0"
         "c",
         "a-b-c", "a-b-c"},
        {"it's (a) test", "it-s-a-test", "it%27s%20%28a%29%20test"},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        const char *want = arena_printf(&arena, "attachment; filename=\"%s.md\"; filename*=UTF-8''%s.md",
                                        cases[i].ascii, cases[i].whole);
        ck_assert_str_eq(export_disposition(cases[i].title, "md", &arena), want);
    }
}
END_TEST

START_TEST(a_long_name_is_cut_between_characters)
{
    char title[4 * 200 + 1] = "";

    for (size_t i = 0; i < 200; i++) strcat(title + 4 * i, "\xf0\x9f\x98\x80");
    const char *value = export_disposition(title, "json", &arena);
    ck_assert_uint_eq(strlen(strstr(value, "UTF-8''") + 7), 60 * 12 + 5);
    ck_assert_str_eq(value + strlen(value) - 17, "%F0%9F%98%80.json");
}
END_TEST

/* ---- Markdown ---- */

START_TEST(a_title_is_text_not_markup)
{
    struct session session = {.title = "*a* <b> [c](d) #", .model = "llama", .created_at_ms = 0};

    ck_assert(clock_parse_rfc3339("2026-01-31T12:00:00.999Z", &session.created_at_ms));
    export_markdown_session(&out, &session);
    ck_assert_str_eq(written(), "# \\*a\\* \\<b\\> \\[c\\](d) \\#\n\nStarted 2026-01-31 12:00:00 UTC \xc2\xb7 llama\n");
}
END_TEST

static const char *markdown(enum message_role role, enum message_status status, const char *content)
{
    struct message message = {.role = role, .status = status, .content = content, .content_len = strlen(content)};

    ck_assert(clock_parse_rfc3339("2026-01-31T12:00:00.000Z", &message.created_at_ms));
    buf_reset(&out);
    export_markdown_message(&out, &message);
    return written();
}

START_TEST(each_message_has_a_heading_with_role_and_time)
{
    ck_assert_str_eq(markdown(ROLE_USER, MESSAGE_COMPLETE, "Why?"),
                     "\n## User \xc2\xb7 2026-01-31 12:00:00 UTC\n\nWhy?\n");
    ck_assert_str_eq(markdown(ROLE_ASSISTANT, MESSAGE_COMPLETE, "Because.\n"),
                     "\n## Assistant \xc2\xb7 2026-01-31 12:00:00 UTC\n\nBecause.\n");
    ck_assert_str_eq(markdown(ROLE_SYSTEM, MESSAGE_COMPLETE, "Be kind."),
                     "\n## System \xc2\xb7 2026-01-31 12:00:00 UTC\n\nBe kind.\n");
}
END_TEST

START_TEST(an_answer_that_broke_off_says_so)
{
    static const struct {
        enum message_status status;
        const char *note;
    } cases[] = {{MESSAGE_STREAMING, "_(still being written)_\n"},
                 {MESSAGE_STOPPED, "_(stopped)_\n"},
                 {MESSAGE_INTERRUPTED, "_(interrupted)_\n"},
                 {MESSAGE_FAILED, "_(failed)_\n"}};

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_ptr_nonnull(strstr(markdown(ROLE_ASSISTANT, cases[i].status, "Half"),
                                     arena_printf(&arena, "\n\nHalf\n\n%s", cases[i].note)));
        ck_assert_ptr_nonnull(
            strstr(markdown(ROLE_ASSISTANT, cases[i].status, ""), arena_printf(&arena, "UTC\n\n%s", cases[i].note)));
    }
}
END_TEST

/* (C4) */
START_TEST(an_answer_that_was_cut_off_says_so)
{
    struct message message = {.role = ROLE_ASSISTANT, .status = MESSAGE_COMPLETE, .content = "Half", .content_len = 4};

    message.finish_reason = "length";
    export_markdown_message(&out, &message);
    ck_assert_ptr_nonnull(strstr(written(), "\n\nHalf\n\n_(cut off: as long as an answer may be)_\n"));
    buf_reset(&out);
    message.finish_reason = "stop";
    export_markdown_message(&out, &message);
    ck_assert_ptr_nonnull(strstr(written(), "\n\nHalf\n"));
    ck_assert_ptr_null(strstr(written(), "cut off"));
}
END_TEST

START_TEST(a_code_block_left_open_is_closed_and_no_other)
{
    static const struct {
        const char *content, *added;
    } cases[] = {
        {"```c\nint x;", "```\n"},
        {"```c\nint x;\n```", ""},
        {"````\n```\n", "````\n"},
        {"~~~\n```\n~~~~", ""},
        {"  ~~~ text\ncode", "~~~\n"},
        {"    ```\nindented: no fence", ""},
        {"```not`a fence", ""},
        {"``` c\n``` c\n", "```\n"},
        {"```\ncode\n``` \t\r\nafter", ""},
        {"``\ntwo are none", ""},
        {"text ``` within", ""},
        {"a\n```\nb\n```\nc\n```\nd", "```\n"},
        {"   ", ""},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        const char *content = cases[i].content;
        bool ends = content[strlen(content) - 1] == '\n';
        const char *want = arena_printf(&arena, "UTC\n\n%s%s%s", content, ends ? "" : "\n", cases[i].added);
        const char *got = strstr(markdown(ROLE_ASSISTANT, MESSAGE_COMPLETE, content), "UTC\n\n");
        ck_assert_str_eq(got, want);
    }
}
END_TEST

UNIT_SUITE(http_export_view)
{
    Suite *suite = suite_create("http_export_view");
    TCase *name =
        UNIT_CASE(suite, "file name", the_name_comes_in_ascii_and_whole, a_long_name_is_cut_between_characters);
    TCase *text = UNIT_CASE(suite, "markdown", a_title_is_text_not_markup,
                            each_message_has_a_heading_with_role_and_time, an_answer_that_broke_off_says_so,
                            an_answer_that_was_cut_off_says_so, a_code_block_left_open_is_closed_and_no_other);

    tcase_add_checked_fixture(name, set_up, tear_down);
    tcase_add_checked_fixture(text, set_up, tear_down);
    return suite;
}

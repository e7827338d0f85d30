/* What a Markdown text leaves open (export-fence-in-list). A property test against a parser of CommonMark is in
 * tests/api/export.test.ts. */
#include "http/open_block.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct buf out;

static void set_up(void)
{
    buf_init(&out, 4096);
}

static void tear_down(void)
{
    buf_fini(&out);
}

static const struct {
    const char *text, *closer;
} rows[] = {
    /* fences in a list or a quote end with it; whether one is in it depends on what went before */
    {"- ```sh\n  make\n  ```\n\nDone.", ""},
    {"1. ```sh\n   make\n   ```\n2. Next", ""},
    {"- a\n\n  ```py\n  code ", ""},
    {"- a\n\n```py\n  code ", "```"},
    {"- a\nb\n  ```", ""},
    {"- # a\nb\n  ```", "```"},
    {"> ```\n> code", ""},
    {"> ```\n```", "```"},
    {"> - ~~~\n>   code\n~~~~", "~~~~"},
    {"- - - ```", ""},
    {"10) ```\n    ```\n   ```", "```"},
    {"-\n  ```", ""},
    {"-\n\n  ```", "```"},
    {"-\t```\n\tx\n    ```", ""},
    {"-\t```\n\t\tx\n  ```", "```"},
    {"- a\n  - b\n    ```\n  ```", ""},
    /* fences of all kinds */
    {"```", "```"},
    {"   `````\n````", "`````"},
    {"    ```", ""},
    {"a\n    ```", ""},
    {"~~~ ```\n```", "~~~"},
    {"```a`b", ""},
    {"```\r\nx\r\n```\r\n", ""},
    {"```\rx\r", "```"},
    {"```\n   ```", ""},
    {"```\n    ```", "```"},
    {"```\n\t```", "```"},
    {"```\n``` x", "```"},
    /* HTML that ends with a word of its own */
    {"<!-- a", "-->"},
    {"<!-- a\n\n-->", ""},
    {"<!-->", ""},
    {"<?php\n\necho 1;", "?>"},
    {"<?a?>", ""},
    {"<!DOCTYPE html", ">"},
    {"<!1", ""},
    {"<![CDATA[\n\n]]", "]]>"},
    {"<![cdata[", ""},
    {"<pre>\n\nx", "</pre>"},
    {"<PRE\nx\n</Script> y", ""},
    {"<script", "</script>"},
    {"<scripts", ""},
    {"</script>", ""},
    {"<style>\n</div></style", "</style>"},
    {"<textarea\tx>", "</textarea>"},
    {"    <!--", ""},
    {"a\n   <!--", "-->"},
    {"a <!--", ""},
    {"- <!--\n\n  a", ""},
    {"- <!--\n\na", ""},
    {"> <pre>\n<!--", "-->"},
    {"```\n<!--\n```", ""},
    {"<!--\n```\n-->", ""},
    /* HTML that ends with a blank line hides what begins in it, and no more */
    {"<div>\n```", ""},
    {"<div>\n\n```", "```"},
    {"<x-y a=\"b\" c='d' e=f g/>\n```", ""},
    {"<x-y a=\"b\"c>\n```", "```"},
    {"<x-y> a\n```", "```"},
    {"a\n<x-y>\n```", "```"},
    {"</x-y >\n```", ""},
    {"<script/>\n```", ""},
    {"<p/>\n```", ""},
    {"<p/\n```", "```"},
    /* what is a rule, a heading or a list, and what a paragraph */
    {"* * *\n  ```", "```"},
    {"* * * a\n  ```", ""},
    {"a\n---\n    b\n```", "```"},
    {"a\n2. b\n   ```", "```"},
    {"a\n1. b\n   ```", ""},
    {"a\n-\n  ```", "```"},
    {"", ""},
    {"\n\n", ""},
};

START_TEST(what_would_swallow_the_rest_is_closed_and_nothing_else)
{
    size_t len = strlen(rows[_i].text);
    char *exact = malloc(len + 1);

    memcpy(exact, rows[_i].text, len); /* not terminated: a sanitizer sees a byte too much */
    open_block_close(&out, exact, len);
    free(exact);
    buf_append_char(&out, '\0');
    ck_assert_msg(strcmp(out.data, rows[_i].closer) == 0, "%s: %s", rows[_i].text, out.data);
}
END_TEST

/* What makes parsers slow: the test's limit of time would show it. */
START_TEST(hostile_texts_take_no_longer_than_others)
{
    static const char *const bits[] = {">",   "- ",  "* ", "1. ",     "`",    "~~~\n", "<",
                                       "<a ", "-\t", "\r", "<pre></", "> - ", "\n>"};
    enum { BYTES = 200000 };
    char *text = malloc(BYTES);

    for (size_t i = 0; i < UNIT_COUNT(bits); i++)
        for (size_t j = 0; j < UNIT_COUNT(bits); j++) {
            for (size_t at = 0; at < BYTES; at++) {
                const char *bit = at < BYTES / 2 ? bits[i] : bits[j];
                text[at] = bit[at % strlen(bit)];
            }
            text[BYTES / 2] = '\n';
            buf_reset(&out);
            open_block_close(&out, text, BYTES);
        }
    free(text);
}
END_TEST

UNIT_SUITE(http_open_block)
{
    Suite *suite = suite_create("http_open_block");
    TCase *blocks = UNIT_CASE(suite, "blocks", hostile_texts_take_no_longer_than_others);

    tcase_add_loop_test(blocks, what_would_swallow_the_rest_is_closed_and_nothing_else, 0, (int)UNIT_COUNT(rows));
    tcase_add_checked_fixture(blocks, set_up, tear_down);
    tcase_set_timeout(blocks, 60);
    return suite;
}

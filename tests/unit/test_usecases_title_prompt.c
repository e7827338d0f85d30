/* When a title is asked of a model, and what is taken of its answer. */
#include "usecases/title_prompt.h"

#include <string.h>

#include "unit.h"

START_TEST(a_title_is_wanted_for_the_first_question_of_a_session_without_one)
{
    struct chat_policy policy = {.title_model = "m"}, without = {.title_model = NULL};
    struct session made = {.title_source = TITLE_FIRST_MESSAGE}, users = {.title_source = TITLE_USER};
    struct message first = {.seq = 1}, second = {.seq = 3};
    ck_assert(title_wanted(&policy, &made, &first));
    ck_assert(!title_wanted(&policy, &made, &second));
    ck_assert(!title_wanted(&policy, &users, &first));
    ck_assert(!title_wanted(&without, &made, &first));
}
END_TEST

START_TEST(a_written_title_is_one_line_without_quotes)
{
    static const char *const rows[][2] = {
        {"Means of numbers", "Means of numbers"},
        {"  \"Means of numbers\"\n", "Means of numbers"},
        {"**Means**", "Means"},
        {"# Means\nand more", "Means and more"},
        {"\"**Means of `C#`**\"", "Means of C#"},
        {"[Means](https://example.org)", "Means"},
        {"```\nMeans\n```", "Means"},
        {"", NULL},
        {" \n\"\" ", NULL},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *title = title_from_answer(rows[i][0], strlen(rows[i][0]), &arena);
        ck_assert_pstr_eq(title, rows[i][1]);
    }
    arena_fini(&arena);
}
END_TEST

UNIT_SUITE(usecases_title_prompt)
{
    Suite *suite = suite_create("usecases_title_prompt");
    UNIT_CASE(suite, "title", a_title_is_wanted_for_the_first_question_of_a_session_without_one,
              a_written_title_is_one_line_without_quotes);
    return suite;
}

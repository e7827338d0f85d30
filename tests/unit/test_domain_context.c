/* Context: which messages the model gets to see. A history is written as one letter a message:
 * u/a complete question/answer, s stopped answer, i interrupted answer (S I: without text), f failed, w being written,
 * x superseded question. */
#include "domain/context.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct message message_of(char letter)
{
    struct message message = {.content = "text", .content_len = 4, .role = ROLE_ASSISTANT, .status = MESSAGE_COMPLETE};

    switch (letter) {
    case 'u': message.role = ROLE_USER; break;
    case 'x':
        message.role = ROLE_USER;
        message.superseded_by[0] = '1';
        break;
    case 's': message.status = MESSAGE_STOPPED; break;
    case 'i': message.status = MESSAGE_INTERRUPTED; break;
    case 'S':
        message.status = MESSAGE_STOPPED;
        message.content_len = 0;
        break;
    case 'I':
        message.status = MESSAGE_INTERRUPTED;
        message.content_len = 0;
        break;
    case 'f': message.status = MESSAGE_FAILED; break;
    case 'w': message.status = MESSAGE_STREAMING; break;
    default: break;
    }
    return message;
}

START_TEST(messages_that_count_are_complete_or_cut_short_with_text)
{
    static const struct {
        char letter;
        bool taken;
    } cases[] = {{'u', true},  {'a', true},  {'s', true},  {'i', true}, {'S', false},
                 {'I', false}, {'f', false}, {'w', false}, {'x', false}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message message = message_of(cases[i].letter);
        ck_assert_msg(context_takes(&message) == cases[i].taken, "%c", cases[i].letter);
    }
}
END_TEST

enum { MESSAGES_MAX = 32 };

static struct arena arena;
static struct message history[MESSAGES_MAX];

static void set_up(void)
{
    arena_init(&arena);
}

static void tear_down(void)
{
    arena_fini(&arena);
}

/* Ids are "0", "1" …, a parent is the message before. */
static size_t write_history(const char *letters, size_t content_len)
{
    static char text[100000];
    size_t count = strlen(letters);

    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < count; i++) {
        history[i] = message_of(letters[i]);
        sprintf(history[i].id, "%zu", i);
        if (i) sprintf(history[i].parent_id, "%zu", i - 1);
        history[i].model = history[i].role == ROLE_ASSISTANT ? "m" : NULL;
        if (content_len && history[i].content_len) {
            history[i].content = text;
            history[i].content_len = content_len;
        }
    }
    return count;
}

/* U A and P for the system prompt; a small letter joins the turn before it. */
static const char *letters_of(const struct prompt *prompt)
{
    char *letters = arena_alloc(&arena, prompt->turn_count + 1);

    for (size_t t = 0; t < prompt->turn_count; t++)
        letters[t] = (prompt->turns[t].joins ? "pua" : "PUA")[prompt->turns[t].role];
    letters[prompt->turn_count] = '\0';
    return letters;
}

/* Whatever a rule brings about: no turn follows one of its own role, and none of the assistant's comes first. */
static void assert_turns_alternate(const struct prompt *prompt, size_t first)
{
    for (size_t t = first; t < prompt->turn_count; t++) {
        bool same = t > first && prompt->turns[t].role == prompt->turns[t - 1].role;

        ck_assert(prompt->turns[t].joins == same);
    }
    if (prompt->turn_count > first) ck_assert_int_eq(prompt->turns[first].role, ROLE_USER);
}

/* (unanswered-question-in-context) */
START_TEST(the_prompt_is_the_last_messages_that_count_user_and_assistant_in_turns)
{
    static const struct {
        const char *history;
        int most;
        const char *prompt;
    } cases[] = {
        {"u", 20, "PU"},
        {"uau", 20, "PUAU"},
        {"uauau", 3, "PUAU"},
        {"uauau", 2, "PU"}, /* would start with an answer */
        {"uauau", 1, "PU"},
        {"uauau", 0, "PU"}, /* the question is always in */
        {"ufuau", 20, "PUuAU"},
        {"usuiu", 20, "PUAUAU"},
        {"uSuIu", 20, "PUuu"},
        {"xauau", 20, "PUAU"},
        {"aau", 20, "PU"},
        {"uaffffu", 3, "PUAU"},   /* those that don't count take no place */
        {"uax", 20, "PUAU"},      /* the question itself, whatever its state */
        {"uaaxau", 20, "PUAaaU"}, /* of two branches */
        {"", 20, "P"},
        {"fffu", 20, "PU"},
        {"ufu", 1, "PU"},
        {"uafufufu", 20, "PUAUuu"},
        {"uaufufu", 3, "PUuu"},
        {"uaufufu", 4, "PUuu"}, /* messages are counted, not turns */
        {"uaufufu", 5, "PUAUuu"},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct context_rule rule = {.system_prompt = "be brief", .max_messages = cases[i].most};
        struct prompt prompt = context_build(history, write_history(cases[i].history, 0), &rule, &arena);

        ck_assert_msg(strcmp(letters_of(&prompt), cases[i].prompt) == 0, "%s %d: %s", cases[i].history, cases[i].most,
                      letters_of(&prompt));
        assert_turns_alternate(&prompt, 1);
    }
}
END_TEST

START_TEST(turns_are_in_order_and_borrow_their_text)
{
    struct context_rule rule = {.max_messages = 20};

    write_history("uau", 0);
    history[0].content = "one";
    history[0].content_len = 3;
    history[2].content = "three";
    history[2].content_len = 5;
    struct prompt prompt = context_build(history, 3, &rule, &arena);
    ck_assert_uint_eq(prompt.turn_count, 3);
    ck_assert_ptr_eq(prompt.turns[0].content, history[0].content);
    ck_assert_uint_eq(prompt.turns[0].content_len, 3);
    ck_assert_ptr_eq(prompt.turns[2].content, history[2].content);
    ck_assert_uint_eq(prompt.turns[2].content_len, 5);

    rule.system_prompt = "be brief";
    prompt = context_build(history, 3, &rule, &arena);
    ck_assert_uint_eq(prompt.turn_count, 4);
    ck_assert_int_eq(prompt.turns[0].role, ROLE_SYSTEM);
    ck_assert_uint_eq(prompt.turns[0].content_len, strlen("be brief"));
    rule.system_prompt = "";
    ck_assert_uint_eq(context_build(history, 3, &rule, &arena).turn_count, 3);
}
END_TEST

/* (chat-outgrows-model) Each message of 300 bytes is taken for 109 tokens. */
START_TEST(the_oldest_leave_first_where_tokens_are_short)
{
    static const struct {
        const char *history;
        int64_t tokens;
        const char *prompt, *starts_at;
    } cases[] = {
        {"uauau", 0, "UAUAU", ""},  {"uauau", 545, "UAUAU", ""}, {"uauau", 544, "UAU", "2"},
        {"uauau", 327, "UAU", "2"}, {"uauau", 326, "U", "4"},    {"uauau", 1, "U", "4"},
        {"ufufu", 218, "Uu", "2"},  {"ufufu", 217, "U", "4"}, /* an unanswered one may leave by itself */
        {"ufufu", 326, "Uu", "2"},  {"ufufu", 327, "Uuu", ""},   {"xauau", 300, "U", "4"},
    };

    ck_assert_int_eq(context_estimate_tokens(300), 109);
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct context_rule rule = {.max_messages = 20, .max_tokens = cases[i].tokens};
        struct prompt prompt = context_build(history, write_history(cases[i].history, 300), &rule, &arena);

        ck_assert_msg(strcmp(letters_of(&prompt), cases[i].prompt) == 0, "%zu: %s", i, letters_of(&prompt));
        ck_assert_str_eq(prompt.starts_at, cases[i].starts_at);
        assert_turns_alternate(&prompt, 0);
    }
    struct context_rule rule = {.max_messages = 20, .max_tokens = 327 + 9, .system_prompt = "12"};
    struct prompt prompt = context_build(history, write_history("uauau", 300), &rule, &arena);
    ck_assert_str_eq(letters_of(&prompt), "PUAU");
    rule.max_tokens--; /* the system prompt takes its place first */
    prompt = context_build(history, write_history("uauau", 300), &rule, &arena);
    ck_assert_str_eq(letters_of(&prompt), "PU");
}
END_TEST

START_TEST(a_prompt_says_where_it_starts_if_earlier_messages_are_left_out)
{
    struct context_rule rule = {.max_messages = 3};
    ck_assert_str_eq(context_build(history, write_history("uauau", 0), &rule, &arena).starts_at, "2");
    ck_assert_str_eq(context_build(history, write_history("uau", 0), &rule, &arena).starts_at, "");
    ck_assert_str_eq(context_build(history, write_history("u", 0), &rule, &arena).starts_at, "");
    /* as the store hands it over: as long as it may be, and its first message has one before it */
    write_history("uauau", 0);
    ck_assert_str_eq(context_build(history + 2, 3, &rule, &arena).starts_at, "2");
    rule.max_messages = 4; /* shorter: what was before doesn't count */
    ck_assert_str_eq(context_build(history + 2, 3, &rule, &arena).starts_at, "");
    ck_assert_str_eq(context_build(history, 0, &rule, &arena).starts_at, "");
    rule.max_messages = 20;
    write_history("aua", 0); /* an answer whose question isn't there is left out, too */
    ck_assert_str_eq(context_build(history, 2, &rule, &arena).starts_at, "1");
}
END_TEST

START_TEST(where_the_last_prompt_started_the_next_of_the_same_model_does)
{
    static const struct {
        const char *model, *starts_at, *prompt;
    } cases[] = {
        {"m", "2", "UAU"}, {"m", "4", "U"},     {"m", "", "UAUAU"},  {"m", NULL, "UAUAU"},
        {"m", "3", "U"},   {"m", "9", "UAUAU"}, {"n", "2", "UAUAU"}, {NULL, "2", "UAUAU"},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct context_rule rule = {.max_messages = 20, .model = cases[i].model, .starts_at = cases[i].starts_at};
        struct prompt prompt = context_build(history, write_history("uauau", 0), &rule, &arena);

        ck_assert_msg(strcmp(letters_of(&prompt), cases[i].prompt) == 0, "%zu: %s", i, letters_of(&prompt));
    }
}
END_TEST

START_TEST(the_shorter_prompt_is_the_later_half_and_begins_with_a_user)
{
    static const struct {
        const char *history;
        size_t from; /* index in turns */
        const char *starts_at;
    } cases[] = {
        {"u", 0, ""},          {"uau", 2, "2"},         {"uauau", 2, "2"}, {"uauauau", 4, "4"}, {"ufu", 1, "2"},
        {"uauauauau", 4, "4"}, {"uauauauauau", 6, "6"}, {"ufufu", 2, "4"}, {"ufufufu", 2, "4"}, {"", 0, ""},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct context_rule rule = {.max_messages = 20};
        struct prompt prompt = context_build(history, write_history(cases[i].history, 30), &rule, &arena);

        ck_assert_msg(prompt.shorter_from == cases[i].from, "%s: %zu", cases[i].history, prompt.shorter_from);
        ck_assert_str_eq(prompt.shorter_starts_at, cases[i].starts_at);
    }
    write_history("uauau", 30); /* half in number, most of the bytes */
    history[2].content_len = 10000;
    struct context_rule rule = {.max_messages = 20, .system_prompt = "be brief"};
    ck_assert_uint_eq(context_build(history, 5, &rule, &arena).shorter_from, 5);
}
END_TEST

START_TEST(context_lists_are_read)
{
    static const char *const bad[] = {"a",       "a=",       "a=0",     "a=1k", "a=-1",  "a=1.5", "a=1234567890",
                                      "a=1,a=2", "a=1,,b=2", "a=1;b=2", "=1",   "a b=1", "a=1,",  "a=1 2"};
    static struct context_list list;

    ck_assert_ptr_null(context_list_parse(" a=131072 ,\tb/c=999999999", &list));
    ck_assert_int_eq(context_tokens(&list, "a"), 131072);
    ck_assert_int_eq(context_tokens(&list, "b/c"), 999999999);
    ck_assert_int_eq(context_tokens(&list, "b"), 0);
    ck_assert_int_eq(context_tokens(&list, NULL), 0);
    ck_assert_ptr_null(context_list_parse(" ", &list));
    ck_assert_uint_eq(list.count, 0);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        ck_assert_msg(context_list_parse(bad[i], &list) != NULL, "taken: %s", bad[i]);
        ck_assert_uint_eq(list.count, 0);
    }
    char text[65 * 16] = "";
    for (int i = 0; i < 65; i++) {
        sprintf(text + strlen(text), "%sm%d=1", i ? "," : "", i);
        if (i == 63) ck_assert_ptr_null(context_list_parse(text, &list));
    }
    ck_assert_ptr_nonnull(context_list_parse(text, &list));
}
END_TEST

UNIT_SUITE(domain_context)
{
    Suite *suite = suite_create("domain_context");
    TCase *rules = UNIT_CASE(suite, "rules", messages_that_count_are_complete_or_cut_short_with_text,
                             the_prompt_is_the_last_messages_that_count_user_and_assistant_in_turns,
                             turns_are_in_order_and_borrow_their_text, the_oldest_leave_first_where_tokens_are_short,
                             a_prompt_says_where_it_starts_if_earlier_messages_are_left_out,
                             where_the_last_prompt_started_the_next_of_the_same_model_does,
                             the_shorter_prompt_is_the_later_half_and_begins_with_a_user, context_lists_are_read);
    tcase_add_checked_fixture(rules, set_up, tear_down);
    return suite;
}

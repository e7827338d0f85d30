/* Context: which messages the model gets to see. A history is written as one letter a message:
 * u/a complete question/answer, s stopped answer, i interrupted answer (S I: without text), f failed, w being written,
 * x superseded question. */
#include "domain/context.h"

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

START_TEST(the_prompt_is_the_last_messages_that_count)
{
    static const struct {
        const char *history;
        int most;
        const char *prompt; /* U A and P for the system prompt */
    } cases[] = {
        {"u", 20, "PU"},        {"uau", 20, "PUAU"},
        {"uauau", 3, "PUAU"},   {"uauau", 2, "PU"}, /* would start with an answer */
        {"uauau", 1, "PU"},     {"uauau", 0, "PU"}, /* the question is always in */
        {"ufuau", 20, "PUUAU"}, {"usuiu", 20, "PUAUAU"},
        {"uSuIu", 20, "PUUU"},  {"xauau", 20, "PUAU"},
        {"aau", 20, "PU"},      {"uaffffu", 3, "PUAU"}, /* those that don't count take no place */
        {"uax", 20, "PUAU"},                            /* the question itself, whatever its state */
        {"", 20, "P"},
    };
    struct arena arena;

    arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t count = strlen(cases[i].history);
        struct message history[16];
        char seen[16] = "";

        for (size_t m = 0; m < count; m++) history[m] = message_of(cases[i].history[m]);
        struct prompt prompt = context_build(history, count, "be brief", cases[i].most, &arena);
        for (size_t t = 0; t < prompt.turn_count; t++) seen[t] = "PUA"[prompt.turns[t].role];
        ck_assert_str_eq(seen, cases[i].prompt);
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(turns_are_in_order_and_borrow_their_text)
{
    struct message history[3] = {message_of('u'), message_of('a'), message_of('u')};
    struct arena arena;

    arena_init(&arena);
    history[0].content = "one";
    history[0].content_len = 3;
    history[2].content = "three";
    history[2].content_len = 5;
    struct prompt prompt = context_build(history, 3, NULL, 20, &arena);
    ck_assert_uint_eq(prompt.turn_count, 3);
    ck_assert_ptr_eq(prompt.turns[0].content, history[0].content);
    ck_assert_uint_eq(prompt.turns[0].content_len, 3);
    ck_assert_ptr_eq(prompt.turns[2].content, history[2].content);
    ck_assert_uint_eq(prompt.turns[2].content_len, 5);

    prompt = context_build(history, 3, "be brief", 20, &arena);
    ck_assert_uint_eq(prompt.turn_count, 4);
    ck_assert_int_eq(prompt.turns[0].role, ROLE_SYSTEM);
    ck_assert_uint_eq(prompt.turns[0].content_len, strlen("be brief"));
    ck_assert_uint_eq(context_build(history, 3, "", 20, &arena).turn_count, 3);
    arena_fini(&arena);
}
END_TEST

UNIT_SUITE(domain_context)
{
    Suite *suite = suite_create("domain_context");
    UNIT_CASE(suite, "rules", messages_that_count_are_complete_or_cut_short_with_text,
              the_prompt_is_the_last_messages_that_count, turns_are_in_order_and_borrow_their_text);
    return suite;
}

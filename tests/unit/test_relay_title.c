/*
 * A session's title, asked of a model: its one thread, a provider's server on loopback, fake stores. No answer is asked
 * beside it, so the requests are the title's alone and in its order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"
#include "relay/title.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_server.h"
#include "unit.h"
#include "upstream/upstream.h"
#include "usecases/send_message.h"

#define REFUSE(status) "HTTP/1.1 " status "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"

static const char *const means[] = {FAKE_STREAM_HEAD, "c Means of numbers\nusage 7 3\nstop\ndone\n", NULL};

static struct fake_chat chat;
static struct fake_server *server;
static struct loop loop;
static struct upstream *upstream;
static struct registry registry; /* nobody reads the answer */
static struct titles titles;
static struct ready_answer ready;

static void set_up(void)
{
    fake_chat_init(&chat);
    chat.policy.title_model = "llama";
    chat.breaker.rule.generation = 1; /* not at rest: it hears of everything */
    server = fake_server_open();
    fake_provider_init(&chat.provider, fake_server_port(server));
    chat.provider.takes_effort = true;
    static const void *each[1];
    each[0] = &chat.ports;
    const struct upstream_settings settings = {
        .provider = &chat.provider.provider, .clock = &chat.clock.clock, .loop = &loop, .max_transfers = 1};
    ck_assert(loop_open(&loop, &chat.clock.clock));
    upstream = upstream_open(&settings);
    ck_assert_ptr_nonnull(upstream);
    ck_assert(loop_start(&loop));
    titles = (struct titles){
        .jobs = job_pool_open(each, 1, NULL), .upstream = upstream, .loop = &loop, .registry = &registry};
    ck_assert_ptr_nonnull(titles.jobs);
    ready = (struct ready_answer){0};
}

static void close_all(void)
{
    if (!upstream) return;
    job_pool_stop(titles.jobs); /* what is asked is asked to its end */
    loop_stop(&loop);
    upstream_close(upstream);
    loop_close(&loop);
    job_pool_close(titles.jobs);
    upstream = NULL;
}

static void tear_down(void)
{
    close_all();
    fake_server_close(server);
    free(ready.spec.body);
    fake_chat_fini(&chat);
}

static void ask_title(void)
{
    const struct send_message in = {.caller = &chat.alice, .content = "Mean?", .content_len = 5};
    struct problem problem = {0};

    ck_assert_int_eq(send_message(&chat.ports, &in, &chat.arena, &problem, &ready), CHAT_OK);
    title_start(&titles, &ready.spec);
    close_all();
}

/* What request number `index` says before the question. */
static const char *head_of(int index)
{
    const char *body = strstr(fake_server_request(server, index), "model=");

    ck_assert_ptr_nonnull(body);
    return arena_strndup(&chat.arena, body, strcspn(body, "\n"));
}

static struct session stored(void)
{
    struct session session = {0};

    ck_assert_int_eq(session_repo_get(chat.ports.sessions, "alice", ready.session.id, &chat.arena, &session), CHAT_OK);
    return session;
}

START_TEST(a_title_is_asked_with_little_effort_and_stored)
{
    fake_server_reply(server, means);
    ask_title();
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_str_eq(head_of(0), "model=llama max_tokens=512 effort=low");
    ck_assert_str_eq(stored().title, "Means of numbers");
    ck_assert_int_eq(stored().title_source, TITLE_MODEL);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
}
END_TEST

static const char *const not_so[] = {REFUSE("400 No"), REFUSE("422 No")};

START_TEST(who_refuses_to_be_told_of_effort_is_asked_once_more_without)
{
    static const char *reply[2];

    reply[0] = not_so[_i];
    fake_server_reply(server, reply);
    fake_server_reply(server, means);
    ask_title();
    ck_assert_int_eq(fake_server_requests(server), 2);
    ck_assert_str_eq(head_of(0), "model=llama max_tokens=512 effort=low");
    ck_assert_str_eq(head_of(1), "model=llama max_tokens=512");
    ck_assert_str_eq(stored().title, "Means of numbers");
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 0); /* it is reported once */
}
END_TEST

START_TEST(who_refuses_that_too_is_left_alone)
{
    static const char *const reply[] = {REFUSE("400 No"), NULL};

    for (int i = 0; i < 3; i++) fake_server_reply(server, reply);
    ask_title();
    ck_assert_int_eq(fake_server_requests(server), 2);
    ck_assert_str_eq(stored().title, "Mean?");
    ck_assert_int_eq(stored().title_source, TITLE_FIRST_MESSAGE);
}
END_TEST

START_TEST(who_was_told_of_no_effort_is_not_asked_the_same_again)
{
    static const char *const reply[] = {REFUSE("400 No"), NULL};

    chat.provider.takes_effort = false;
    for (int i = 0; i < 2; i++) fake_server_reply(server, reply);
    ask_title();
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_str_eq(stored().title, "Mean?");
}
END_TEST

static const char *const failures[] = {REFUSE("429 No"), REFUSE("500 No"), REFUSE("503 No")};

START_TEST(a_failure_that_effort_has_nothing_to_do_with_is_not_asked_again)
{
    static const char *reply[2];

    reply[0] = failures[_i];
    fake_server_reply(server, reply);
    fake_server_reply(server, means);
    ask_title();
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_str_eq(stored().title, "Mean?");
}
END_TEST

UNIT_SUITE(relay_title)
{
    Suite *suite = suite_create("relay_title");
    TCase *tcase = UNIT_CASE(suite, "asking", a_title_is_asked_with_little_effort_and_stored,
                             who_refuses_that_too_is_left_alone, who_was_told_of_no_effort_is_not_asked_the_same_again);

    tcase_add_loop_test(tcase, who_refuses_to_be_told_of_effort_is_asked_once_more_without, 0, (int)UNIT_COUNT(not_so));
    tcase_add_loop_test(tcase, a_failure_that_effort_has_nothing_to_do_with_is_not_asked_again, 0,
                        (int)UNIT_COUNT(failures));
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}

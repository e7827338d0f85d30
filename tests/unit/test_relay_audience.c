/* Who is attached to an answer, by themselves: no relay, and a text that the test writes. */
#include "relay/audience.h"

#include <stdatomic.h>
#include <string.h>

#include "tests/fakes/fake_listener.h"
#include "unit.h"

static struct manual_clock clock_;
static struct ground ground;
static struct audience audience;
static struct buf reasoning, content;
static struct fake_listener first, second;
static atomic_int lefts; /* how often the last one left */

static void count_left(struct audience *self)
{
    (void)self;
    lefts++;
}

static void set_up(void)
{
    manual_clock_init(&clock_, 1000);
    ground = (struct ground){0};
    ck_assert(loop_open(&ground.loop, &clock_.clock));
    places_open(&ground.places, 2, 2);
    buf_init(&ground.scratch, 1 << 20);
    buf_init(&reasoning, 1 << 20);
    buf_init(&content, 1 << 20);
    lefts = 0;
    audience = (struct audience){
        .ground = &ground, .left = count_left, .user_id = "alice", .reasoning = &reasoning, .content = &content};
    audience_init(&audience);
    fake_listener_init(&first);
    fake_listener_init(&second);
    ck_assert(loop_start(&ground.loop));
}

static void run_let_all_go(struct post *post)
{
    (void)post;
    audience_let_all_go(&audience);
}

static void on_loop(void (*run)(struct post *))
{
    struct post post = {.run = run};
    loop_call(&ground.loop, &post);
}

static void tear_down(void)
{
    on_loop(run_let_all_go);
    loop_stop(&ground.loop);
    audience_fini(&audience);
    loop_close(&ground.loop);
    places_close(&ground.places);
    fake_listener_fini(&first);
    fake_listener_fini(&second);
    buf_fini(&content);
    buf_fini(&reasoning);
    buf_fini(&ground.scratch);
}

static void run_nothing(struct post *post)
{
    (void)post;
}

static void run_attach_first(struct post *post)
{
    (void)post;
    audience_attach(&audience, &first.listener, false);
}

static void run_attach_second(struct post *post)
{
    (void)post;
    audience_attach(&audience, &second.listener, false);
}

static void run_attach_reader(struct post *post)
{
    (void)post;
    audience_attach(&audience, &first.listener, true);
}

static void run_more_text(struct post *post)
{
    (void)post;
    buf_append_str(&content, "more ");
    audience_show(&audience);
    buf_append_str(&content, "text");
    audience_show(&audience);
}

static void run_tell(struct post *post)
{
    static const struct message message;
    static const struct session session;
    static const struct quota quota;
    static const struct answer_final final = {.message = &message, .session = &session, .quota = &quota};
    (void)post;
    audience_tell(&audience, &final);
}

START_TEST(all_get_the_text_of_a_turn_in_one_piece_and_then_the_end)
{
    on_loop(run_attach_first);
    on_loop(run_attach_second);
    on_loop(run_more_text);
    ck_assert(fake_listener_wait_content(&first, "more text"));
    ck_assert(fake_listener_wait_content(&second, "more text"));
    ck_assert_int_eq(fake_listener_texts(&first), 2); /* the first when it came */
    on_loop(run_tell);
    ck_assert(fake_listener_wait_closed(&first));
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_int_eq(fake_listener_ends(&first) + fake_listener_ends(&second), 2);
    on_loop(run_let_all_go); /* nobody is left, and the turn is over */
    ck_assert_int_eq(lefts, 1);
}
END_TEST

START_TEST(who_comes_when_it_is_over_gets_all_and_is_let_go)
{
    buf_append_str(&content, "all of it");
    on_loop(run_tell);
    on_loop(run_attach_first);
    ck_assert(fake_listener_wait_closed(&first));
    ck_assert(fake_listener_wait_content(&first, "all of it"));
    ck_assert_int_eq(fake_listener_ends(&first), 1);
    on_loop(run_let_all_go);
    ck_assert_int_eq(lefts, 1);
}
END_TEST

START_TEST(only_the_last_one_that_leaves_is_told)
{
    on_loop(run_attach_first);
    on_loop(run_attach_second);
    fake_listener_leave(&first);
    ck_assert(fake_listener_wait_closed(&first));
    on_loop(run_nothing); /* the turn is over */
    ck_assert_int_eq(lefts, 0);
    fake_listener_leave(&second);
    ck_assert(fake_listener_wait_closed(&second));
    on_loop(run_let_all_go); /* nobody is left, and the turn is over */
    ck_assert_int_eq(lefts, 1);
}
END_TEST

START_TEST(a_reader_gives_its_place_back)
{
    ck_assert_int_eq(places_take_reader(&ground.places, "alice"), CHAT_OK);
    on_loop(run_attach_reader);
    ck_assert_int_eq(places_taken(&ground.places), 1);
    on_loop(run_let_all_go);
    ck_assert_int_eq(places_taken(&ground.places), 0);
    ck_assert_int_eq(fake_listener_ends(&first), 0);
}
END_TEST

UNIT_SUITE(relay_audience)
{
    Suite *suite = suite_create("relay_audience");
    TCase *tcase = UNIT_CASE(suite, "attached", all_get_the_text_of_a_turn_in_one_piece_and_then_the_end,
                             who_comes_when_it_is_over_gets_all_and_is_let_go, only_the_last_one_that_leaves_is_told,
                             a_reader_gives_its_place_back);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}

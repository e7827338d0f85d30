/* The event loop by itself. Turns are told apart by posts that post: what is posted while posts run is for the next
 * turn. */
#include "loop/loop.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/fake_wait.h"
#include "unit.h"

enum { THREADS = 4, POSTS = 300, NOTES = 4096 };

static struct manual_clock clock_;
static struct loop loop;
static struct fake_wait wait_for;
static char notes[NOTES]; /* what has run, a letter each */
static size_t noted;
static int fds[2];

static void set_up(void)
{
    manual_clock_init(&clock_, 0);
    loop = (struct loop){0};
    ck_assert(loop_open(&loop, &clock_.clock));
    fake_wait_init(&wait_for);
    memset(notes, 0, sizeof notes);
    noted = 0;
    for (int i = 0; i < 2; i++) fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* readable */
}

static void tear_down(void)
{
    loop_close(&loop);
    fake_wait_fini(&wait_for);
    for (int i = 0; i < 2; i++) close(fds[i]);
}

static void note(char what)
{
    fake_wait_lock(&wait_for);
    if (noted < NOTES - 1) notes[noted++] = what;
    fake_wait_unlock(&wait_for);
}

/* ---- posts ---- */

struct noted_post {
    struct post post;
    char what;
    struct post *then; /* posted when this one runs; NULL: nothing */
};

static void run_note(struct post *post)
{
    struct noted_post *self = LOOP_OWNER(post, struct noted_post, post);

    note(self->what);
    if (self->then) loop_post(&loop, self->then);
}

START_TEST(posts_run_in_the_order_they_came)
{
    struct noted_post posts[26];

    ck_assert(loop_start(&loop));
    for (int i = 0; i < 26; i++) {
        posts[i] = (struct noted_post){.post.run = run_note, .what = (char)('a' + i)};
        loop_post(&loop, &posts[i].post);
    }
    loop_stop(&loop);
    ck_assert_str_eq(notes, "abcdefghijklmnopqrstuvwxyz");
}
END_TEST

START_TEST(what_was_posted_before_the_start_is_run)
{
    struct noted_post first = {.post.run = run_note, .what = '1'}, second = {.post.run = run_note, .what = '2'};

    loop_post(&loop, &first.post);
    loop_post(&loop, &second.post);
    ck_assert(loop_start(&loop));
    loop_stop(&loop);
    ck_assert_str_eq(notes, "12");
}
END_TEST

struct counted_post {
    struct post post;
    int thread, number;
};
static struct counted_post counted[THREADS][POSTS];
static int next_number[THREADS], out_of_order;
static pthread_t ran_on;

static void run_counted(struct post *post)
{
    struct counted_post *self = LOOP_OWNER(post, struct counted_post, post);

    if (self->number != next_number[self->thread]++) out_of_order++;
    ran_on = pthread_self();
}

static void *post_many(void *argument)
{
    struct counted_post *mine = argument;

    for (int i = 0; i < POSTS; i++) loop_post(&loop, &mine[i].post);
    return NULL;
}

START_TEST(posts_of_many_threads_run_once_and_in_each_ones_order)
{
    pthread_t threads[THREADS];

    out_of_order = 0;
    ck_assert(loop_start(&loop));
    for (int i = 0; i < THREADS; i++) {
        next_number[i] = 0;
        for (int k = 0; k < POSTS; k++)
            counted[i][k] = (struct counted_post){.post.run = run_counted, .thread = i, .number = k};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, counted[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_t loop_thread = loop.thread;
    loop_stop(&loop);
    ck_assert_int_eq(out_of_order, 0);
    for (int i = 0; i < THREADS; i++) ck_assert_int_eq(next_number[i], POSTS);
    ck_assert(pthread_equal(ran_on, loop_thread));
}
END_TEST

struct slow_call {
    struct post post;
    atomic_bool over;
};

static void run_slowly(struct post *post)
{
    for (int i = 0; i < 100; i++) sched_yield();
    atomic_store(&LOOP_OWNER(post, struct slow_call, post)->over, true);
}

START_TEST(a_call_returns_when_it_has_run)
{
    static struct slow_call calls[50]; /* outlives a call that doesn't wait */

    ck_assert(loop_start(&loop));
    for (int i = 0; i < 50; i++) {
        calls[i].post.run = run_slowly;
        loop_call(&loop, &calls[i].post);
        ck_assert(atomic_load(&calls[i].over));
    }
    loop_stop(&loop);
}
END_TEST

static void *call_many(void *argument)
{
    for (int i = 0; i < POSTS; i++) {
        struct noted_post call = {.post.run = run_note, .what = *(char *)argument};
        loop_call(&loop, &call.post);
    }
    return NULL;
}

START_TEST(calls_of_many_threads_all_return)
{
    pthread_t threads[THREADS];
    char what = 'c';

    ck_assert(loop_start(&loop));
    for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, call_many, &what), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    loop_stop(&loop);
    ck_assert_uint_eq(noted, THREADS * POSTS);
}
END_TEST

START_TEST(stopping_runs_what_was_posted_before)
{
    static struct counted_post posts[POSTS];

    out_of_order = next_number[0] = 0;
    ck_assert(loop_start(&loop));
    for (int k = 0; k < POSTS; k++) {
        posts[k] = (struct counted_post){.post.run = run_counted, .number = k};
        loop_post(&loop, &posts[k].post);
    }
    loop_stop(&loop);
    ck_assert_int_eq(next_number[0], POSTS);
}
END_TEST

/* ---- the turn's end ---- */

struct noted_end {
    struct turn_end item;
    char what;
    struct noted_end *then; /* queued when this one runs; NULL: nothing */
    enum loop_phase then_phase;
};

static void run_end(struct turn_end *item)
{
    struct noted_end *self = LOOP_OWNER(item, struct noted_end, item);

    note(self->what);
    if (self->then) loop_at_turn_end(&loop, self->then_phase, &self->then->item);
}

struct queueing_post {
    struct noted_post noted; /* first */
    struct {
        enum loop_phase phase;
        struct noted_end *end;
    } queued[6];
};

static void run_queueing(struct post *post)
{
    struct queueing_post *self = (struct queueing_post *)post;

    for (size_t i = 0; i < UNIT_COUNT(self->queued) && self->queued[i].end; i++)
        loop_at_turn_end(&loop, self->queued[i].phase, &self->queued[i].end->item);
    run_note(post);
}

static struct noted_end end_of(char what)
{
    return (struct noted_end){.item.run = run_end, .what = what};
}

/* Until `count` have run; then the loop has ended. */
static void run_until(struct post *post, size_t count)
{
    bool came;

    ck_assert(loop_start(&loop));
    loop_post(&loop, post);
    FAKE_WAIT_UNTIL(&wait_for, noted >= count, came);
    loop_stop(&loop);
    ck_assert(came);
}

START_TEST(a_turn_ends_phase_by_phase_and_the_newest_comes_first)
{
    struct noted_end show = end_of('s'), shown = end_of('S'), settle = end_of('t'), gather = end_of('g'),
                     let_go = end_of('f');
    struct noted_post next = {.post.run = run_note, .what = '2'};
    struct queueing_post post = {.noted = {.post.run = run_queueing, .what = '1', .then = &next.post},
                                 .queued = {{LOOP_FREE, &let_go},
                                            {LOOP_GATHER, &gather},
                                            {LOOP_SHOW, &show},
                                            {LOOP_SETTLE, &settle},
                                            {LOOP_SHOW, &shown}}};

    run_until(&post.noted.post, 7);
    ck_assert_str_eq(notes, "1Sstgf2");
}
END_TEST

START_TEST(what_a_phase_queues_is_run_in_its_turn)
{
    struct noted_end last = end_of('f'), later = end_of('g'), again = end_of('b'), first = end_of('a');
    struct noted_post next = {.post.run = run_note, .what = '2'};
    struct queueing_post post = {.noted = {.post.run = run_queueing, .what = '1', .then = &next.post},
                                 .queued = {{LOOP_SHOW, &first}}};

    first.then = &again; /* of the same phase */
    first.then_phase = LOOP_SHOW;
    again.then = &later;
    again.then_phase = LOOP_GATHER;
    later.then = &last;
    later.then_phase = LOOP_FREE;
    run_until(&post.noted.post, 6);
    ck_assert_str_eq(notes, "1abgf2");
}
END_TEST

START_TEST(what_comes_too_late_for_its_phase_is_run_in_the_next_turn_which_waits_for_nothing)
{
    struct noted_end late = end_of('s'), let_go = end_of('f');
    struct queueing_post post = {.noted = {.post.run = run_queueing, .what = '1'}, .queued = {{LOOP_FREE, &let_go}}};

    let_go.then = &late;
    let_go.then_phase = LOOP_SHOW;
    run_until(&post.noted.post, 3); /* no event comes, and no timer */
    ck_assert_str_eq(notes, "1fs");
}
END_TEST

START_TEST(what_is_queued_twice_is_run_once)
{
    struct noted_end show = end_of('s'), other = end_of('o');
    struct noted_post next = {.post.run = run_note, .what = '2'};
    struct queueing_post post = {.noted = {.post.run = run_queueing, .what = '1', .then = &next.post},
                                 .queued = {{LOOP_SHOW, &show}, {LOOP_SHOW, &other}, {LOOP_SHOW, &show}}};

    run_until(&post.noted.post, 4);
    ck_assert_str_eq(notes, "1os2");
}
END_TEST

START_TEST(the_last_turn_has_its_end_too)
{
    struct noted_end let_go = end_of('f');
    struct queueing_post post = {.noted = {.post.run = run_queueing, .what = '1'}, .queued = {{LOOP_FREE, &let_go}}};

    loop_post(&loop, &post.noted.post);
    ck_assert(loop_start(&loop));
    loop_stop(&loop);
    ck_assert_str_eq(notes, "1f");
}
END_TEST

/* ---- watches and timers ---- */

struct noted_watch {
    struct watch watch; /* first: freed as its watch */
    struct noted_watch *other;
};
static struct noted_watch *watches[2];

/* The first that hears anything ends both. */
static void end_both(struct watch *self, uint32_t events)
{
    note(events & EPOLLIN ? 'e' : '?');
    loop_unwatch(&loop, &((struct noted_watch *)self)->other->watch);
    loop_unwatch(&loop, self);
    loop_unwatch(&loop, self); /* a dead one is fine */
}

static void watch_both(struct post *post)
{
    for (int i = 0; i < 2; i++) {
        watches[i] = calloc(1, sizeof *watches[i]);
        if (!watches[i]) abort();
        watches[i]->watch = (struct watch){.on_event = end_both, .fd = fds[i]};
    }
    for (int i = 0; i < 2; i++) {
        watches[i]->other = watches[1 - i];
        if (!loop_watch(&loop, &watches[i]->watch, EPOLLIN)) abort();
    }
    run_note(post);
}

START_TEST(a_watch_that_died_in_a_turn_gets_no_event)
{
    struct noted_post third = {.post.run = run_note, .what = '3'};
    struct noted_post second = {.post.run = run_note, .what = '2', .then = &third.post};
    struct noted_post first = {.post.run = watch_both, .what = '1', .then = &second.post};

    run_until(&first.post, 4); /* both are readable from the first turn on */
    ck_assert_uint_eq(noted, 4);
    ck_assert_int_eq(notes[0], '1');
    ck_assert_ptr_nonnull(strchr(notes, 'e'));
    ck_assert_ptr_eq(strchr(notes, 'e'), strrchr(notes, 'e'));
}
END_TEST

static void rest_at_once(struct watch *self, uint32_t events)
{
    (void)events;
    note('e');
    loop_rest(&loop, self);
}

static struct noted_watch *one;

static void watch_one(struct post *post)
{
    run_note(post);
    if (!one) one = calloc(1, sizeof *one);
    if (!one) abort();
    one->watch.on_event = rest_at_once;
    one->watch.fd = fds[0];
    if (!loop_watch(&loop, &one->watch, EPOLLIN)) abort();
}

static void unwatch_one(struct post *post)
{
    run_note(post);
    loop_unwatch(&loop, &one->watch);
}

START_TEST(a_watch_that_rests_hears_again_when_it_is_watched_again)
{
    struct noted_post begin = {.post.run = watch_one, .what = '1'}, again = {.post.run = watch_one, .what = '2'},
                      over = {.post.run = unwatch_one, .what = '3'};
    bool came;

    one = NULL;
    ck_assert(loop_start(&loop));
    loop_call(&loop, &begin.post);
    FAKE_WAIT_UNTIL(&wait_for, noted == 2, came);
    ck_assert(came);
    loop_call(&loop, &again.post);
    FAKE_WAIT_UNTIL(&wait_for, noted == 4, came);
    ck_assert(came);
    loop_call(&loop, &over.post);
    loop_stop(&loop);
    ck_assert_str_eq(notes, "1e2e3");
}
END_TEST

static struct timer timer;
static struct noted_end shown;
static int64_t seen_ms[2];

static void fire(void *owner)
{
    (void)owner;
    note('t');
    loop_at_turn_end(&loop, LOOP_SHOW, &shown.item);
}

static void set_timer(struct post *post)
{
    seen_ms[0] = loop.now_ms;
    manual_clock_advance(&clock_, 50); /* of this turn nothing changes */
    seen_ms[1] = loop.now_ms;
    timer = (struct timer){.fire = fire};
    if (!timer_set(&loop.timers, &timer, loop.now_ms)) abort();
    run_note(post);
}

START_TEST(timers_come_after_events_and_before_the_end_and_a_turn_has_one_time)
{
    struct noted_post next = {.post.run = run_note, .what = '2'};
    struct noted_post first = {.post.run = set_timer, .what = '1', .then = &next.post};

    shown = end_of('s');
    run_until(&first.post, 4);
    ck_assert_str_eq(notes, "1ts2");
    ck_assert_int_eq(seen_ms[1], seen_ms[0]);
    ck_assert_int_eq(loop.now_ms, seen_ms[0] + 50);
}
END_TEST

START_TEST(closing_what_was_never_opened_is_fine)
{
    struct loop none = {0};

    loop_close(&none);
}
END_TEST

static void work_for_2_ms(struct post *post)
{
    struct timespec now, began;

    (void)post;
    clock_gettime(CLOCK_MONOTONIC, &began);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - began.tv_sec) * 1000000000L + now.tv_nsec - began.tv_nsec < 2000000L);
}

static void do_nothing(struct post *post)
{
    (void)post;
}

START_TEST(what_turns_take_is_added_up)
{
    struct post work = {.run = work_for_2_ms}, nothing = {.run = do_nothing};

    ck_assert(loop_start(&loop));
    loop_call(&loop, &work);
    loop_call(&loop, &nothing); /* the turn before is over */
    loop_stop(&loop);
    ck_assert_int_ge(loop.busy_us, 2000);
}
END_TEST

UNIT_SUITE(loop)
{
    Suite *suite = suite_create("loop");
    TCase *cases[] = {
        UNIT_CASE(suite, "posts", posts_run_in_the_order_they_came, what_was_posted_before_the_start_is_run,
                  posts_of_many_threads_run_once_and_in_each_ones_order, a_call_returns_when_it_has_run,
                  calls_of_many_threads_all_return, stopping_runs_what_was_posted_before),
        UNIT_CASE(suite, "the turn's end", a_turn_ends_phase_by_phase_and_the_newest_comes_first,
                  what_a_phase_queues_is_run_in_its_turn,
                  what_comes_too_late_for_its_phase_is_run_in_the_next_turn_which_waits_for_nothing,
                  what_is_queued_twice_is_run_once, the_last_turn_has_its_end_too),
        UNIT_CASE(suite, "watches and timers", a_watch_that_died_in_a_turn_gets_no_event,
                  a_watch_that_rests_hears_again_when_it_is_watched_again,
                  timers_come_after_events_and_before_the_end_and_a_turn_has_one_time, what_turns_take_is_added_up,
                  closing_what_was_never_opened_is_fine),
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        tcase_add_checked_fixture(cases[i], set_up, tear_down);
    }
    return suite;
}

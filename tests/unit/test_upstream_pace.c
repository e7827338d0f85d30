/* When streams are read: the pace of a loop, and which streams it holds for. The loop is a struct whose time the test
 * sets; nothing runs. */
#include "upstream/pace.h"

#include "metrics/metrics.h"

#include "unit.h"

enum { MAX_MS = 16, MANY = 100, START_MS = 1000000 };

struct stream {
    struct paced paced;
    struct pace *pace;
    int readings;
    unsigned brings; /* chunks a reading */
};

static struct loop loop;
static struct pace pace;
static struct stream streams[MANY];
static int busy_permille;

/* The loop is busy for its part of that time. */
static void pass(int64_t ms)
{
    loop.now_ms += ms;
    loop.busy_us += ms * busy_permille;
}

static void read_stream(struct paced *paced)
{
    struct stream *stream = LOOP_OWNER(paced, struct stream, paced);
    stream->readings++;
    pace_took(stream->pace, paced, stream->brings);
}

static void set_up(void)
{
    loop = (struct loop){.now_ms = START_MS};
    pace_open(&pace, &loop, MAX_MS);
    for (int i = 0; i < MANY; i++) streams[i] = (struct stream){.paced.read = read_stream, .pace = &pace, .brings = 1};
}

static void tear_down(void)
{
    for (int i = 0; i < MANY; i++) pace_leave(&pace, &streams[i].paced);
    pace_close(&pace);
    timers_fini(&loop.timers);
}

/* A turn at that time: timers, then what is queued for its end. */
static void turn(int64_t now_ms)
{
    struct timer *due;
    struct turn_end *item;

    pass(now_ms - loop.now_ms);
    while ((due = timers_take_due(&loop.timers, now_ms))) due->fire(due->owner);
    while ((item = loop.at_end[LOOP_FREE])) {
        loop.at_end[LOOP_FREE] = item->next;
        item->due = false;
        item->run(item);
    }
}

/* The loop is busy for that part from now on; after 100 ms a reading has shown it. */
static void be_busy(int permille)
{
    busy_permille = permille;
    pass(100);
    pace_took(&pace, &streams[MANY - 1].paced, 1);
}

static bool read_after(struct stream *stream, int ms)
{
    pass(ms);
    return pace_took(&pace, &stream->paced, stream->brings);
}

static void make_flow(struct stream *stream)
{
    for (int i = 0; i < 3; i++) ck_assert(!read_after(stream, 4));
    ck_assert(read_after(stream, 4));
}

START_TEST(the_pace_grows_with_what_the_loop_would_have_to_do)
{
    ck_assert_int_eq(pace_for(0, 100, 16), 0);
    ck_assert_int_eq(pace_for(100, 100, 16), 0);
    ck_assert_int_eq(pace_for(200, 100, 16), 8);
    ck_assert_int_eq(pace_for(300, 100, 16), 16);
    ck_assert_int_eq(pace_for(1000, 100, 16), 16);
    ck_assert_int_eq(pace_for(300, 100, 0), 0);
    /* paced, it has less to do: that isn't why it may stop */
    ck_assert_int_eq(pace_for(75, 400, 16), 16);
    ck_assert_int_eq(pace_for(50, 400, 16), 8);
    ck_assert_int_eq(pace_for(25, 400, 16), 0);
    /* readings that bring less count as one */
    ck_assert_int_eq(pace_for(300, 10, 16), 16);
}
END_TEST

/* That many come at once is no sign that they were gathered. */
START_TEST(a_provider_that_sends_many_chunks_at_once_is_not_taken_for_a_busy_loop)
{
    streams[0].brings = streams[MANY - 1].brings = 8;
    for (int i = 0; i < 40; i++) read_after(&streams[0], 4);
    busy_permille = 50;
    for (int i = 0; i < 50; i++) {
        ck_assert(!read_after(&streams[0], 4));
        ck_assert_int_eq(pace.now_ms, 0);
    }
    busy_permille = 400;
    for (int i = 0; i < 60; i++) read_after(&streams[0], 4);
    ck_assert_int_eq(pace.now_ms, MAX_MS);
}
END_TEST

START_TEST(an_idle_loop_paces_nobody)
{
    be_busy(50);
    for (int i = 0; i < 20; i++) ck_assert(!read_after(&streams[0], 4));
    ck_assert_ptr_null(pace.first);
}
END_TEST

START_TEST(first_text_and_text_after_quiet_wait_for_nothing)
{
    be_busy(900);
    ck_assert_int_eq(pace.now_ms, MAX_MS);
    for (int i = 0; i < 3; i++) ck_assert(!read_after(&streams[0], 4));
    /* quiet: it begins anew */
    ck_assert(!read_after(&streams[0], 32));
    for (int i = 0; i < 2; i++) ck_assert(!read_after(&streams[0], 31));
    ck_assert(!streams[0].paced.on);
    ck_assert(read_after(&streams[0], 31));
}
END_TEST

START_TEST(a_stream_that_flows_is_read_once_a_pace)
{
    be_busy(900);
    make_flow(&streams[0]);
    int64_t from_ms = loop.now_ms;
    for (int64_t ms = from_ms; ms < from_ms + 200; ms++) turn(ms);
    ck_assert_int_ge(streams[0].readings, 200 / MAX_MS);
    ck_assert_int_le(streams[0].readings, 200 / (MAX_MS - 4));
}
END_TEST

START_TEST(one_that_falls_quiet_waits_for_events_again)
{
    be_busy(900);
    make_flow(&streams[0]);
    streams[0].brings = 0;
    int64_t last_ms = loop.now_ms;
    while (streams[0].paced.on) turn(streams[0].paced.due_ms);
    ck_assert_int_ge(loop.now_ms - last_ms, 32);
    ck_assert_int_lt(loop.now_ms - last_ms, 32 + MAX_MS);
    ck_assert_ptr_null(pace.first);
    /* a single empty one isn't quiet */
    streams[0].brings = 1;
    be_busy(900);
    make_flow(&streams[0]);
    streams[0].brings = 0;
    turn(streams[0].paced.due_ms);
    streams[0].brings = 1;
    turn(streams[0].paced.due_ms);
    ck_assert(streams[0].paced.on);
}
END_TEST

START_TEST(when_nobody_is_paced_any_more_the_gauge_shows_no_pace)
{
    int64_t before = metrics->gauges.pace_ms;
    be_busy(900);
    ck_assert_int_eq(metrics->gauges.pace_ms - before, MAX_MS);
    make_flow(&streams[0]);
    streams[0].brings = 0;
    while (streams[0].paced.on) turn(streams[0].paced.due_ms);
    ck_assert_int_eq(metrics->gauges.pace_ms, before);
}
END_TEST

START_TEST(a_short_pace_is_no_longer_than_it_says)
{
    pace_close(&pace);
    pace_open(&pace, &loop, 1);
    be_busy(900);
    ck_assert_int_eq(pace.now_ms, 1);
    make_flow(&streams[0]);
    ck_assert_int_eq(streams[0].paced.due_ms, loop.now_ms + 1);
}
END_TEST

START_TEST(when_the_loop_has_time_again_all_wait_for_events)
{
    be_busy(900);
    make_flow(&streams[0]);
    be_busy(10);
    be_busy(10);
    ck_assert_int_eq(pace.now_ms, 0);
    ck_assert(streams[0].paced.on);
    turn(streams[0].paced.due_ms);
    ck_assert(!streams[0].paced.on);
}
END_TEST

START_TEST(a_turn_reads_no_more_than_its_bound_and_the_next_one_goes_on)
{
    be_busy(900);
    for (int i = 0; i < MANY - 1; i++) streams[i].paced.soon = 3;
    for (int i = 0; i < MANY - 1; i++) ck_assert(read_after(&streams[i], 0) == false);
    for (int i = 0; i < MANY - 1; i++) streams[i].paced.soon = 3;
    for (int i = 0; i < MANY - 1; i++) ck_assert(read_after(&streams[i], 0));
    int64_t due_ms = streams[0].paced.due_ms;
    int read = 0;
    turn(due_ms);
    for (int i = 0; i < MANY; i++) read += streams[i].readings;
    ck_assert_int_eq(read, 64);
    ck_assert_int_eq(timers_wait_ms(&loop.timers, due_ms), 0);
    turn(due_ms);
    for (int i = 0; i < MANY - 1; i++) ck_assert_int_eq(streams[i].readings, 1);
}
END_TEST

START_TEST(the_list_stays_in_order_when_the_pace_falls)
{
    be_busy(900);
    make_flow(&streams[0]);
    for (int i = 0; i < 3; i++) read_after(&streams[1], 4);
    pace.now_ms = 4;
    ck_assert(read_after(&streams[1], 0));
    ck_assert_ptr_eq(pace.first, &streams[0].paced);
    ck_assert_int_ge(streams[1].paced.due_ms, streams[0].paced.due_ms);
    pace_leave(&pace, &streams[0].paced);
    pace_leave(&pace, &streams[0].paced);
    ck_assert_ptr_eq(pace.first, &streams[1].paced);
    ck_assert_ptr_eq(pace.last, &streams[1].paced);
}
END_TEST

START_TEST(without_a_bound_nobody_is_paced)
{
    pace_close(&pace);
    pace_open(&pace, &loop, 0);
    be_busy(900);
    for (int i = 0; i < 20; i++) ck_assert(!read_after(&streams[0], 4));
}
END_TEST

UNIT_SUITE(upstream_pace)
{
    Suite *suite = suite_create("upstream_pace");
    TCase *tcase =
        UNIT_CASE(suite, "pace", the_pace_grows_with_what_the_loop_would_have_to_do,
                  a_provider_that_sends_many_chunks_at_once_is_not_taken_for_a_busy_loop, an_idle_loop_paces_nobody,
                  first_text_and_text_after_quiet_wait_for_nothing, a_stream_that_flows_is_read_once_a_pace,
                  one_that_falls_quiet_waits_for_events_again, when_nobody_is_paced_any_more_the_gauge_shows_no_pace,
                  a_short_pace_is_no_longer_than_it_says, when_the_loop_has_time_again_all_wait_for_events,
                  a_turn_reads_no_more_than_its_bound_and_the_next_one_goes_on,
                  the_list_stays_in_order_when_the_pace_falls, without_a_bound_nobody_is_paced);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}

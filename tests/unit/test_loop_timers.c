#include "loop/timers.h"

#include <stdlib.h>

#include "unit.h"

enum { TIMERS = 500, STEPS = 20000 };

START_TEST(the_earliest_comes_first_and_only_when_due)
{
    struct timers timers = {0};
    struct timer late = {.owner = &late}, early = {.owner = &early};

    ck_assert_int_eq(timers_wait_ms(&timers, 0), -1);
    ck_assert_ptr_null(timers_take_due(&timers, 1000));
    ck_assert(timer_set(&timers, &late, 200) && timer_set(&timers, &early, 100));
    ck_assert_int_eq(timers_wait_ms(&timers, 40), 60);
    ck_assert_int_eq(timers_wait_ms(&timers, 100), 0);
    ck_assert_int_eq(timers_wait_ms(&timers, 150), 0);
    ck_assert_ptr_null(timers_take_due(&timers, 99));
    ck_assert_ptr_eq(timers_take_due(&timers, 100)->owner, &early);
    ck_assert_ptr_null(timers_take_due(&timers, 199));
    ck_assert_ptr_eq(timers_take_due(&timers, 500), &late);
    ck_assert_uint_eq(late.slot, 0);
    timers_fini(&timers);
}
END_TEST

START_TEST(a_timer_is_moved_by_setting_it_again)
{
    struct timers timers = {0};
    struct timer one = {0}, two = {0};

    ck_assert(timer_set(&timers, &one, 100) && timer_set(&timers, &two, 200) && timer_set(&timers, &one, 300));
    ck_assert_uint_eq(timers.count, 2);
    ck_assert_ptr_eq(timers_take_due(&timers, 300), &two);
    ck_assert_ptr_eq(timers_take_due(&timers, 300), &one);
    timers_fini(&timers);
}
END_TEST

START_TEST(a_cleared_timer_never_comes)
{
    struct timers timers = {0};
    struct timer one = {0}, two = {0};

    timer_clear(&timers, &one); /* not set: nothing happens */
    ck_assert(timer_set(&timers, &one, 100) && timer_set(&timers, &two, 200));
    timer_clear(&timers, &one);
    timer_clear(&timers, &one);
    ck_assert_ptr_eq(timers_take_due(&timers, 300), &two);
    ck_assert_ptr_null(timers_take_due(&timers, 300));
    timers_fini(&timers);
}
END_TEST

/* Against a list that is searched from end to end. */
START_TEST(random_sets_and_clears_come_out_as_in_a_sorted_list)
{
    static struct timer all[TIMERS];
    static int64_t model[TIMERS]; /* -1: not set */
    struct timers timers = {0};
    int64_t now_ms = 0;

    srandom(20260131);
    for (int i = 0; i < TIMERS; i++) {
        all[i] = (struct timer){.owner = &model[i]};
        model[i] = -1;
    }
    for (int step = 0; step < STEPS; step++) {
        int which = (int)(random() % TIMERS);
        int64_t earliest = -1;

        switch (random() % 4) {
        case 0:
        case 1:
            model[which] = now_ms + random() % 1000;
            ck_assert(timer_set(&timers, &all[which], model[which]));
            break;
        case 2:
            model[which] = -1;
            timer_clear(&timers, &all[which]);
            break;
        case 3: now_ms += random() % 5; break;
        }
        for (int i = 0; i < TIMERS; i++)
            if (model[i] >= 0 && (earliest < 0 || model[i] < earliest)) earliest = model[i];
        ck_assert_int_eq(timers_wait_ms(&timers, now_ms), earliest < 0        ? -1
                                                          : earliest > now_ms ? earliest - now_ms
                                                                              : 0);
        for (struct timer *due; (due = timers_take_due(&timers, now_ms));) {
            int64_t *at = due->owner;

            ck_assert_int_eq(due->at_ms, *at);
            ck_assert_int_eq(*at, earliest);
            *at = -1;
            earliest = -1;
            for (int i = 0; i < TIMERS; i++)
                if (model[i] >= 0 && (earliest < 0 || model[i] < earliest)) earliest = model[i];
        }
        ck_assert(earliest < 0 || earliest > now_ms);
    }
    timers_fini(&timers);
}
END_TEST

UNIT_SUITE(loop_timers)
{
    Suite *suite = suite_create("loop_timers");
    TCase *tcase =
        UNIT_CASE(suite, "heap", the_earliest_comes_first_and_only_when_due, a_timer_is_moved_by_setting_it_again,
                  a_cleared_timer_never_comes, random_sets_and_clears_come_out_as_in_a_sorted_list);

    tcase_set_timeout(tcase, 60);
    return suite;
}

/* A walk along all that is registered goes on while others come and go. */
#include "relay/registry.h"

#include <string.h>

#include "unit.h"

static struct registry registry;
static struct registered items[4];
static const char *const ids[] = {"a", "b", "c", "d"};

static void set_up(void)
{
    memset(&registry, 0, sizeof registry);
    for (size_t i = 0; i < UNIT_COUNT(items); i++) {
        items[i] = (struct registered){.answer_id = ids[i]};
        if (i < 3) registry_add(&registry, &items[i]);
    }
}
static void tear_down(void) {}

START_TEST(a_walk_meets_all_the_newest_first)
{
    registry_walk_begin(&registry);
    for (int i = 2; i >= 0; i--) ck_assert_ptr_eq(registry_walk(&registry), &items[i]);
    ck_assert_ptr_null(registry_walk(&registry));
    ck_assert_ptr_null(registry_walk(&registry));
}
END_TEST

START_TEST(a_walk_leaves_out_what_goes_before_its_turn)
{
    registry_walk_begin(&registry);
    ck_assert_ptr_eq(registry_walk(&registry), &items[2]);
    registry_remove(&registry, &items[1]);
    registry_remove(&registry, &items[2]); /* which it has met */
    registry_add(&registry, &items[3]);
    ck_assert_ptr_eq(registry_walk(&registry), &items[0]);
    registry_remove(&registry, &items[0]);
    ck_assert_ptr_null(registry_walk(&registry));
}
END_TEST

UNIT_SUITE(relay_registry)
{
    Suite *suite = suite_create("relay_registry");
    TCase *tcase =
        UNIT_CASE(suite, "walk", a_walk_meets_all_the_newest_first, a_walk_leaves_out_what_goes_before_its_turn);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}

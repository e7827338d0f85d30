/* Trace ids: taken, made, passed on. */
#include "base/trace.h"

#include <string.h>

#include "unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

START_TEST(a_traceparent_gives_its_trace_and_a_span_of_ours)
{
    struct trace trace;
    char out[TRACEPARENT_SIZE];
    trace_take(&trace, "00-" TRACE "-" SPAN "-01", NULL);
    ck_assert_str_eq(trace.trace_id, TRACE);
    ck_assert_str_ne(trace.span_id, SPAN);
    ck_assert_uint_eq(strlen(trace.span_id), 16);
    trace_format(&trace, out);
    ck_assert_uint_eq(strlen(out), 55);
    ck_assert(strncmp(out, "00-" TRACE "-", 36) == 0);
    ck_assert_str_eq(out + 52, "-01");
    trace_take(&trace, "00-" TRACE "-" SPAN "-00", NULL);
    ck_assert(!trace.sampled);
    trace_take(&trace, "01-" TRACE "-" SPAN "-03-later", NULL);
    ck_assert_str_eq(trace.trace_id, TRACE);
}
END_TEST

START_TEST(what_is_no_traceparent_is_left_out)
{
    static const char *const bad[] = {"",
                                      "00",
                                      "00-" TRACE "-" SPAN,
                                      "ff-" TRACE "-" SPAN "-01",
                                      "00-" TRACE "-" SPAN "-01-more",
                                      "00-" TRACE "-" SPAN "-0x",
                                      "00-00000000000000000000000000000000-" SPAN "-01",
                                      "00-" TRACE "-0000000000000000-01",
                                      "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
                                      "00_" TRACE "-" SPAN "-01"};
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        struct trace trace;
        char out[TRACEPARENT_SIZE];
        trace_take(&trace, bad[i], NULL);
        ck_assert_msg(!trace.trace_id[0], "taken: %s", bad[i]);
        trace_format(&trace, out);
        ck_assert_str_eq(out, "");
    }
}
END_TEST

START_TEST(a_request_id_of_32_hex_digits_is_a_trace_id_too)
{
    struct trace trace;
    trace_take(&trace, NULL, TRACE);
    ck_assert_str_eq(trace.trace_id, TRACE);
    trace_take(&trace, "nonsense", "my-own-id");
    ck_assert_str_eq(trace.trace_id, "");
}
END_TEST

UNIT_SUITE(base_trace)
{
    Suite *suite = suite_create("base_trace");
    UNIT_CASE(suite, "traceparent", a_traceparent_gives_its_trace_and_a_span_of_ours,
              what_is_no_traceparent_is_left_out, a_request_id_of_32_hex_digits_is_a_trace_id_too);
    return suite;
}

#include "usecases/leave_place.h"

#include "metrics/metrics.h"

void leave_place_tell(const struct chat_ports *ports, struct leaving *leaving)
{
    if (!leaving->told && leaving->breaker)
        shared_breaker_report(ports->breaker, leaving->breaker, leaving->outcome, leaving->rest_s);
    leaving->told = true;
}

/* A breaker at rest has nothing that a success could change, and waits for no trial. */
static bool may_be_no_news(const struct leaving *leaving)
{
    bool says_little = leaving->outcome == BREAKER_SUCCESS || leaving->outcome == BREAKER_NEITHER;
    return leaving->breaker && leaving->breaker->shared && says_little;
}

enum chat_error leave_place(const struct chat_ports *ports, struct leaving *leaving, bool refund, struct settled *out)
{
    if (!may_be_no_news(leaving)) leave_place_tell(ports, leaving);
    enum chat_error error = admission_settle(ports->admission, leaving->ticket, refund, out);
    if (error == CHAT_OK && out->known && out->breaker_at_rest) leaving->told = true;
    leave_place_tell(ports, leaving);
    if (error == CHAT_OK && refund && leaving->ticket->daily_counted)
        metrics_add(&metrics->counters.quota[QUOTA_GIVEN_BACK], (uint64_t)admission_units(leaving->ticket));
    return error;
}

/* The counterpart of take_place, for when the provider is no longer needed: it ends the lease, and reports to the
 * breaker. The place in the relay isn't given back here: the relay does that when the answer or the completion goes. A
 * job thread, or the thread of whoever ends an answer whose process died. */
#ifndef USECASES_LEAVE_PLACE_H
#define USECASES_LEAVE_PLACE_H

#include "usecases/ports.h"

struct leaving {
    const struct admission_ticket *ticket;
    const struct breaker_ticket *breaker; /* NULL: another caller reports */
    enum breaker_outcome outcome;
    int64_t rest_s; /* of BREAKER_BUSY */
    bool told;      /* in, out: the breaker has its report */
};

/* Ends the lease, and reports to the breaker. A failure or a 429 is reported first. Anything else is reported after the
 * lease has ended, and only if the breaker was not at rest: one step of the store in the usual case. `refund` and *out
 * as in settle. CHAT_ERR_REDIS_UNAVAILABLE: the lease may not have ended; call again. */
enum chat_error leave_place(const struct chat_ports *ports, struct leaving *leaving, bool refund,
                            struct settled *out) MUST_CHECK;
/* For a caller that can't leave yet: reports to the breaker alone, once. */
void leave_place_tell(const struct chat_ports *ports, struct leaving *leaving);

#endif

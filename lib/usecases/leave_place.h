/* The counterpart of take_place, once the provider is done with: the lease ends, and the breaker hears how it went. */
#ifndef USECASES_LEAVE_PLACE_H
#define USECASES_LEAVE_PLACE_H

#include "usecases/ports.h"

struct leaving {
    const struct admission_ticket *ticket;
    const struct breaker_ticket *breaker; /* NULL: it is somebody else's to tell */
    enum breaker_outcome outcome;
    int64_t rest_s; /* of BREAKER_BUSY */
    bool told;      /* in, out: the breaker knows */
};

/* Tells the breaker of a failure or a 429 at once, and of anything else where it would have been news, after the lease
 * has ended: one step of the store in the usual case. CHAT_ERR_QUOTA_UNAVAILABLE: the lease may not have ended, call
 * again.
 */
enum chat_error leave_place(const struct chat_ports *ports, struct leaving *leaving, bool refund,
                            struct settled *out) MUST_CHECK;
/* For who can't leave yet: tells the breaker alone, once. */
void leave_place_tell(const struct chat_ports *ports, struct leaving *leaving);

#endif

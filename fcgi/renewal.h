/*
 * Renews the leases of all live answers, a few at a time: thousands at once are a burst that chunks wait for.
 * One thread's.
 */
#ifndef FCGI_RENEWAL_H
#define FCGI_RENEWAL_H

#include <stdbool.h>

#include "usecases/admission.h"

enum { RENEWAL_STEPS = 20 }; /* a round of them */

struct renewal {
    struct admission_ticket *tickets;       /* NULL: all are renewed */
    const struct admission_ticket **leases; /* each of these */
    size_t count, done;
};

/* Begins a round; what the last one left is forgotten. `tickets` is the renewal's to free. */
void renewal_begin(struct renewal *renewal, struct admission_ticket *tickets, size_t count);
/* A step of it; `rest`: all that is left. A store that fails ends the round: the next is soon. */
void renewal_step(struct renewal *renewal, struct admission *admission, bool rest);
bool renewal_is_over(const struct renewal *renewal);
void renewal_end(struct renewal *renewal);

#endif

/*
 * Renews the leases of all live answers and completions, in rounds of RENEWAL_STEPS steps: thousands of leases at once
 * would be a burst that chunks wait for. Used by one thread, a worker's first (upkeep.c).
 */
#ifndef FCGI_RENEWAL_H
#define FCGI_RENEWAL_H

#include <stdbool.h>

#include "usecases/admission.h"

enum { RENEWAL_STEPS = 20 }; /* in a round */

/* All zero is one whose round is over. */
struct renewal {
    struct admission_ticket *tickets;       /* of this round; owned; NULL: the round is over */
    const struct admission_ticket **leases; /* one pointer to each ticket, as `renew` takes them */
    size_t count, done;                     /* tickets; those that are renewed */
};

/* Begins a round; what the last one left is dropped. Takes `tickets`, which is malloc'ed (NULL: none). */
void renewal_begin(struct renewal *renewal, struct admission_ticket *tickets, size_t count);
/* Makes a step of the round; with `rest`, all that is left of it. If the store fails, the round is over: the next one
 * comes soon. */
void renewal_step(struct renewal *renewal, struct admission *admission, bool rest);
bool renewal_is_over(const struct renewal *renewal);
/* Frees what the round holds. */
void renewal_end(struct renewal *renewal);

#endif

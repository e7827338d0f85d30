#include "fcgi/renewal.h"

#include <stdlib.h>

#include "base/log.h"

void renewal_end(struct renewal *renewal)
{
    free(renewal->leases);
    free(renewal->tickets);
    *renewal = (struct renewal){.count = 0};
}

void renewal_begin(struct renewal *renewal, struct admission_ticket *tickets, size_t count)
{
    renewal_end(renewal);
    renewal->tickets = tickets;
    renewal->leases = calloc(count ? count : 1, sizeof *renewal->leases);
    if (!renewal->leases) return; /* the next time */
    for (size_t i = 0; i < count; i++) renewal->leases[i] = &tickets[i];
    renewal->count = count;
}

void renewal_step(struct renewal *renewal, struct admission *admission, bool rest)
{
    size_t left = renewal->count - renewal->done, step = renewal->count / RENEWAL_STEPS + 1;
    size_t count = rest || left < step ? left : step;
    bool fine = count == 0 || admission_renew(admission, renewal->leases + renewal->done, count) == CHAT_OK;
    if (!fine) log_write(LOG_WARN, "leases_not_renewed", LOG_INT("count", left));
    renewal->done += count;
    if (!fine || count == left) renewal_end(renewal);
}

bool renewal_is_over(const struct renewal *renewal)
{
    return !renewal->tickets;
}

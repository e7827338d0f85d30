/*
 * What a worker's first thread does beside taking signals, as long as the process lives: it says that the process
 * lives, renews the leases of live answers and completions, and gives memory back. It never waits for Postgres (that is
 * the keeper's, keeper.h); a call of Redis is bounded in time.
 */
#ifndef FCGI_UPKEEP_H
#define FCGI_UPKEEP_H

#include "fcgi/stores.h"
#include "relay/relay.h"

struct upkeep;
/* Takes a base and a relay, both borrowed. Opens stores of its own. Returns what the calls below take; NULL: out of
 * memory. The first thread owns it: it makes all of these calls. */
struct upkeep *upkeep_open(const struct stores_base *base, struct relay *relay);
/* Does what is due. Returns in how many milliseconds more will be. */
int upkeep_turn(struct upkeep *upkeep);
/* Before what may take some seconds: says now that the process lives, and renews all leases. */
void upkeep_turn_now(struct upkeep *upkeep);
/* At the very end, once nothing is gathered any more and the keeper has ended: counts the use that is left. This takes
 * some seconds if Postgres is away; what can't be written is lost (that is logged). NULL is fine. */
void upkeep_count_use(struct upkeep *upkeep);
/* Frees it. NULL is fine. */
void upkeep_close(struct upkeep *upkeep);

#endif

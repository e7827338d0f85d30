/* For a client that is given nothing more until it takes something: it has 30 s. Any byte that it takes begins the wait
 * anew: the kernel tells of room only once most of what it holds is taken, so every few seconds the client is looked at
 * (its connection's `took`). */
#ifndef RELAY_PATIENCE_H
#define RELAY_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t since_ms, looked_ms;
};

/* It waits from now on, or has taken something. */
void patience_begin(struct patience *patience, int64_t now_ms);
/* When to look. */
int64_t patience_next_ms(const struct patience *patience);
/* After looking: whether it has taken nothing for too long. */
bool patience_over(struct patience *patience, bool took, int64_t now_ms);

#endif

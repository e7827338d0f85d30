/*
 * How long a client that is behind may take nothing: 30 s. Any byte that it takes begins the wait anew. epoll reports
 * room only when the client has taken most of what the kernel holds. So every 5 s the owner asks the connection whether
 * any byte was taken (`took`). Owners are listeners, completions and replies made step by step; the loop's thread.
 */
#ifndef RELAY_PATIENCE_H
#define RELAY_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t since_ms, looked_ms;
};

/* The wait begins: the client is behind from now on, or has just taken something. */
void patience_begin(struct patience *patience, int64_t now_ms);
/* Returns when the owner is to ask `took` next. */
int64_t patience_next_ms(const struct patience *patience);
/* Takes what `took` said. true: the client has taken nothing for too long, and is to be let go. */
bool patience_over(struct patience *patience, bool took, int64_t now_ms);

#endif

#include "relay/patience.h"

enum { PATIENCE_MS = 30000, LOOK_MS = 5000 };

void patience_begin(struct patience *patience, int64_t now_ms)
{
    *patience = (struct patience){.since_ms = now_ms, .looked_ms = now_ms};
}

int64_t patience_next_ms(const struct patience *patience)
{
    return patience->looked_ms + LOOK_MS;
}

bool patience_over(struct patience *patience, bool took, int64_t now_ms)
{
    if (took) patience->since_ms = now_ms;
    patience->looked_ms = now_ms;
    return now_ms - patience->since_ms >= PATIENCE_MS;
}

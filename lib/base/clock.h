/* A clock as a parameter, so that tests move the time instead of waiting. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(const struct clock *self);           /* milliseconds since 1970-01-01 UTC */
    int64_t (*mono_ms)(const struct clock *self);           /* never goes back; origin unspecified */
    void (*sleep_ms)(const struct clock *self, int64_t ms); /* blocks the thread; a manual clock is moved instead */
};

static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock);
}
static inline int64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_ms(clock);
}

static inline void clock_sleep_ms(const struct clock *clock, int64_t ms)
{
    clock->sleep_ms(clock, ms);
}

/* Returns the machine's clock. Static; any thread. */
const struct clock *clock_system(void);

/* A clock that moves only when a test moves it. */
struct manual_clock {
    struct clock clock;
    int64_t now_wall_ms;
    int64_t now_mono_ms;
};
void manual_clock_init(struct manual_clock *clock, int64_t wall_ms);
void manual_clock_advance(struct manual_clock *clock, int64_t by_ms);

#define CLOCK_RFC3339_SIZE 25 /* "2026-01-31T12:00:00.000Z" and NUL */
/* Years 1970-9999; others are clamped. */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/* Reads only the form above. */
bool clock_parse_rfc3339(const char *text, int64_t *wall_ms);

#endif

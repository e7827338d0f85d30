#include "base/clock.h"

#include <time.h>

enum { DAY_MS = 86400000 };
#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(const struct clock *self)
{
    (void)self;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_mono_ms(const struct clock *self)
{
    (void)self;
    return read_ms(CLOCK_MONOTONIC);
}

static void system_sleep_ms(const struct clock *self, int64_t ms)
{
    (void)self;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&left, NULL);
}

const struct clock *clock_system(void)
{
    static const struct clock clock = {system_wall_ms, system_mono_ms, system_sleep_ms};
    return &clock;
}

static int64_t manual_wall_ms(const struct clock *self)
{
    return ((const struct manual_clock *)self)->now_wall_ms;
}

static int64_t manual_mono_ms(const struct clock *self)
{
    return ((const struct manual_clock *)self)->now_mono_ms;
}

static void manual_sleep_ms(const struct clock *self, int64_t ms)
{
    manual_clock_advance((struct manual_clock *)(uintptr_t)self, ms);
}

void manual_clock_init(struct manual_clock *clock, int64_t wall_ms)
{
    *clock = (struct manual_clock){.clock = {manual_wall_ms, manual_mono_ms, manual_sleep_ms}, .now_wall_ms = wall_ms};
}

void manual_clock_advance(struct manual_clock *clock, int64_t by_ms)
{
    clock->now_wall_ms += by_ms;
    clock->now_mono_ms += by_ms;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to the first of January of that year. */
static int64_t days_before_year(int year)
{
    int64_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static void put_digits(char *at, int count, int value)
{
    while (count-- > 0) {
        at[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* By hand: gmtime_r takes the time zone's lock, and every log line and message row comes through here. */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
    if (wall_ms < 0) wall_ms = 0;
    if (wall_ms > LAST_MS) wall_ms = LAST_MS;
    int64_t days = wall_ms / DAY_MS;
    int ms = (int)(wall_ms % DAY_MS);
    int year = 1971 + (int)(days * 400 / 146097); /* right, or up to two too many */
    while (days_before_year(year) > days) year--;
    days -= days_before_year(year);
    int month = 1;
    while (days >= days_in_month(year, month)) days -= days_in_month(year, month++);
    put_digits(out, 4, year);
    out[4] = '-';
    put_digits(out + 5, 2, month);
    out[7] = '-';
    put_digits(out + 8, 2, (int)days + 1);
    out[10] = 'T';
    put_digits(out + 11, 2, ms / 3600000);
    out[13] = ':';
    put_digits(out + 14, 2, ms / 60000 % 60);
    out[16] = ':';
    put_digits(out + 17, 2, ms / 1000 % 60);
    out[19] = '.';
    put_digits(out + 20, 3, ms % 1000);
    out[23] = 'Z';
    out[24] = '\0';
}

bool clock_parse_rfc3339(const char *text, int64_t *wall_ms)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    int part[7] = {0}, at = 0;
    for (int i = 0; form[i]; i++) {
        if (form[i] != 'd') {
            if (text[i] != form[i]) return false;
            at++;
        } else if (text[i] >= '0' && text[i] <= '9') {
            part[at] = part[at] * 10 + (text[i] - '0');
        } else {
            return false;
        }
    }
    if (text[sizeof form - 1] != '\0' || part[0] < 1970 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
        part[2] > days_in_month(part[0], part[1]) || part[3] > 23 || part[4] > 59 || part[5] > 59)
        return false;
    int64_t days = days_before_year(part[0]) + part[2] - 1;
    for (int month = 1; month < part[1]; month++) days += days_in_month(part[0], month);
    *wall_ms = days * DAY_MS + ((part[3] * 60 + part[4]) * 60 + part[5]) * INT64_C(1000) + part[6];
    return true;
}

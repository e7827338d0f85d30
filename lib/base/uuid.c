#include "base/uuid.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

enum {
    COUNTER_MAX = 0xfff, /* the 12 bits of rand_a count within a millisecond (RFC 9562 §6.2, method 1) */
    HOLD_MS = 1000,      /* a time so little behind the last one (another thread was faster, a small step of the
                            clock) keeps the last one's millisecond and counts on */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int64_t last_ms = INT64_MIN; /* under mutex */
static unsigned counter;            /* under mutex */

/* Straight from the kernel: a pool of our own would repeat itself in a forked worker. */
static void random_bytes(unsigned char *out, size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        } else if (errno != EINTR) {
            log_write(LOG_ERROR, "no_random_bytes", LOG_INT("errno", errno));
            abort();
        }
    }
}

void uuid_v7(int64_t wall_ms, char out[UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16];
    random_bytes(bytes + 6, 10);
    unsigned seed = (unsigned)(bytes[6] << 8 | bytes[7]);
    pthread_mutex_lock(&mutex);
    if (wall_ms > last_ms || last_ms - wall_ms > HOLD_MS) {
        last_ms = wall_ms;
        counter = seed & COUNTER_MAX >> 1; /* upper half left to count in */
    } else if (counter < COUNTER_MAX) {
        counter++;
    } else {
        last_ms++;
        counter = 0;
    }
    wall_ms = last_ms;
    unsigned count = counter;
    pthread_mutex_unlock(&mutex);

    for (int i = 0; i < 6; i++) bytes[i] = (unsigned char)(wall_ms >> (40 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | count >> 8);
    bytes[7] = (unsigned char)count;
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[at++] = '-';
        out[at++] = hex[bytes[i] >> 4];
        out[at++] = hex[bytes[i] & 15];
    }
    out[at] = '\0';
}

bool uuid_parse(const char *text, size_t len, char out[UUID_TEXT_SIZE])
{
    if (len != UUID_TEXT_SIZE - 1) return false;
    char lower[UUID_TEXT_SIZE];
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') return false;
        } else if (c >= 'A' && c <= 'F') {
            c = (char)(c - 'A' + 'a');
        } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        lower[i] = c;
    }
    lower[len] = '\0';
    memcpy(out, lower, sizeof lower);
    return true;
}

int64_t uuid_v7_ms(const char *id)
{
    char digits[13] = "";
    memcpy(digits, id, 8);
    memcpy(digits + 8, id + 9, 4);
    return (int64_t)strtoll(digits, NULL, 16);
}

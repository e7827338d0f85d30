#include "wiped.h"

#include <stdatomic.h>
#include <string.h>

static const char *watched;
static atomic_int count;

void wiped_watch(const char *secret)
{
    watched = secret;
    count = 0;
}

int wiped_count(void)
{
    return count;
}

/* The C library's other name for it. */
void __explicit_bzero_chk(void *at, size_t len, size_t room);

void explicit_bzero(void *at, size_t len)
{
    const void *volatile held = at; /* declared as written to alone: the compiler would warn of who reads it */

    if (watched && memmem(held, len, watched, strlen(watched))) count++;
    for (volatile unsigned char *byte = at; len > 0; len--) *byte++ = 0;
}

void __explicit_bzero_chk(void *at, size_t len, size_t room)
{
    (void)room;
    explicit_bzero(at, len);
}

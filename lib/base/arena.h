/*
 * Memory that lives as long as one request: allocate freely, release all of it at once.
 * An `arena` parameter anywhere in this project means: the function allocates from it, and the result lives as long.
 * Out of memory ends the process with a log line. A request is small and bounded (the body limit), so a failed
 * allocation means that the machine has no memory left; the master starts another worker. Not thread-safe.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"

struct arena_block;

struct arena {
    struct arena_block *first; /* newest block first; big allocations get a block of their own */
    size_t used_bytes;         /* handed out since init or reset */
    size_t block_bytes;        /* of room in a standard block */
};

void arena_init(struct arena *arena);
/* For an arena that lives as long as a stream, of which there are thousands: blocks of 1 KB instead of 16. */
void arena_init_small(struct arena *arena);
/* Frees everything except one standard block, so a reused arena doesn't allocate in steady state. */
void arena_reset(struct arena *arena);
void arena_fini(struct arena *arena);

/* Returns zeroed memory, aligned for any type; size 0 gives a valid pointer. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

/* Copies a text; the result is NUL-terminated. NULL gives NULL. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

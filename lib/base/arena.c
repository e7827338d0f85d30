/* Blocks in a list, the one being filled first; a request seldom needs more than the first. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
    BLOCK_BYTES = 16 * 1024, /* of room in a standard block */
    SMALL_BLOCK_BYTES = 1024,
    BIG_PART = 4, /* from that part of a block on a block of its own, so that no standard block is left half empty */
};

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes of room */
    size_t used;
    _Alignas(max_align_t) unsigned char room[];
};

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = size <= SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (!block) out_of_memory(size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){.block_bytes = BLOCK_BYTES};
}

void arena_init_small(struct arena *arena)
{
    *arena = (struct arena){.block_bytes = SMALL_BLOCK_BYTES};
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = NULL;
    for (struct arena_block *block = arena->first, *next; block; block = next) {
        next = block->next;
        if (!kept && block->size == arena->block_bytes)
            kept = block;
        else
            free(block);
    }
    if (kept) {
        kept->next = NULL;
        kept->used = 0;
    }
    arena->first = kept;
    arena->used_bytes = 0;
}

void arena_fini(struct arena *arena)
{
    for (struct arena_block *block = arena->first, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->first = NULL;
    arena->used_bytes = 0;
}

/* Behind the block being filled, which stays first. */
static void *alloc_big(struct arena *arena, size_t size)
{
    struct arena_block *block = block_new(size);
    block->used = size;
    if (arena->first) {
        block->next = arena->first->next;
        arena->first->next = block;
    } else {
        arena->first = block;
    }
    return block->room;
}

/* Not zeroed, so that copies don't write everything twice. */
static void *take(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t rounded = size ? (size + align - 1) / align * align : align;
    void *room;
    if (rounded < size) rounded = size; /* overflow: block_new finds no memory for it */
    arena->used_bytes += rounded;
    if (rounded >= arena->block_bytes / BIG_PART) return alloc_big(arena, rounded);
    if (!arena->first || arena->first->size - arena->first->used < rounded) {
        struct arena_block *block = block_new(arena->block_bytes);
        block->next = arena->first;
        arena->first = block;
    }
    room = arena->first->room + arena->first->used;
    arena->first->used += rounded;
    return room;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(take(arena, size), 0, size);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    if (!text) return NULL;
    char *copy = take(arena, len == SIZE_MAX ? len : len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = take(arena, len < 0 ? 1 : (size_t)len + 1);
    text[0] = '\0';
    if (len > 0) vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

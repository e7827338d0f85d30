/*
 * Memory that the program can't go on without: where there is none, the log says how much was wanted and where, and the
 * process aborts (its master starts another). What can refuse instead asks malloc itself, and returns its error.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

/* Takes how many of which size. Returns memory of zeros, never NULL; the caller's to free(). Aborts as out_of_memory
 * does. Any thread. */
#define must_calloc(count, size) must_calloc_at((count), (size), __FILE__, __LINE__)
/* Takes the bytes that were wanted. Logs `out_of_memory` with them, file and line, at level error, and aborts. It takes
 * no memory itself. Any thread. */
#define out_of_memory(bytes) out_of_memory_at((bytes), __FILE__, __LINE__)

/* What the two stand for. */
void *must_calloc_at(size_t count, size_t size, const char *file, int line)
    __attribute__((returns_nonnull, warn_unused_result));
_Noreturn void out_of_memory_at(size_t bytes, const char *file, int line);

#endif

#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"

void *must_calloc_at(size_t count, size_t size, const char *file, int line)
{
    void *memory = calloc(count, size);
    if (memory) return memory;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
    out_of_memory_at(bytes, file, line);
}

void out_of_memory_at(size_t bytes, const char *file, int line)
{
    int64_t wanted = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    log_write(LOG_ERROR, "out_of_memory", LOG_INT("bytes", wanted), LOG_STR("file", file), LOG_INT("line", line));
    abort();
}

/* What the fuzz targets share. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is promised; a broken promise is a crash, so the fuzzer keeps the input. */
static inline void must(bool fine)
{
    if (!fine) abort();
}

/* A copy with nothing behind it, so that a read past the end is seen; free it. */
static inline char *fuzz_copy(const uint8_t *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    must(copy != NULL);
    if (len) memcpy(copy, data, len);
    return copy;
}

/* The next part of the input as a string, up to a line feed or a NUL, which are dropped; free it. */
static inline char *fuzz_line(const uint8_t **data, size_t *len)
{
    size_t end = 0;
    while (end < *len && (*data)[end] != '\n' && (*data)[end] != '\0') end++;
    char *line = malloc(end + 1);
    must(line != NULL);
    memcpy(line, *data, end);
    line[end] = '\0';
    end += end < *len;
    *data += end;
    *len -= end;
    return line;
}

#endif

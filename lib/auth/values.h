/* Lists of values as settings write them, separated by commas; blanks around a value don't count. */
#ifndef AUTH_VALUES_H
#define AUTH_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct value_span {
    const char *at; /* in the list; no NUL behind it */
    size_t len;     /* bytes */
};

/* Finds the next value that isn't empty, and moves *at behind it. false: there is none. */
static inline bool values_next(const char **at, struct value_span *out)
{
    while (**at) {
        const char *begin = *at + strspn(*at, ", \t");
        size_t len = strcspn(begin, ",");

        *at = begin + len;
        while (len && (begin[len - 1] == ' ' || begin[len - 1] == '\t')) len--;
        if (!len) continue;
        *out = (struct value_span){begin, len};
        return true;
    }
    return false;
}

static inline bool values_have(const char *list, const char *value, size_t len)
{
    struct value_span each;

    while (values_next(&list, &each))
        if (each.len == len && memcmp(each.at, value, len) == 0) return true;
    return false;
}

#endif

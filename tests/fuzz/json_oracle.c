#include "fuzz/json_oracle.h"

#include <jansson.h>

bool json_oracle_accepts(const char *text, size_t len)
{
    /* integers as doubles, as ours are: a long one is no error */
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    bool accepted = value != NULL;
    json_decref(value);
    return accepted;
}

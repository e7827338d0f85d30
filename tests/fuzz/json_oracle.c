#include "fuzz/json_oracle.h"

#include <jansson.h>

enum oracle json_oracle(const char *text, size_t len)
{
    json_error_t error;
    /* integers as doubles, as ours are: a long one is no error */
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    json_decref(value);
    if (value) return ORACLE_JSON;
    return json_error_code(&error) == json_error_numeric_overflow ? ORACLE_CANT_SAY : ORACLE_NO_JSON;
}

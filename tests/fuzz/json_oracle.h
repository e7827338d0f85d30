/* Another JSON reader's opinion. A file of its own, because jansson's names are ours too. */
#ifndef FUZZ_JSON_ORACLE_H
#define FUZZ_JSON_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 8259, any value at the top, keys unique, strings without NUL and valid, numbers finite. */
bool json_oracle_accepts(const char *text, size_t len);

#endif

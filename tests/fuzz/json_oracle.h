/* Another JSON reader's opinion. A file of its own, because jansson's names are ours too. */
#ifndef FUZZ_JSON_ORACLE_H
#define FUZZ_JSON_ORACLE_H

#include <stddef.h>

enum oracle { ORACLE_NO_JSON, ORACLE_JSON, ORACLE_CANT_SAY /* it stops at a number that no double holds */ };
/* RFC 8259, any value at the top, keys unique, strings without NUL and valid. */
enum oracle json_oracle(const char *text, size_t len);

#endif

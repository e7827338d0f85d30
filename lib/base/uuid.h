/* UUIDs: makes version 7 (RFC 9562 §5.7), and reads any version. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* 36 characters and NUL */

/* Makes an id in the order of time; ids that one process makes within a millisecond are ascending too. Any thread. */
void uuid_v7(int64_t wall_ms, char out[UUID_TEXT_SIZE]);
/* Returns when an id of version 7 was made. */
int64_t uuid_v7_ms(const char *id);
/* Takes 8-4-4-4-12 hex in either case, nothing around it, and writes it in lower case. false: it is no UUID. */
bool uuid_parse(const char *text, size_t len, char out[UUID_TEXT_SIZE]);

#endif

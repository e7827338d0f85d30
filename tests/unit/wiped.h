/* Stands in the place of the C library's explicit_bzero, in all of the unit tests: what was wiped is gone before a test
 * could look at it, so it is looked at here. */
#ifndef UNIT_WIPED_H
#define UNIT_WIPED_H

#include <stddef.h>

/* From now on; borrowed. NULL: none. */
void wiped_watch(const char *secret);
/* How many memories with this secret in them were wiped since. */
int wiped_count(void);

#endif

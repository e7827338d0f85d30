/* The models of the provider, with the prices and bounds that its list carries. */
#ifndef UPSTREAM_MODELS_H
#define UPSTREAM_MODELS_H

#include <stdbool.h>

#include "buf.h"

/* Anything that starts with "test-" is known too. */
bool models_known(const char *name);
void models_print_all(struct buf *out);
void models_print(const char *name, struct buf *out);

#endif

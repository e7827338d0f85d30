/* "model=value,model=value": the form of settings about several models. */
#ifndef DOMAIN_MODEL_LIST_H
#define DOMAIN_MODEL_LIST_H

#include <stdbool.h>
#include <stddef.h>

enum { MODEL_LIST_MAX = 64, MODEL_NAME_SIZE = 128 };

struct model_item {
    char model[MODEL_NAME_SIZE];
    const char *value; /* within the text */
    size_t value_len;
};

/* Reads the item at *at, and moves *at behind it, to NULL after the last; spaces around items are fine. false: there
 * are no more, or *problem (NULL before) is a static sentence. */
bool model_list_next(const char **at, struct model_item *item, const char **problem);

#endif

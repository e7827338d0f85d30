#include "domain/model_list.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name(const char *text, size_t len)
{
    if (len == 0 || len >= MODEL_NAME_SIZE) return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) return false;
    }
    return true;
}

static const char *read_item(const char *text, size_t len, struct model_item *item)
{
    const char *equals = memchr(text, '=', len);
    if (!equals) return "each item must be model=value";
    if (!is_name(text, (size_t)(equals - text))) return "a model's name must be 1 to 127 characters without blanks";
    memset(item->model, 0, sizeof item->model);
    memcpy(item->model, text, (size_t)(equals - text));
    item->value = equals + 1;
    item->value_len = (size_t)(text + len - item->value);
    return NULL;
}

bool model_list_next(const char **at, struct model_item *item, const char **problem)
{
    const char *text = *at;
    if (!text) return false;
    size_t len = strcspn(text, ",");
    *at = text[len] == ',' ? text + len + 1 : NULL;
    while (len > 0 && is_blank(text[len - 1])) len--;
    while (len > 0 && is_blank(*text)) text++, len--;
    *problem = read_item(text, len, item);
    return !*problem;
}

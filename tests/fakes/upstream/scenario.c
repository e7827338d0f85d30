#include "scenario.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_type {
    KEY_FLAG,   /* bare, or 0 and 1, false and true */
    KEY_NUMBER, /* long, 0 to 1e9 */
    KEY_MS,     /* double, 0 to 1e9; fractions allowed */
    KEY_WORDS,  /* text in which `_` stands for a blank */
    KEY_RAW,    /* text as it is */
    KEY_CHOICE, /* one of `choices` */
};

struct key {
    const char *name;
    enum key_type type;
    size_t offset;
    const char *choices[6];
};

#define AT(field) offsetof(struct scenario, field)

static const struct key keys[] = {
    {"alternate", KEY_FLAG, AT(alternate), {0}},
    {"badutf8", KEY_FLAG, AT(badutf8), {0}},
    {"bom", KEY_FLAG, AT(bom), {0}},
    {"cached", KEY_NUMBER, AT(cached), {0}},
    {"chunks", KEY_NUMBER, AT(chunks), {0}},
    {"close", KEY_FLAG, AT(close), {0}},
    {"code", KEY_RAW, AT(code), {0}},
    {"comments", KEY_NUMBER, AT(comments), {0}},
    {"comments_forever", KEY_FLAG, AT(comments_forever), {0}},
    {"cr", KEY_FLAG, AT(cr), {0}},
    {"crlf", KEY_FLAG, AT(crlf), {0}},
    {"cut", KEY_NUMBER, AT(cut), {0}},
    {"deep", KEY_NUMBER, AT(deep), {0}},
    {"empty", KEY_FLAG, AT(empty), {0}},
    {"endless", KEY_FLAG, AT(endless), {0}},
    {"error_at", KEY_NUMBER, AT(error_at), {0}},
    {"error_done", KEY_FLAG, AT(error_done), {0}},
    {"error_form", KEY_CHOICE, AT(error_form), {"data", "event", "string"}},
    {"field", KEY_CHOICE, AT(field), {"reasoning", "reasoning_content", "think"}},
    {"finish", KEY_CHOICE, AT(finish), {"stop", "length", "tool_calls"}},
    {"first", KEY_MS, AT(first_ms), {0}},
    {"form", KEY_CHOICE, AT(form), {"json", "simple", "text", "html", "balance"}},
    {"gzip", KEY_FLAG, AT(gzip), {0}},
    {"headers", KEY_MS, AT(headers_ms), {0}},
    {"html200", KEY_FLAG, AT(html200), {0}},
    {"http10", KEY_FLAG, AT(http10), {0}},
    {"inject", KEY_FLAG, AT(inject), {0}},
    {"interim", KEY_FLAG, AT(interim), {0}},
    {"json200", KEY_FLAG, AT(json200), {0}},
    {"longline", KEY_NUMBER, AT(longline), {0}},
    {"max_chars", KEY_NUMBER, AT(max_chars), {0}},
    {"message", KEY_WORDS, AT(message), {0}},
    {"multidata", KEY_FLAG, AT(multidata), {0}},
    {"n2", KEY_FLAG, AT(n2), {0}},
    {"nodone", KEY_FLAG, AT(nodone), {0}},
    {"nofinish", KEY_FLAG, AT(nofinish), {0}},
    {"nospace", KEY_FLAG, AT(nospace), {0}},
    {"nousage", KEY_FLAG, AT(nousage), {0}},
    {"nulchar", KEY_FLAG, AT(nulchar), {0}},
    {"nullchoices", KEY_FLAG, AT(nullchoices), {0}},
    {"nulldelta", KEY_FLAG, AT(nulldelta), {0}},
    {"nulraw", KEY_FLAG, AT(nulraw), {0}},
    {"pace", KEY_MS, AT(pace_ms), {0}},
    {"partsarray", KEY_FLAG, AT(partsarray), {0}},
    {"reasoning", KEY_NUMBER, AT(reasoning), {0}},
    {"redirect", KEY_RAW, AT(redirect), {0}},
    {"reset", KEY_NUMBER, AT(reset), {0}},
    {"retry_after", KEY_WORDS, AT(retry_after), {0}},
    {"size", KEY_NUMBER, AT(size), {0}},
    {"split", KEY_NUMBER, AT(split), {0}},
    {"stall", KEY_NUMBER, AT(stall), {0}},
    {"status", KEY_NUMBER, AT(status), {0}},
    {"tag", KEY_RAW, AT(tag), {0}},
    {"tagsplit", KEY_FLAG, AT(tagsplit), {0}},
    {"text", KEY_WORDS, AT(text), {0}},
    {"think", KEY_CHOICE, AT(think), {"both", "open", "close"}},
    {"timestamps", KEY_FLAG, AT(timestamps), {0}},
    {"tools", KEY_FLAG, AT(tools), {0}},
    {"usage_absurd", KEY_FLAG, AT(usage_absurd), {0}},
    {"usage_at_finish", KEY_FLAG, AT(usage_at_finish), {0}},
    {"usage_twice", KEY_FLAG, AT(usage_twice), {0}},
    {"utf8", KEY_FLAG, AT(utf8), {0}},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static void *place(struct scenario *self, const struct key *key)
{
    return (char *)self + key->offset;
}

static bool is_text(const struct key *key)
{
    return key->type == KEY_WORDS || key->type == KEY_RAW;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) exit(70);
    return copy;
}

void scenario_init(struct scenario *self)
{
    *self = (struct scenario){0};
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].type == KEY_NUMBER)
            *(long *)place(self, &keys[i]) = -1;
        else if (keys[i].type == KEY_MS)
            *(double *)place(self, &keys[i]) = -1;
    }
}

void scenario_fini(struct scenario *self)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (!is_text(&keys[i])) continue;
        char **text = place(self, &keys[i]);
        free(*text);
        *text = NULL;
    }
}

void scenario_copy(struct scenario *self, const struct scenario *from)
{
    *self = *from;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        char **text = place(self, &keys[i]);
        if (is_text(&keys[i]) && *text != NULL) *text = copy_text(*text);
    }
}

static const struct key *find_key(const char *name, size_t len)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0) return &keys[i];
    return NULL;
}

static bool parse_number(const char *value, double *out)
{
    char *end;
    if (value == NULL) return false;
    *out = strtod(value, &end);
    return end != value && *end == '\0' && *out >= 0 && *out <= 1e9;
}

static bool set_flag(bool *flag, const char *value)
{
    *flag = value == NULL || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    return *flag || strcmp(value, "0") == 0 || strcmp(value, "false") == 0;
}

static bool set_choice(int *choice, const struct key *key, const char *value)
{
    for (int i = 0; value != NULL && key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], value) == 0) {
            *choice = i;
            return true;
        }
    }
    return false;
}

static bool set_text(char **text, const struct key *key, const char *value)
{
    if (value == NULL) return false;
    free(*text);
    *text = copy_text(value);
    for (char *at = *text; key->type == KEY_WORDS && *at; at++)
        if (*at == '_') *at = ' ';
    return true;
}

bool scenario_set(struct scenario *self, const char *name, const char *value)
{
    double number = 0;
    if (strcmp(name, "split1") == 0) {
        self->split = 1;
        return true;
    }
    const struct key *key = find_key(name, strlen(name));
    if (key == NULL) return false;
    switch (key->type) {
    case KEY_FLAG: return set_flag(place(self, key), value);
    case KEY_NUMBER:
        if (!parse_number(value, &number)) return false;
        *(long *)place(self, key) = (long)number;
        return true;
    case KEY_MS:
        if (!parse_number(value, &number)) return false;
        *(double *)place(self, key) = number;
        return true;
    case KEY_CHOICE: return set_choice(place(self, key), key, value);
    case KEY_WORDS:
    case KEY_RAW: return set_text(place(self, key), key, value);
    }
    return false;
}

static bool in_list(const char *const *list, const char *word)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, word) == 0) return true;
    return false;
}

bool scenario_set_json(struct scenario *self, const struct cJSON *object, const char *const *but, const char **wrong)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        char number[40];
        const char *value = NULL;
        *wrong = member->string;
        if (in_list(but, member->string)) continue;
        if (cJSON_IsNumber(member)) {
            snprintf(number, sizeof(number), "%.17g", member->valuedouble);
            value = number;
        } else if (cJSON_IsString(member)) {
            value = member->valuestring;
        } else if (cJSON_IsFalse(member)) {
            value = "0";
        } else if (!cJSON_IsTrue(member)) {
            return false;
        }
        if (!scenario_set(self, member->string, value)) return false;
    }
    return true;
}

/* Finds the next marker at or after text: `[[`, a known key, … `]]` on one line. */
static const char *next_marker(const char *text, const char **end)
{
    const char *at = text;
    while ((at = strstr(at, "[[")) != NULL) {
        const char *name = at + 2 + strspn(at + 2, " ");
        size_t len = strcspn(name, " =]\n");
        *end = strstr(name, "]]");
        bool known = find_key(name, len) || (len == 6 && memcmp(name, "split1", 6) == 0);
        if (known && *end != NULL) return at;
        at += 2;
    }
    return NULL;
}

static bool set_word(struct scenario *self, const char *word, size_t len)
{
    char text[4096];
    if (len >= sizeof(text)) return false;
    memcpy(text, word, len);
    text[len] = '\0';
    char *value = strchr(text, '=');
    if (value != NULL) *value++ = '\0';
    return scenario_set(self, text, value);
}

bool scenario_set_marker(struct scenario *self, const char *text, char *wrong, size_t wrong_size)
{
    const char *at, *end;
    while ((at = next_marker(text, &end)) != NULL) {
        const char *word = at + 2;
        while (word < end) {
            word += strspn(word, " \t\n");
            size_t len = strcspn(word, " \t\n");
            if (word + len > end) len = word < end ? (size_t)(end - word) : 0;
            if (len > 0 && !set_word(self, word, len)) {
                snprintf(wrong, wrong_size, "%.*s", (int)(len > 200 ? 200 : len), word);
                return false;
            }
            word += len;
        }
        text = end + 2;
    }
    return true;
}

void scenario_strip(const char *text, struct buf *out)
{
    const char *at, *end;
    while ((at = next_marker(text, &end)) != NULL) {
        buf_add(out, text, (size_t)(at - text));
        text = end + 2;
    }
    buf_str(out, text);
}

bool scenario_orders_text(const struct scenario *self)
{
    return self->chunks >= 0 || self->size >= 0 || self->text != NULL || self->endless || self->timestamps ||
           self->inject || self->utf8;
}

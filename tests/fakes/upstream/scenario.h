/*
 * What a test may order: one value per key of README.md, from a marker in the last paragraph of the newest user
 * message (`[[chunks=100 pace=5]]`) or from the JSON of POST /__control.
 *
 * The table in scenario.c is the only list of the keys; both spellings go through it.
 */
#ifndef UPSTREAM_SCENARIO_H
#define UPSTREAM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct cJSON;

enum scenario_form { FORM_JSON, FORM_SIMPLE, FORM_TEXT, FORM_HTML, FORM_BALANCE };
enum scenario_field { FIELD_REASONING, FIELD_REASONING_CONTENT, FIELD_THINK };
enum scenario_think { THINK_BOTH, THINK_OPEN, THINK_CLOSE };
enum scenario_error_form { ERROR_DATA, ERROR_EVENT, ERROR_STRING };
enum scenario_finish { FINISH_STOP, FINISH_LENGTH, FINISH_TOOL_CALLS };

/* Numbers that were not given are -1, texts NULL, flags false. */
struct scenario {
    /* how much, and when */
    long chunks;
    long size;
    double pace_ms;
    double first_ms;
    double headers_ms;
    bool endless;
    bool timestamps;
    bool utf8;
    char *text;
    char *tag;
    /* a refusal in place of an answer */
    long status;
    int form;
    char *code;
    char *message;
    char *retry_after;
    char *redirect;
    bool alternate;
    long max_chars;
    /* reasoning and its spellings */
    long reasoning;
    int field;
    int think;
    bool tagsplit;
    /* how it breaks */
    long stall;
    long cut;
    long reset;
    bool nodone;
    bool nofinish;
    bool nousage;
    bool empty;
    long error_at;
    int error_form;
    bool error_done;
    bool html200;
    bool json200;
    /* spellings of the stream */
    bool crlf;
    bool cr;
    bool bom;
    long comments;
    bool comments_forever;
    bool nospace;
    bool multidata;
    bool nullchoices;
    bool nulldelta;
    bool partsarray;
    bool badutf8;
    bool nulchar;
    bool nulraw;
    bool inject;
    long longline;
    long deep;
    bool n2;
    bool tools;
    int finish;
    bool usage_twice;
    bool usage_at_finish;
    long cached;
    bool usage_absurd;
    /* the HTTP around it */
    long split;
    bool gzip;
    bool interim;
    bool http10;
    bool close;
};

void scenario_init(struct scenario *self);
void scenario_fini(struct scenario *self);

/* Makes self a deep copy. */
void scenario_copy(struct scenario *self, const struct scenario *from);

/* Sets one key; value NULL for a bare flag. False: no such key, or not a value it takes. */
bool scenario_set(struct scenario *self, const char *key, const char *value);

/* Sets every member of a JSON object but those named in `but`, a list closed by NULL. False:
 * *wrong holds the first key that was refused. */
bool scenario_set_json(struct scenario *self, const struct cJSON *object, const char *const *but, const char **wrong);

/* Looks for a marker. A `[[` whose first word is no key is plain text, so that users may write
 * it. False: a marker holds a wrong key or value, named in `wrong`. */
bool scenario_set_marker(struct scenario *self, const char *text, char *wrong, size_t wrong_size);

/* Adds the text without its markers. */
void scenario_strip(const char *text, struct buf *out);

/* Whether the text of the answer was ordered, so that the friendly default is not wanted. */
bool scenario_orders_text(const struct scenario *self);

#endif

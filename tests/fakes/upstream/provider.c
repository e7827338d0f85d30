#define _GNU_SOURCE 1 /* strcasestr */
#include "provider.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "models.h"

#define CHUNKS_DEFAULT 32 /* generated text of which only one of number and size was given */
#define SIZE_DEFAULT 16
#define THOUGHTS_BEFORE_A_TITLE 200

/* What a chat request asks, in the few words that matter here. */
struct question {
    const char *model;
    struct buf newest; /* the newest user message, markers included */
    struct buf plain;  /* the same without markers */
    int turns;
    bool alternates; /* user and assistant, a user first and last */
    bool last_is_user;
    long chars; /* of all messages */
    long prompt_tokens;
    long max_tokens; /* -1: no bound */
    bool title;
    bool low_effort;
    bool stream;
    bool include_usage;
};

enum { ORDERS = sizeof((struct provider *)0)->orders / sizeof(struct order) };

static void take_back(struct order *order)
{
    scenario_fini(&order->scenario);
    free(order->with);
    memset(order, 0, sizeof *order);
    scenario_init(&order->scenario);
}

void provider_init(struct provider *self, struct stats *stats, double pace_ms)
{
    *self = (struct provider){.stats = stats, .pace_ms = pace_ms};
    for (int i = 0; i < ORDERS; i++) take_back(&self->orders[i]);
}

void provider_fini(struct provider *self)
{
    for (int i = 0; i < ORDERS; i++) take_back(&self->orders[i]);
}

void provider_refuse(struct reply *out, int status, const char *code, const char *param, const char *message)
{
    const char *type = status >= 500 ? "server_error" : "invalid_request_error";
    out->status = status;
    out->fixed.len = 0;
    buf_str(&out->fixed, "{\"error\":{\"message\":\"");
    buf_json(&out->fixed, message, strlen(message));
    buf_printf(&out->fixed, "\",\"type\":\"%s\",\"param\":", type);
    buf_printf(&out->fixed, param ? "\"%s\"" : "null", param);
    buf_str(&out->fixed, ",\"code\":\"");
    buf_json(&out->fixed, code, strlen(code));
    buf_str(&out->fixed, "\"");
    if (status >= 500) { /* the provider does that: callers must not pass it on */
        const char *echo = out->echo ? out->echo : "";
        buf_str(&out->fixed, ",\"error_model_output\":\"");
        buf_json(&out->fixed, echo, strlen(echo));
        buf_str(&out->fixed, "\"");
    }
    buf_str(&out->fixed, "},\"request_id\":\"6f1c2d4e-0000-4000-8000-00000000beef\"}");
}

static void refuse_plainly(struct reply *out, int status, const char *type, const char *text)
{
    out->status = status;
    out->type = type;
    out->fixed.len = 0;
    buf_str(&out->fixed, text);
}

static void not_found(struct reply *out)
{
    refuse_plainly(out, 404, "application/json", "{\"error\":\"Not found\"}");
}

/* ---- scenarios ---- */

static bool is_meant(const struct order *order, enum provider_target kind, const char *question)
{
    if (order->times == 0 || (order->target != kind && order->target != TARGET_ALL)) return false;
    return !order->with || (question && strstr(question, order->with));
}

/* Gives the reply what POST /__control ordered, if it is for this kind of request; question: NULL where there is none.
 */
static void apply_ordered(struct provider *self, enum provider_target kind, const char *question, struct reply *out)
{
    struct order *order = NULL;
    for (int i = ORDERS - 1; i >= 0 && !order; i--)
        if (is_meant(&self->orders[i], kind, question)) order = &self->orders[i];
    if (!order) return;
    if (order->times > 0) order->times--;
    scenario_fini(&out->scenario);
    scenario_copy(&out->scenario, &order->scenario);
}

static const char *default_code(long status)
{
    switch (status) {
    case 400: return "invalid_value";
    case 401: return "invalid_api_key";
    case 402: return "PAYMENT_METHOD_REQUIRED";
    case 404: return "model_not_found";
    case 408: return "request_timeout";
    case 410: return "model_withdrawn";
    case 429: return "queue_full";
    default: return "server_error";
    }
}

static const char *default_message(const char *code)
{
    if (strcmp(code, "context_length_exceeded") == 0) return "The maximum context length of this model is 131072";
    if (strcmp(code, "insufficient_quota") == 0) return "You exceeded your current quota.";
    if (strcmp(code, "queue_full") == 0) return "The request queue is full, try again later.";
    if (strcmp(code, "server_error") == 0) return "The server had an error while processing the request.";
    return "The request was refused as the scenario ordered.";
}

static void add_limit_headers(struct reply *out)
{
    static const char *const units[] = {"requests", "requests-day"};
    for (int i = 0; i < 2; i++)
        buf_printf(&out->extra,
                   "x-ratelimit-limit-%s: %d\r\nx-ratelimit-remaining-%s: 0\r\nx-ratelimit-reset-%s: 1771518174\r\n",
                   units[i], i ? 12000 : 60, units[i], units[i]);
}

/* The refusal that a scenario ordered with `status`. */
static void refuse_as_ordered(struct reply *out)
{
    const struct scenario *sc = &out->scenario;
    const char *code = sc->code ? sc->code : default_code(sc->status);
    const char *message = sc->message ? sc->message : default_message(code);
    int status = (int)sc->status;
    if (sc->retry_after != NULL) buf_printf(&out->extra, "Retry-After: %s\r\n", sc->retry_after);
    if (status == 429) add_limit_headers(out);
    provider_refuse(out, status, code, NULL, message);
    switch ((enum scenario_form)sc->form) {
    case FORM_JSON: break;
    case FORM_SIMPLE:
        out->fixed.len = 0;
        buf_str(&out->fixed, "{\"error\":\"");
        buf_json(&out->fixed, message, strlen(message));
        buf_str(&out->fixed, "\"}");
        break;
    case FORM_TEXT: refuse_plainly(out, status, "text/plain; charset=utf-8", message); break;
    case FORM_HTML:
        refuse_plainly(out, status, "text/html", "<html><head><title>");
        buf_printf(&out->fixed, "%d</title></head><body><center><h1>%s</h1></center></body></html>\n", status, message);
        break;
    case FORM_BALANCE:
        out->fixed.len--;
        buf_str(&out->fixed, ",\"balance_units\":-12.5}");
        break;
    }
}

/* What many chat templates ask for, and what no model goes without. */
static bool refused_as_strict(const struct question *question, struct reply *out)
{
    const struct scenario *sc = &out->scenario;
    if (sc->max_chars >= 0 && question->chars > sc->max_chars)
        provider_refuse(out, 400, "context_length_exceeded", "messages",
                        "The maximum context length of this model is lower");
    else if (sc->alternate && !(question->alternates && question->last_is_user))
        provider_refuse(out, 400, "invalid_value", "messages", "Conversation roles must alternate user/assistant");
    else
        return false;
    return true;
}

/* Refusals, redirects and pages that a scenario puts in place of any answer. */
static bool answered_by_order(struct reply *out)
{
    const struct scenario *sc = &out->scenario;
    if (sc->redirect != NULL) {
        buf_printf(&out->extra, "Location: %s\r\n", sc->redirect);
        refuse_plainly(out, sc->status > 0 ? (int)sc->status : 307, "text/html", "<html>Moved</html>\n");
        return true;
    }
    if (sc->html200) {
        refuse_plainly(out, 200, "text/html", "<!doctype html><html><body><h1>Welcome</h1></body></html>\n");
        return true;
    }
    if (sc->status <= 0 || sc->status == 200) return false;
    refuse_as_ordered(out);
    return true;
}

/* ---- POST /v1/chat/completions ---- */

static bool has_key(const struct request *request)
{
    size_t len;
    const char *value = request_header(request, "Authorization", &len);
    if (value == NULL || len <= 7 || strncasecmp(value, "Bearer ", 7) != 0) return false;
    return !(len == 14 && memcmp(value + 7, "bad-key", 7) == 0);
}

/* The text of a message: a string, or the text parts of an array. */
static void add_content(const cJSON *content, struct buf *out)
{
    const cJSON *part;
    if (cJSON_IsString(content)) buf_str(out, content->valuestring);
    if (!cJSON_IsArray(content)) return;
    cJSON_ArrayForEach(part, content)
    {
        const cJSON *text = cJSON_GetObjectItemCaseSensitive(part, "text");
        if (cJSON_IsString(text)) buf_str(out, text->valuestring);
    }
}

static bool known_role(const char *role)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(roles[i], role) == 0) return true;
    return false;
}

static bool read_message(const cJSON *message, struct question *out, struct reply *reply)
{
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
    if (!cJSON_IsString(role) || !known_role(role->valuestring)) {
        provider_refuse(reply, 400, "invalid_value", "messages", "messages: role has a value that is not allowed");
        return false;
    }
    struct buf text = {0};
    add_content(cJSON_GetObjectItemCaseSensitive(message, "content"), &text);
    bool is_user = strcmp(role->valuestring, "user") == 0;
    out->prompt_tokens += 4 + (long)text.len / 4;
    for (size_t i = 0; i < text.len; i++) out->chars += (buf_cstr(&text)[i] & 0xc0) != 0x80;
    if (strcmp(role->valuestring, "system") != 0) {
        if (is_user == out->last_is_user) out->alternates = false;
        out->last_is_user = is_user;
    }
    if (strcmp(role->valuestring, "system") == 0 && strcasestr(buf_cstr(&text), "title") != NULL) out->title = true;
    if (!is_user) {
        buf_fini(&text);
        return true;
    }
    out->turns++;
    buf_fini(&out->newest);
    out->newest = text;
    return true;
}

static bool read_messages(const cJSON *body, struct question *out, struct reply *reply)
{
    const cJSON *message, *messages = cJSON_GetObjectItemCaseSensitive(body, "messages");
    if (!cJSON_IsArray(messages)) {
        provider_refuse(reply, 400, "invalid_type", "messages", "messages: an array is needed");
        return false;
    }
    if (cJSON_GetArraySize(messages) == 0) {
        provider_refuse(reply, 400, "empty_array", "messages", "messages: at least one message is needed");
        return false;
    }
    cJSON_ArrayForEach(message, messages)
    {
        if (!read_message(message, out, reply)) return false;
    }
    scenario_strip(buf_cstr(&out->newest), &out->plain);
    buf_cstr(&out->plain);
    return true;
}

static bool in_range(const cJSON *body, const char *name, double min, double max, struct reply *reply)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(body, name);
    char message[128];
    if (value == NULL || cJSON_IsNull(value)) return true;
    snprintf(message, sizeof(message), "%s: a number from %g to %g is needed", name, min, max);
    if (!cJSON_IsNumber(value))
        provider_refuse(reply, 400, "invalid_type", name, message);
    else if (value->valuedouble > max)
        provider_refuse(reply, 400, "decimal_above_max_value", name, message);
    else if (value->valuedouble < min)
        provider_refuse(reply, 400, "decimal_below_min_value", name, message);
    else
        return true;
    return false;
}

static bool read_numbers(const cJSON *body, struct question *out, struct reply *reply)
{
    if (!in_range(body, "temperature", 0, 2, reply) || !in_range(body, "top_p", 0, 1, reply) ||
        !in_range(body, "top_k", 1, 100, reply) || !in_range(body, "max_tokens", 1, 1e7, reply) ||
        !in_range(body, "max_completion_tokens", 1, 1e7, reply))
        return false;
    const cJSON *most = cJSON_GetObjectItemCaseSensitive(body, "max_completion_tokens");
    if (!cJSON_IsNumber(most)) most = cJSON_GetObjectItemCaseSensitive(body, "max_tokens");
    out->max_tokens = cJSON_IsNumber(most) ? (long)most->valuedouble : -1;
    return true;
}

static bool read_question(const cJSON *body, struct question *out, struct reply *reply)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(body, "model");
    if (!cJSON_IsString(model)) {
        provider_refuse(reply, 400, "invalid_type", "model", "model: a string is needed");
        return false;
    }
    if (!models_known(model->valuestring)) {
        provider_refuse(reply, 404, "model_not_found", "model",
                        "The model does not exist or you have no access to it.");
        return false;
    }
    out->model = model->valuestring;
    out->stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "stream"));
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(body, "stream_options");
    out->include_usage = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "include_usage"));
    const cJSON *effort = cJSON_GetObjectItemCaseSensitive(body, "reasoning_effort");
    out->low_effort = cJSON_IsString(effort) && strcmp(effort->valuestring, "low") == 0;
    return read_numbers(body, out, reply) && read_messages(body, out, reply);
}

static size_t piece_size(const struct scenario *sc)
{
    size_t size = sc->size >= 0 ? (size_t)sc->size : SIZE_DEFAULT;
    if (size > 1u << 20) size = 1u << 20;
    return sc->timestamps && size < SCRIPT_STAMP_SIZE ? SCRIPT_STAMP_SIZE : size;
}

static char *copy(const char *text)
{
    char *copied = strdup(text);
    if (copied == NULL) exit(70);
    return copied;
}

static void write_content(struct reply *out, const struct question *question)
{
    static const char injected[] =
        "before\n\nevent: done\ndata: {}\n\nid: 7\rretry: 1\r\nafter \xe2\x80\xa8 and \xc2\x85 end";
    const struct scenario *sc = &out->scenario;
    if (question->title && !scenario_orders_text(sc)) {
        script_open_text(&out->content, script_title(question->plain.data));
    } else if (sc->inject) {
        script_open_text(&out->content, copy(injected));
        out->content.whole = true;
    } else if (sc->text != NULL) {
        script_open_text(&out->content, copy(sc->text));
    } else if (scenario_orders_text(sc)) {
        long chunks = sc->endless ? -1 : sc->chunks >= 0 ? sc->chunks : CHUNKS_DEFAULT;
        script_open_generated(&out->content, chunks, piece_size(sc));
        out->content.stamps = sc->timestamps;
        out->content.utf8 = sc->utf8 && !sc->timestamps;
    } else {
        script_open_text(&out->content, script_friendly_answer(question->plain.data, question->turns, question->model));
        out->content.limit = question->max_tokens;
    }
}

/* As ordered; without an order the models that think aloud do so, each in its own spelling. */
static void write_reasoning(struct reply *out, const struct question *question)
{
    struct scenario *sc = &out->scenario;
    bool thinks_in_tags = strncmp(question->model, "MiniMax-", 8) == 0;
    bool thinks = thinks_in_tags || strncmp(question->model, "gpt-oss-", 8) == 0;
    if (sc->reasoning >= 0) {
        script_open_generated(&out->reasoning, sc->reasoning, piece_size(sc));
        out->reasoning.prefix = 'r';
        out->reasoning.utf8 = sc->utf8;
    } else if (thinks && question->title && !thinks_in_tags && !scenario_orders_text(sc)) {
        bool in_time = question->low_effort && question->max_tokens >= THOUGHTS_BEFORE_A_TITLE;
        script_open_generated(&out->reasoning, THOUGHTS_BEFORE_A_TITLE / 2, piece_size(sc));
        if (!in_time) sc->chunks = 0;
        if (!in_time) out->finish_reason = "length";
    } else if (thinks && !question->title && !scenario_orders_text(sc)) {
        script_open_text(&out->reasoning, script_friendly_reasoning(question->plain.data));
        if (thinks_in_tags) sc->field = FIELD_THINK;
    }
}

static void answer(struct provider *self, const struct question *question, struct reply *out)
{
    const struct scenario *sc = &out->scenario;
    out->chat = true;
    out->pace_ms = sc->pace_ms >= 0 ? sc->pace_ms : self->pace_ms;
    out->include_usage = question->include_usage;
    out->usage.prompt_tokens = question->prompt_tokens + sc->cached;
    if (answered_by_order(out) || refused_as_strict(question, out)) return;
    if (sc->tools) out->finish_reason = "tool_calls";
    if (sc->finish == FINISH_LENGTH) out->finish_reason = "length";
    if (sc->finish == FINISH_TOOL_CALLS) out->finish_reason = "tool_calls";
    write_reasoning(out, question);
    write_content(out, question);
    wire_open(&out->wire, sc, question->model, ++self->number);
    if (question->stream && !sc->json200) {
        out->streamed = true;
        out->type = "text/event-stream";
    } else {
        reply_collect(out);
    }
}

/* An unanswered question comes joined with the next one: its markers have been obeyed. */
static const char *last_paragraph(const char *text)
{
    for (const char *next; (next = strstr(text, "\n\n")) != NULL;) text = next + 2;
    return text;
}

static void chat_with(struct provider *self, const cJSON *body, struct request *request, struct reply *out)
{
    struct question question = {.max_tokens = -1, .alternates = true};
    char wrong[256];
    if (read_question(body, &question, out)) {
        if (question.title)
            self->stats->titles++;
        else
            stats_request_seen(self->stats, request, 1);
        out->echo = copy(question.plain.data);
        apply_ordered(self, question.title ? TARGET_TITLE : TARGET_CHAT, buf_cstr(&question.plain), out);
        const char *marked = last_paragraph(buf_cstr(&question.newest));
        if (question.title || scenario_set_marker(&out->scenario, marked, wrong, sizeof(wrong)))
            answer(self, &question, out);
        else
            provider_refuse(out, 400, "invalid_value", "messages", wrong);
    }
    buf_fini(&question.newest);
    buf_fini(&question.plain);
}

static void chat(struct provider *self, struct request *request, struct reply *out)
{
    self->stats->chats++;
    cJSON *body = cJSON_ParseWithLengthOpts(buf_cstr(&request->body), request->body.len + 1, NULL, 1);
    if (cJSON_IsObject(body))
        chat_with(self, body, request, out);
    else
        refuse_plainly(out, 400, "text/plain; charset=utf-8", "Invalid request body: expected a JSON object\n");
    cJSON_Delete(body);
    if (out->status != 200) self->stats->refused++;
}

/* ---- the other routes ---- */

static void list_models(struct provider *self, const char *name, struct reply *out)
{
    apply_ordered(self, TARGET_MODELS, NULL, out);
    if (answered_by_order(out)) return;
    if (name == NULL)
        models_print_all(&out->fixed);
    else if (models_known(name))
        models_print(name, &out->fixed);
    else
        provider_refuse(out, 404, "model_not_found", "model", "The model does not exist or you have no access to it.");
}

static void v1(struct provider *self, struct request *request, struct reply *out)
{
    const char *path = request->path + 3;
    bool get = strcmp(request->method, "GET") == 0;
    self->stats->requests++;
    stats_request_seen(self->stats, request, 0);
    if (!has_key(request))
        provider_refuse(out, 401, "invalid_api_key", NULL, "The API key is missing or not valid.");
    else if (strcmp(path, "/chat/completions") == 0 && strcmp(request->method, "POST") == 0)
        chat(self, request, out);
    else if (strcmp(path, "/models") == 0 && get)
        list_models(self, NULL, out);
    else if (strncmp(path, "/models/", 8) == 0 && get)
        list_models(self, path + 8, out);
    else
        not_found(out);
}

static bool read_target(const cJSON *body, enum provider_target *out)
{
    static const char *const names[] = {"chat", "title", "models", "all"};
    const cJSON *target = cJSON_GetObjectItemCaseSensitive(body, "for");
    *out = TARGET_CHAT;
    if (target == NULL) return true;
    for (int i = 0; cJSON_IsString(target) && i < 4; i++) {
        if (strcmp(names[i], target->valuestring) == 0) {
            *out = (enum provider_target)i;
            return true;
        }
    }
    return false;
}

/* Where an order goes: without a text of its own it takes the place of the last one. NULL: there are too many. */
static struct order *place_for(struct provider *self, const char *with)
{
    if (!with) return &self->orders[0];
    for (int i = 1; i < ORDERS; i++)
        if (self->orders[i].times == 0) return &self->orders[i];
    return NULL;
}

/* POST /__control: the keys of a marker as JSON; `times`, `for` and `with` (a text in the question) say where it
 * applies. */
static void control(struct provider *self, struct request *request, struct reply *out)
{
    static const char *const but[] = {"times", "for", "with", NULL};
    struct scenario ordered;
    enum provider_target target;
    const char *wrong = "body";
    cJSON *body = cJSON_ParseWithLengthOpts(buf_cstr(&request->body), request->body.len + 1, NULL, 1);
    scenario_init(&ordered);
    if (!cJSON_IsObject(body) || !read_target(body, &target) || !scenario_set_json(&ordered, body, but, &wrong)) {
        provider_refuse(out, 400, "invalid_value", NULL, wrong);
        scenario_fini(&ordered);
    } else {
        const cJSON *times = cJSON_GetObjectItemCaseSensitive(body, "times");
        const char *with = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "with"));
        struct order *order = place_for(self, with);
        if (order) {
            take_back(order);
            scenario_fini(&order->scenario);
            *order = (struct order){ordered, target, cJSON_IsNumber(times) ? (long)times->valuedouble : -1,
                                    with ? copy(with) : NULL};
            buf_str(&out->fixed, "{\"ok\":true}");
        } else {
            scenario_fini(&ordered);
            provider_refuse(out, 429, "too_many_orders", "with", "Seven orders with a text wait; send POST /__reset");
        }
    }
    cJSON_Delete(body);
}

static void reset(struct provider *self, struct reply *out)
{
    for (int i = 0; i < ORDERS; i++) take_back(&self->orders[i]);
    stats_reset(self->stats);
    buf_str(&out->fixed, "{\"ok\":true}");
}

void provider_answer(struct provider *self, struct request *request, struct reply *out)
{
    bool post = strcmp(request->method, "POST") == 0;
    if (strncmp(request->path, "/v1/", 4) == 0)
        v1(self, request, out);
    else if (strcmp(request->path, "/__control") == 0 && post)
        control(self, request, out);
    else if (strcmp(request->path, "/__reset") == 0 && post)
        reset(self, out);
    else if (strcmp(request->path, "/__stats") == 0)
        stats_print(self->stats, &out->fixed);
    else
        not_found(out);
}

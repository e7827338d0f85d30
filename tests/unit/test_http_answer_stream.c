/* What a client of an answer gets, byte for byte: as events, as JSON, and when it comes back. */
#include "http/answer_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "tests/fakes/fake_service.h"
#include "unit.h"

#define MESSAGES "/api/v1/chat/messages"

enum { PIECE_BYTES = 32 << 10, AHEAD_BYTES = 64 << 10, LONG_BYTES = 2 << 20 };

static struct fake_service service;
static struct fake_request request;
static struct fake_answers *answers;

static void set_up(void)
{
    fake_service_init(&service);
    fake_request_init(&request, "GET", "/");
    answers = &service.chat.answers;
}

static void tear_down(void)
{
    fake_service_fini(&service);
    fake_request_fini(&request);
}

static void send_it(const char *body)
{
    fake_request_fini(&request);
    fake_request_init(&request, "POST", MESSAGES);
    fake_service_sign_in(&service, &request);
    fake_request_json(&request, body);
    fake_service_serve(&service, &request);
}

/* GET …/stream with a Last-Event-ID (NULL: none). */
static void attach(const char *answer_id, const char *last_event_id)
{
    fake_request_fini(&request);
    fake_request_init(&request, "GET", arena_printf(&service.arena, MESSAGES "/%s/stream", answer_id));
    fake_service_sign_in(&service, &request);
    if (last_event_id) fake_request_param(&request, "HTTP_LAST_EVENT_ID", last_event_id);
    fake_service_serve(&service, &request);
}

/* ---- what the relay would do ---- */

static struct answer_listener *listener(void)
{
    ck_assert_ptr_nonnull(answers->listener);
    return answers->listener;
}

static enum listener_state open_it(void)
{
    return listener_open(listener(), &answers->scratch);
}

static enum listener_state text(const char *reasoning, const char *content)
{
    const struct answer_text so_far = {reasoning, strlen(reasoning), content, strlen(content)};

    return listener_text(listener(), &so_far, &answers->scratch);
}

static enum listener_state end_as(enum chat_error error, enum message_status status, const char *content)
{
    struct message message = answers->answer;
    const struct session session = {.title = "New title", .model = "llama"};
    const struct answer_final final = {.error = error,
                                       .retry_after_s = error == CHAT_ERR_UPSTREAM_RATE_LIMITED ? 7 : 0,
                                       .message = &message,
                                       .session = &session,
                                       .quota = &service.chat.admission.quota};

    message.status = status;
    message.content = content;
    message.content_len = strlen(content);
    return listener_end(listener(), &final, &answers->scratch);
}

static void close_it(void)
{
    listener_close(listener());
    answers->listener = NULL;
}

/* ---- reading what came ---- */

struct event {
    char id[64], name[32];
    const char *data;
    size_t len;
};

/* The next event; false at the end. Each is id, event and one line of data. */
static bool next_event(const char **at, struct event *out)
{
    const char *line = *at, *stop;

    *out = (struct event){.data = NULL};
    if (!*line) return false;
    if (strncmp(line, "id: ", 4) == 0) {
        snprintf(out->id, sizeof out->id, "%.*s", (int)strcspn(line + 4, "\n"), line + 4);
        line = strchr(line, '\n') + 1;
    }
    ck_assert_msg(strncmp(line, "event: ", 7) == 0, "no event line: %.40s", line);
    snprintf(out->name, sizeof out->name, "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
    line = strchr(line, '\n') + 1;
    ck_assert_msg(strncmp(line, "data: ", 6) == 0, "no data line: %.40s", line);
    stop = strstr(line, "\n\n");
    ck_assert_ptr_nonnull(stop);
    out->data = line + 6;
    out->len = (size_t)(stop - out->data);
    *at = stop + 2;
    return true;
}

static const struct json *event_json(const struct event *event)
{
    struct json_doc **doc = &service.docs[service.doc_count++];
    const char *reason;

    ck_assert_int_eq(json_parse(event->data, event->len, doc, &reason), CHAT_OK);
    return json_root(*doc);
}

/* All texts of events of this name, joined, after checking that ids count bytes from where the stream began. */
static const char *joined(const char *name, size_t reasoning_at, size_t content_at)
{
    const char *at = fake_request_body(&request);
    struct buf text_of;
    struct event event;
    char *copy;

    buf_init(&text_of, 16 << 20);
    while (next_event(&at, &event)) {
        const char *piece;
        char id[64];
        size_t len;

        if (strcmp(event.name, "delta") != 0 && strcmp(event.name, "reasoning") != 0) continue;
        service.doc_count = 0; /* many events: each is looked at once */
        piece = json_string(json_get(event_json(&event), "content"), &len);
        ck_assert_ptr_nonnull(piece);
        ck_assert_uint_le(len, PIECE_BYTES);
        if (strcmp(event.name, "delta") == 0)
            content_at += len;
        else
            reasoning_at += len;
        snprintf(id, sizeof id, "%zu.%zu", reasoning_at, content_at);
        ck_assert_str_eq(event.id, id);
        if (strcmp(event.name, name) == 0) buf_append(&text_of, piece, len);
        json_free(service.docs[0]);
        service.doc_count = 0;
    }
    copy = arena_strndup(&service.arena, text_of.data ? text_of.data : "", text_of.len);
    buf_fini(&text_of);
    return copy;
}

/* Names of all events in order, with spaces between. */
static const char *names(void)
{
    const char *at = fake_request_body(&request);
    struct event event;
    char *out = arena_strdup(&service.arena, "");

    while (next_event(&at, &event)) out = arena_printf(&service.arena, "%s%s%s", out, *out ? " " : "", event.name);
    return out;
}

/* ---- as events ---- */

START_TEST(an_answer_is_start_deltas_and_done)
{
    struct event event;
    const struct json *json;
    const char *at;

    send_it("{\"content\":\"Hi\"}");
    ck_assert_int_eq(open_it(), LISTENER_READY);
    ck_assert_int_eq(text("", "Hel"), LISTENER_READY);
    ck_assert_int_eq(text("", "Hello"), LISTENER_READY);
    ck_assert_int_eq(text("", "Hello"), LISTENER_READY); /* nothing new: nothing sent */
    ck_assert(!request.held);
    ck_assert_int_eq(end_as(CHAT_OK, MESSAGE_COMPLETE, "Hello"), LISTENER_READY);
    close_it();
    ck_assert(request.finished && request.closed && !request.held);
    ck_assert_int_eq(request.singles, 1); /* `done` and the end wake nginx once */
    ck_assert_int_eq(request.responses, 1);
    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_request_header(&request, "Content-Type"), "text/event-stream");
    ck_assert_str_eq(fake_request_header(&request, "Cache-Control"), "no-store");
    ck_assert_str_eq(fake_request_header(&request, "X-Accel-Buffering"), "no");
    ck_assert_str_eq(fake_request_header(&request, "X-RateLimit-Remaining"), "9");
    ck_assert_str_eq(fake_request_header(&request, "X-Daily-Quota-Remaining"), "99");
    ck_assert_ptr_null(fake_request_header(&request, "Content-Length"));
    ck_assert_str_eq(names(), "start delta delta done");

    at = fake_request_body(&request);
    ck_assert(next_event(&at, &event));
    ck_assert_str_eq(event.id, "0.0");
    json = event_json(&event);
    ck_assert_str_eq(fake_service_text(json, "session.title"), "Hi");
    ck_assert_str_eq(fake_service_text(json, "user_message.content"), "Hi");
    ck_assert_str_eq(fake_service_text(json, "message.status"), "streaming");
    ck_assert_str_eq(fake_service_text(json, "message.id"), answers->answer.id);
    ck_assert_ptr_nonnull(fake_service_at(json, "quota.daily.remaining"));
    ck_assert(next_event(&at, &event));
    ck_assert_str_eq(event.id, "0.3");
    ck_assert_uint_eq(event.len, strlen("{\"content\":\"Hel\"}"));
    ck_assert(next_event(&at, &event));
    ck_assert_str_eq(event.id, "0.5");
    ck_assert(next_event(&at, &event));
    ck_assert_str_eq(event.id, "end");
    json = event_json(&event);
    ck_assert_str_eq(fake_service_text(json, "message.status"), "complete");
    ck_assert_str_eq(fake_service_text(json, "session.title"), "New title");
    ck_assert_ptr_nonnull(fake_service_at(json, "quota.daily.remaining"));
    ck_assert_ptr_null(fake_service_at(json, "message.content"));
    ck_assert_ptr_null(fake_service_at(json, "message.reasoning"));
    ck_assert_ptr_nonnull(fake_service_at(json, "message.content_bytes"));
}
END_TEST

START_TEST(ids_count_bytes_of_reasoning_and_content)
{
    send_it("{\"content\":\"Hi\"}");
    open_it();
    text("\xc3\xa4h", "");                                  /* 3 bytes */
    text("\xc3\xa4h\xe2\x80\xa6", "");                      /* 6 */
    text("\xc3\xa4h\xe2\x80\xa6", "\xf0\x9f\x98\x80");      /* and 4 */
    text("\xc3\xa4h\xe2\x80\xa6", "\xf0\x9f\x98\x80 \"\n"); /* 7 */
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "id: 3.0\nevent: reasoning\n"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "id: 6.0\nevent: reasoning\n"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "id: 6.4\nevent: delta\n"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "id: 6.7\nevent: delta\n"));
    ck_assert_str_eq(joined("reasoning", 0, 0), "\xc3\xa4h\xe2\x80\xa6");
    ck_assert_str_eq(joined("delta", 0, 0), "\xf0\x9f\x98\x80 \"\n");
    close_it();
}
END_TEST

START_TEST(pings_and_titles_have_no_id)
{
    send_it("{\"content\":\"Hi\"}");
    open_it();
    request.out.len = 0;
    ck_assert_int_eq(listener_ping(listener(), &answers->scratch), LISTENER_READY);
    ck_assert_int_eq(listener_title(listener(), "A \"title\"", &answers->scratch), LISTENER_READY);
    ck_assert_str_eq(fake_request_body(&request),
                     "event: ping\ndata: {}\n\nevent: title\ndata: {\"title\":\"A \\\"title\\\"\"}\n\n");
    close_it();
}
END_TEST

START_TEST(a_failure_in_mid_stream_is_an_error_event)
{
    const char *at;
    struct event event;
    const struct json *json;

    send_it("{\"content\":\"Hi\"}");
    open_it();
    text("", "Hel");
    end_as(CHAT_ERR_UPSTREAM_RATE_LIMITED, MESSAGE_FAILED, "Hel");
    close_it();
    ck_assert_str_eq(names(), "start delta error");
    at = strstr(fake_request_body(&request), "id: end\n");
    ck_assert(next_event(&at, &event));
    json = event_json(&event);
    ck_assert_str_eq(fake_service_text(json, "error.code"), "upstream_rate_limited");
    ck_assert_str_eq(fake_service_text(json, "error.request_id"), "req-1");
    ck_assert_str_eq(fake_service_text(json, "message.status"), "failed");
    ck_assert_int_eq(request.status, 200);
}
END_TEST

START_TEST(a_client_that_reads_slowly_is_blocked_and_then_gets_the_rest_in_order)
{
    request.room = 0;
    send_it("{\"content\":\"Hi\"}");
    request.room = 10;
    ck_assert_int_eq(open_it(), LISTENER_BLOCKED);
    ck_assert_int_eq(text("", "Hel"), LISTENER_BLOCKED);
    while (listener_writable(listener()) == LISTENER_BLOCKED) {}
    request.room = 0;
    ck_assert_int_eq(text("", "Hello"), LISTENER_READY);
    ck_assert_str_eq(joined("delta", 0, 0), "Hello");
    ck_assert_str_eq(names(), "start delta");
    close_it();
}
END_TEST

/* (B1, A2) However far behind: all of it comes, and only so much is composed before the client has taken it. */
START_TEST(a_client_far_behind_gets_all_of_the_text_a_part_at_a_time)
{
    char *long_text = arena_alloc(&service.arena, LONG_BYTES + 1);

    memset(long_text, 'x', LONG_BYTES);
    long_text[LONG_BYTES] = '\0';
    send_it("{\"content\":\"Hi\"}");
    request.room = 5000;
    while (open_it() == LISTENER_BLOCKED)
        while (listener_writable(listener()) == LISTENER_BLOCKED) {}
    for (int parts = 1; text("", long_text) == LISTENER_BLOCKED; parts++) {
        ck_assert_int_le(parts, LONG_BYTES / PIECE_BYTES);
        ck_assert_uint_le(request.waiting.len, AHEAD_BYTES + PIECE_BYTES);
        ck_assert_int_eq(text("", long_text), LISTENER_BLOCKED); /* no more while that waits */
        ck_assert_uint_le(request.waiting.len, AHEAD_BYTES + PIECE_BYTES);
        while (listener_writable(listener()) == LISTENER_BLOCKED) {}
    }
    ck_assert_str_eq(joined("delta", 0, 0), long_text);
    close_it();
}
END_TEST

START_TEST(to_a_client_that_takes_all_a_long_text_comes_a_part_at_a_time_too)
{
    char *long_text = arena_alloc(&service.arena, LONG_BYTES + 1);
    size_t before;

    memset(long_text, 'x', LONG_BYTES);
    long_text[LONG_BYTES] = '\0';
    send_it("{\"content\":\"Hi\"}");
    open_it();
    do before = request.out.len; /* one turn's work is bounded */
    while (text(long_text, "") == LISTENER_BLOCKED && request.out.len - before <= AHEAD_BYTES + PIECE_BYTES);
    ck_assert_uint_le(request.out.len - before, AHEAD_BYTES + PIECE_BYTES);
    ck_assert_str_eq(joined("reasoning", 0, 0), long_text);
    close_it();
}
END_TEST

static uint64_t counted(int status)
{
    int at = 0;
    uint64_t sum = 0;

    while (at < METRICS_STATUSES - 1 && metrics_status(at) != status) at++;
    for (int route = 0; route < METRICS_ROUTES; route++) sum += metrics->counters.requests[route][at];
    return sum;
}

START_TEST(a_client_that_left_before_the_end_is_499_in_log_and_metrics)
{
    uint64_t before_200 = counted(200), before_499 = counted(499);

    send_it("{\"content\":\"Hi\"}");
    open_it();
    text("", "Hel");
    close_it();
    ck_assert_uint_eq(counted(499), before_499 + 1);
    send_it("{\"content\":\"Hi\"}");
    open_it();
    request.room = 10;
    ck_assert_int_eq(end_as(CHAT_OK, MESSAGE_COMPLETE, ""), LISTENER_BLOCKED);
    close_it(); /* let go with some of the end still waiting */
    ck_assert_uint_eq(counted(499), before_499 + 2);
    ck_assert_uint_eq(counted(200), before_200);
    send_it("{\"content\":\"Hi\"}");
    request.room = 0;
    open_it();
    end_as(CHAT_OK, MESSAGE_COMPLETE, "");
    close_it();
    ck_assert_uint_eq(counted(200), before_200 + 1);
    ck_assert_uint_eq(counted(499), before_499 + 2);
}
END_TEST

START_TEST(a_client_that_left_is_gone_at_every_step)
{
    send_it("{\"content\":\"Hi\"}");
    request.client_gone = true;
    ck_assert_int_eq(open_it(), LISTENER_GONE);
    ck_assert_int_eq(text("", "x"), LISTENER_GONE);
    ck_assert_int_eq(listener_ping(listener(), &answers->scratch), LISTENER_GONE);
    ck_assert_int_eq(end_as(CHAT_OK, MESSAGE_COMPLETE, "x"), LISTENER_GONE);
    close_it();
    ck_assert(request.closed && !request.finished);
}
END_TEST

/* ---- as JSON ---- */

START_TEST(an_answer_as_json_has_question_answer_and_quota)
{
    const struct json *json;

    send_it("{\"content\":\"Hi\",\"stream\":false}");
    ck_assert_int_eq(request.responses, 0); /* nothing before the end */
    ck_assert_int_eq(open_it(), LISTENER_READY);
    ck_assert_int_eq(text("", "Hello"), LISTENER_READY);
    ck_assert_int_eq(listener_ping(listener(), &answers->scratch), LISTENER_READY);
    ck_assert_int_eq(listener_title(listener(), "T", &answers->scratch), LISTENER_READY);
    ck_assert_int_eq(request.responses, 0);
    ck_assert_int_eq(end_as(CHAT_OK, MESSAGE_COMPLETE, "Hello"), LISTENER_READY);
    close_it();
    ck_assert_int_eq(request.status, 201);
    ck_assert_str_eq(fake_request_header(&request, "Content-Type"), "application/json; charset=utf-8");
    ck_assert_int_eq(atoi(fake_request_header(&request, "Content-Length")), (int)request.out.len);
    ck_assert_str_eq(fake_request_header(&request, "X-RateLimit-Remaining"), "9");
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "user_message.content"), "Hi");
    ck_assert_str_eq(fake_service_text(json, "message.content"), "Hello");
    ck_assert_str_eq(fake_service_text(json, "message.status"), "complete");
    ck_assert_ptr_nonnull(fake_service_at(json, "quota.daily"));
    ck_assert_str_eq(fake_service_text(json, "session.title"), "Hi"); /* made by this call */
}
END_TEST

START_TEST(into_an_existing_session_the_json_has_no_session)
{
    const char *path =
        arena_printf(&service.arena, "/api/v1/chat/sessions/%s/messages", fake_chat_session(&service.chat));

    fake_request_fini(&request);
    fake_request_init(&request, "POST", path);
    fake_service_sign_in(&service, &request);
    fake_request_json(&request, "{\"content\":\"Hi\",\"stream\":false}");
    fake_service_serve(&service, &request);
    end_as(CHAT_OK, MESSAGE_COMPLETE, "Hello");
    close_it();
    ck_assert_int_eq(request.status, 201);
    ck_assert_ptr_null(json_get(fake_service_json(&service, &request), "session"));
}
END_TEST

START_TEST(a_failure_as_json_is_a_status)
{
    send_it("{\"content\":\"Hi\",\"stream\":false}");
    open_it();
    ck_assert_int_eq(end_as(CHAT_ERR_UPSTREAM_RATE_LIMITED, MESSAGE_FAILED, ""), LISTENER_READY);
    close_it();
    ck_assert_int_eq(request.status, 429);
    ck_assert_str_eq(fake_request_header(&request, "Retry-After"), "7");
    ck_assert_str_eq(fake_request_header(&request, "X-RateLimit-Limit"), "10");
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.code"), "upstream_rate_limited");
}
END_TEST

/* ---- attaching ---- */

static const char *answer_of(const char *content, enum message_status status)
{
    return fake_chat_exchange(&service.chat, fake_chat_session(&service.chat), "Why?", content, status);
}

START_TEST(a_finished_answer_is_replayed_whole)
{
    const char *at;
    struct event event;
    const char *id = answer_of("Because \xc3\xa4.", MESSAGE_COMPLETE);

    attach(id, NULL);
    ck_assert(request.taken && request.finished && request.closed);
    ck_assert_ptr_null(answers->listener);
    ck_assert_int_eq(request.status, 200);
    ck_assert_ptr_null(fake_request_header(&request, "X-RateLimit-Limit")); /* counts nothing */
    ck_assert_str_eq(names(), "start delta done");
    ck_assert_str_eq(joined("delta", 0, 0), "Because \xc3\xa4.");
    at = fake_request_body(&request);
    ck_assert(next_event(&at, &event));
    ck_assert_str_eq(fake_service_text(event_json(&event), "user_message.content"), "Why?");
    ck_assert_str_eq(fake_service_text(event_json(&event), "message.content"), ""); /* all text comes in deltas */
}
END_TEST

START_TEST(how_it_ended_is_told_again)
{
    attach(answer_of("Bec", MESSAGE_STOPPED), NULL);
    ck_assert_str_eq(names(), "start delta done");
    attach(answer_of("Bec", MESSAGE_INTERRUPTED), NULL);
    ck_assert_str_eq(names(), "start delta error");
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "\"code\":\"interrupted\""));
    attach(answer_of("", MESSAGE_FAILED), NULL);
    ck_assert_str_eq(names(), "start error");
}
END_TEST

/* "aäb": a character from byte 1 to 2. */
static const struct {
    const char *id, *content, *names;
    size_t content_at;
} resumes[] = {
    {"0.0",
     "a\xc3\xa4"
     "b",
     "delta done", 0},
    {"0.1",
     "\xc3\xa4"
     "b",
     "delta done", 1},
    {"0.2",
     "\xc3\xa4"
     "b",
     "delta done", 1}, /* within a character: from its beginning */
    {"0.3", "b", "delta done", 3},
    {"0.4", "", "done", 4},
    {"0.5",
     "a\xc3\xa4"
     "b",
     "start delta done", 0}, /* has more than is stored: takes the stored text */
    {"7.0",
     "a\xc3\xa4"
     "b",
     "start delta done", 0},
    {"999999999999.999999999999",
     "a\xc3\xa4"
     "b",
     "start delta done", 0},
    {"",
     "a\xc3\xa4"
     "b",
     "start delta done", 0}, /* as browsers send it at first */
};

START_TEST(a_stream_goes_on_behind_the_last_id)
{
    attach(answer_of("a\xc3\xa4"
                     "b",
                     MESSAGE_COMPLETE),
           resumes[_i].id);
    ck_assert_str_eq(names(), resumes[_i].names);
    ck_assert_str_eq(joined("delta", 0, resumes[_i].content_at), resumes[_i].content);
}
END_TEST

/* GET …/stream of a finished answer, "Because", with a query. */
static void attach_with_query(const char *query)
{
    fake_request_fini(&request);
    fake_request_init(&request, "GET",
                      arena_printf(&service.arena, MESSAGES "/%s/stream", answer_of("Because", MESSAGE_COMPLETE)));
    fake_service_sign_in(&service, &request);
    request.request.query = query;
    fake_service_serve(&service, &request);
}

START_TEST(a_last_id_may_come_as_a_parameter)
{
    attach_with_query("last_event_id=0.3");
    ck_assert_str_eq(joined("delta", 0, 3), "ause");
}
END_TEST

START_TEST(an_empty_last_id_is_none)
{
    attach(answer_of("Because", MESSAGE_COMPLETE), "");
    ck_assert_str_eq(names(), "start delta done");
    attach_with_query("last_event_id=");
    ck_assert_str_eq(names(), "start delta done");
}
END_TEST

START_TEST(who_has_the_closing_event_gets_204)
{
    attach(answer_of("Because", MESSAGE_COMPLETE), "end");
    ck_assert_int_eq(request.status, 204);
    ck_assert(!request.taken);
    ck_assert_uint_eq(request.out.len, 0);
}
END_TEST

static const char *const hostile[] = {
    "1",
    "1.",
    ".1",
    "1.1.1",
    "-1.0",
    "0.-1",
    "a.b",
    "0.1x",
    " 0.1",
    "+1.0",
    "0x1.0",
    "END",
    "end ",
    "9999999999999.0",
    "0.99999999999999999999999999",
    "0.0\n",
    "NaN.0",
    "1e3.0",
    "start",
};

START_TEST(a_hostile_id_is_400)
{
    attach(answer_of("Because", MESSAGE_COMPLETE), hostile[_i]);
    ck_assert_int_eq(request.status, 400);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.code"), "invalid_request");
    ck_assert(!request.taken);
}
END_TEST

START_TEST(a_hostile_parameter_is_400)
{
    static const char *const queries[] = {"last_event_id=%zz", "last_event_id=0.3%", "last_event_id=%ff",
                                          "last_event_id=0.3&last_event_id=0.3", "last_event_id=&last_event_id=0.3"};

    for (size_t i = 0; i < UNIT_COUNT(queries); i++) {
        attach_with_query(queries[i]);
        ck_assert_msg(request.status == 400, "%s: %d", queries[i], request.status);
        ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.code"), "invalid_request");
    }
}
END_TEST

START_TEST(a_long_replay_comes_in_pieces_that_end_between_characters)
{
    enum { COUNT = 30000 };
    char *content = arena_alloc(&service.arena, 4 * COUNT + 2);
    size_t len = 0;

    content[len++] = 'x'; /* so that no border falls between characters by itself */
    for (int i = 0; i < COUNT; i++) {
        memcpy(content + len, i % 3 ? "\xe2\x82\xac" : "\xf0\x9f\x98\x80", i % 3 ? 3 : 4);
        len += i % 3 ? 3 : 4;
    }
    attach(answer_of(content, MESSAGE_COMPLETE), NULL);
    ck_assert_str_eq(joined("delta", 0, 0), content); /* each piece passed the JSON gate: whole characters */
    ck_assert(request.finished);
}
END_TEST

START_TEST(a_slow_client_gets_the_whole_replay)
{
    const char *id = answer_of("Because", MESSAGE_COMPLETE);

    fake_request_fini(&request);
    fake_request_init(&request, "GET", arena_printf(&service.arena, MESSAGES "/%s/stream", id));
    fake_service_sign_in(&service, &request);
    request.room = 7;
    fake_service_serve(&service, &request);
    while (request.waiting.len) { /* what was left when the closing event was written is flushed by then */
        ck_abort_msg("%zu bytes wait", request.waiting.len);
    }
    ck_assert_str_eq(names(), "start delta done");
    ck_assert_int_gt(request.flushes, 10);
    ck_assert(request.closed);
}
END_TEST

START_TEST(a_running_answer_is_attached_to)
{
    const char *id = answer_of(NULL, MESSAGE_STREAMING);

    attach(id, "0.2");
    ck_assert_int_eq(answers->attached, 1);
    ck_assert_str_eq(answers->answer.id, id);
    open_it();
    ck_assert_int_eq(request.status, 200);
    ck_assert(!request.held); /* however long the answer is silent */
    text("", "abc");
    end_as(CHAT_OK, MESSAGE_COMPLETE, "abc");
    close_it();
    ck_assert_str_eq(names(), "delta done");
    ck_assert_str_eq(joined("delta", 0, 2), "c");
}
END_TEST

START_TEST(without_a_place_it_is_503_and_says_when_to_come_again)
{
    answers->refuse = CHAT_ERR_OVERLOADED;
    attach(answer_of(NULL, MESSAGE_STREAMING), NULL);
    ck_assert_int_eq(request.status, 503);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.code"), "overloaded");
    ck_assert_int_eq(answers->attached, 0);
    ck_assert_int_eq(answers->reserved, 0);
}
END_TEST

START_TEST(a_question_has_no_stream)
{
    struct message message;

    ck_assert(fake_repo_message(service.chat.repo, answer_of("x", MESSAGE_COMPLETE), &message));
    attach(message.parent_id, NULL);
    ck_assert_int_eq(request.status, 422);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.code"), "validation_failed");
    ck_assert_ptr_nonnull(fake_service_at(fake_service_json(&service, &request), "error.details.fields.id"));
}
END_TEST

START_TEST(a_connection_that_cannot_be_taken_is_503)
{
    const char *id = answer_of("x", MESSAGE_COMPLETE);

    fake_request_fini(&request);
    fake_request_init(&request, "GET", arena_printf(&service.arena, MESSAGES "/%s/stream", id));
    fake_service_sign_in(&service, &request);
    request.take_fails = true;
    fake_service_serve(&service, &request);
    ck_assert_int_eq(request.status, 503);
}
END_TEST

START_TEST(with_limits_away_a_replay_still_works)
{
    const struct chat_policy *policy = &service.chat.policy;
    const struct json *start;
    struct event event;
    const char *at;
    int64_t limit, remaining;

    service.chat.admission.peek_error = CHAT_ERR_REDIS_UNAVAILABLE;
    attach(answer_of("Because", MESSAGE_COMPLETE), NULL);
    ck_assert_str_eq(names(), "start delta done");
    at = fake_request_body(&request);
    ck_assert(next_event(&at, &event));
    start = event_json(&event); /* the limits as they are set: 0 would say that nothing is allowed */
    ck_assert(json_integer(fake_service_at(start, "quota.rate_limit.limit"), &limit));
    ck_assert(json_integer(fake_service_at(start, "quota.rate_limit.remaining"), &remaining));
    ck_assert(policy->rate_limit_per_minute > 0 && limit == policy->rate_limit_per_minute && remaining == limit);
    ck_assert(json_integer(fake_service_at(start, "quota.daily.limit"), &limit));
    ck_assert(json_integer(fake_service_at(start, "quota.daily.remaining"), &remaining));
    ck_assert(policy->daily_message_quota > 0 && limit == policy->daily_message_quota && remaining == limit);
}
END_TEST

UNIT_SUITE(http_answer_stream)
{
    Suite *suite = suite_create("http_answer_stream");
    TCase *cases[3];

    cases[0] = UNIT_CASE(suite, "events", an_answer_is_start_deltas_and_done, ids_count_bytes_of_reasoning_and_content,
                         pings_and_titles_have_no_id, a_failure_in_mid_stream_is_an_error_event,
                         a_client_that_reads_slowly_is_blocked_and_then_gets_the_rest_in_order,
                         a_client_far_behind_gets_all_of_the_text_a_part_at_a_time,
                         to_a_client_that_takes_all_a_long_text_comes_a_part_at_a_time_too,
                         a_client_that_left_before_the_end_is_499_in_log_and_metrics,
                         a_client_that_left_is_gone_at_every_step);
    cases[1] = UNIT_CASE(suite, "json", an_answer_as_json_has_question_answer_and_quota,
                         into_an_existing_session_the_json_has_no_session, a_failure_as_json_is_a_status);
    cases[2] = UNIT_CASE(suite, "attaching", a_finished_answer_is_replayed_whole, how_it_ended_is_told_again,
                         a_last_id_may_come_as_a_parameter, an_empty_last_id_is_none, a_hostile_parameter_is_400,
                         who_has_the_closing_event_gets_204, a_long_replay_comes_in_pieces_that_end_between_characters,
                         a_slow_client_gets_the_whole_replay, a_running_answer_is_attached_to,
                         without_a_place_it_is_503_and_says_when_to_come_again, a_question_has_no_stream,
                         a_connection_that_cannot_be_taken_is_503, with_limits_away_a_replay_still_works);
    tcase_add_loop_test(cases[2], a_stream_goes_on_behind_the_last_id, 0, (int)UNIT_COUNT(resumes));
    tcase_add_loop_test(cases[2], a_hostile_id_is_400, 0, (int)UNIT_COUNT(hostile));
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        tcase_add_checked_fixture(cases[i], set_up, tear_down);
    }
    return suite;
}

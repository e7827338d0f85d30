/*
 * stream-load: many answers at once through the whole stack, each checked byte by byte.
 *
 * It opens N streams (libcurl multi on an epoll of its own, one thread), asks for generated text
 * of the test upstream (tests/fakes/upstream/README.md, "Generated text"), decodes the events and
 * holds each stream against the contract: one `start` first, `id:` equal to the bytes received,
 * every byte of the content as generated, exactly one `done`, no `error`, nothing after it.
 * The result is one JSON object on stdout; status 1 when any stream failed, 2 for wrong usage.
 *
 *   stream-load --url https://127.0.0.1:8443 --cacert ca.pem --tokens jwts --streams 1000
 *               --chunks 100 --size 32 --pace-ms 20 --timestamps
 *
 * Ways in: --one-call (POST /api/v1/chat/messages, the default), --session (makes a session,
 * then sends in it), --completions PATH (OpenAI frames, for /api/v1/chat/completions and, as the
 * yardstick, for a bare proxy in front of the test upstream).
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES (256u * 1024) /* a longer line of an event stream fails its stream */
#define STAMP_SIZE 18u               /* '@', 16 digits of microseconds, '@' */
#define REASONS_MAX 32
#define BODY_MAX_BYTES 1024u
#define HEADERS_MAX 8
#define SETTLE_MS 1500 /* what was asked for last is open by then */

enum way { WAY_ONE_CALL, WAY_SESSION, WAY_COMPLETIONS };

struct options {
    const char *url;
    const char *cacert;
    const char *model;
    const char *path;                 /* of WAY_COMPLETIONS */
    const char *extra;                /* further keys for the marker */
    const char *headers[HEADERS_MAX]; /* further ones of each request */
    size_t header_count;
    char **tokens;
    size_t token_count;
    long streams;
    long concurrency; /* open at the same time; 0: all */
    long chunks;
    long size;
    double pace_ms;
    long ramp_ms;
    bool together; /* no chunk before all streams are open */
    long timeout_s;
    long from_ms;  /* chunks that come before are checked, but their delay doesn't count */
    long until_ms; /* nor do those that come after; 0: the end */
    bool http2;
    bool timestamps;
    enum way way;
};

struct samples { /* microseconds */
    uint32_t *values;
    size_t count;
    size_t cap;
};

struct load;

/* One answer: the decoder's state and what has been seen of it. */
struct stream {
    struct load *load;
    size_t number;
    CURL *easy;
    char url[256];
    char *line; /* the unfinished line; owned */
    size_t line_len;
    size_t line_cap;
    char *data; /* data of the unfinished event; owned */
    size_t data_len;
    size_t data_cap;
    char event[24];
    char id[48];
    bool has_data;
    bool making_session;
    bool begun; /* `start` was seen, or isn't sent on this way */
    bool ended;
    bool failed;
    size_t bytes; /* content received */
    char stamp[STAMP_SIZE];
    uint64_t sent_us;
};

struct reason {
    char text[96];
    long count;
};

struct load {
    struct options options;
    CURLM *multi;
    CURLSH *share;
    struct curl_slist **headers; /* one list a token */
    int epoll;
    long running_until_ms; /* curl's timer; -1: none */
    uint64_t began_us;
    long started;
    long finished;
    long ok;
    struct reason reasons[REASONS_MAX];
    struct samples first;
    struct samples delays;
    struct samples first_delays; /* of each stream's first chunk */
    struct stream *streams;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("stream-load: out of memory\n", stderr);
        exit(70);
    }
    return memory;
}

/* ---- results ---- */

static void samples_add(struct samples *self, uint64_t value_us)
{
    if (self->count == self->cap) {
        self->cap = self->cap ? self->cap * 2 : 4096;
        self->values = must(realloc(self->values, self->cap * sizeof(*self->values)));
    }
    self->values[self->count++] = value_us > UINT32_MAX ? UINT32_MAX : (uint32_t)value_us;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void samples_print(struct samples *self, const char *name)
{
    if (self->count == 0) {
        printf(",\"%s\":null", name);
        return;
    }
    qsort(self->values, self->count, sizeof(*self->values), compare);
    size_t last = self->count - 1;
    printf(",\"%s\":{\"count\":%zu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, self->count,
           self->values[last / 2] / 1e3, self->values[last * 9 / 10] / 1e3, self->values[last * 99 / 100] / 1e3,
           self->values[last] / 1e3);
}

/* The first failure of a stream counts, later ones are its consequences. */
static void stream_fail(struct stream *self, const char *why, const char *detail)
{
    char text[96];
    if (self->failed) return;
    self->failed = true;
    snprintf(text, sizeof(text), "%s%s%.60s", why, *detail ? ": " : "", detail);
    struct reason *reasons = self->load->reasons;
    size_t i = 0;
    while (i < REASONS_MAX - 1 && reasons[i].count > 0 && strcmp(reasons[i].text, text) != 0) i++;
    if (reasons[i].count++ == 0) memcpy(reasons[i].text, text, sizeof(text));
}

/* ---- checking the content ---- */

/* Byte `at` of chunk `index`: "<index>:" and letters from 'a' + index % 26 on. */
static char expected_byte(size_t index, size_t at)
{
    char head[24];
    size_t head_len = (size_t)snprintf(head, sizeof(head), "%zu:", index);
    return at < head_len ? head[at] : (char)('a' + (index % 26 + at - head_len) % 26);
}

static bool take_stamp(struct stream *self, size_t at, char byte)
{
    self->stamp[at] = byte;
    if (at < STAMP_SIZE - 1) return true;
    if (self->stamp[0] != '@' || byte != '@') return false;
    uint64_t sent_us = 0, here_us = now_us();
    for (size_t i = 1; i < STAMP_SIZE - 1; i++) {
        if (self->stamp[i] < '0' || self->stamp[i] > '9') return false;
        sent_us = sent_us * 10 + (uint64_t)(self->stamp[i] - '0');
    }
    const struct options *options = &self->load->options;
    const uint64_t delay_us = here_us > sent_us ? here_us - sent_us : 0;
    long at_ms = (long)((here_us - self->load->began_us) / 1000);
    if (self->bytes < STAMP_SIZE) samples_add(&self->load->first_delays, delay_us);
    if (at_ms >= options->from_ms && (options->until_ms == 0 || at_ms < options->until_ms))
        samples_add(&self->load->delays, delay_us);
    return true;
}

/* Compares the rest of a chunk from `at` on; the head was dealt with byte by byte. */
static bool check_letters(size_t index, size_t at, const char *text, size_t len)
{
    char letter = expected_byte(index, at);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != letter) return false;
        letter = letter == 'z' ? 'a' : (char)(letter + 1);
    }
    return true;
}

static void take_content(struct stream *self, const char *text, size_t len)
{
    const struct options *options = &self->load->options;
    size_t size = (size_t)options->size, total = size * (size_t)options->chunks;
    if (self->bytes == 0 && len > 0) samples_add(&self->load->first, now_us() - self->sent_us);
    if (self->bytes + len > total) {
        stream_fail(self, "more content than ordered", "");
        return;
    }
    while (len > 0) {
        size_t index = self->bytes / size, at = self->bytes % size, now = 1;
        bool right;
        if (options->timestamps && at < STAMP_SIZE) {
            right = take_stamp(self, at, *text);
        } else if (at < 12) {
            right = *text == expected_byte(index, at);
        } else {
            now = size - at < len ? size - at : len;
            right = check_letters(index, at, text, now);
        }
        if (!right) {
            stream_fail(self, "content differs", "");
            return;
        }
        self->bytes += now;
        text += now;
        len -= now;
    }
}

/* ---- decoding events ---- */

static size_t put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    to[0] = (char)(0xe0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 63));
    to[2] = (char)(0x80 | (code & 63));
    return 3;
}

/* Undoes the JSON string that starts at text, in place; the length of what it says, -1 when it
 * has no end. Generated text holds no surrogates. */
static long unescape(char *text, const char *end)
{
    char *to = text;
    for (char *from = text; from < end; from++) {
        if (*from == '"') return to - text;
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        if (++from == end) return -1;
        static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
        const char *name = strchr(names, *from);
        if (*from == 'u') {
            char hex[5] = {0};
            if (end - from < 5) return -1;
            memcpy(hex, from + 1, 4);
            to += put_utf8(to, (unsigned)strtoul(hex, NULL, 16));
            from += 4;
        } else {
            *to++ = name != NULL && *from ? values[name - names] : *from;
        }
    }
    return -1;
}

/* The string value of the first member of that name, NUL-terminated in place. */
static char *member(char *json, const char *name)
{
    char key[32];
    snprintf(key, sizeof(key), "\"%s\":\"", name);
    char *at = strstr(json, key);
    if (at == NULL) return NULL;
    at += strlen(key);
    long len = unescape(at, at + strlen(at));
    if (len < 0) return NULL;
    at[len] = '\0';
    return at;
}

static void check_id(struct stream *self)
{
    char want[48];
    snprintf(want, sizeof(want), "0.%zu", self->bytes);
    if (strcmp(self->id, want) != 0) stream_fail(self, "id differs from the bytes received", "");
}

static void on_end(struct stream *self)
{
    const struct options *options = &self->load->options;
    self->ended = true;
    if (self->bytes != (size_t)options->size * (size_t)options->chunks)
        stream_fail(self, "done, but content is missing", "");
    if (options->way != WAY_COMPLETIONS && strcmp(self->id, "end") != 0) check_id(self);
}

static void on_event(struct stream *self)
{
    char *content;
    if (self->ended)
        stream_fail(self, "event after the end", self->event);
    else if (strcmp(self->event, "ping") == 0 || strcmp(self->event, "title") == 0)
        return;
    else if (strcmp(self->event, "start") == 0 && !self->begun)
        self->begun = true;
    else if (!self->begun)
        stream_fail(self, "no start at the beginning", self->event);
    else if (strcmp(self->event, "done") == 0)
        on_end(self);
    else if (strcmp(self->event, "error") == 0)
        stream_fail(self, "error event", (content = member(self->data, "code")) ? content : "");
    else if (strcmp(self->event, "delta") != 0)
        stream_fail(self, "unexpected event", self->event);
    else if ((content = member(self->data, "content")) == NULL)
        stream_fail(self, "delta without content", "");
    else {
        take_content(self, content, strlen(content));
        check_id(self);
    }
}

static void on_frame(struct stream *self)
{
    char *content;
    if (self->ended)
        stream_fail(self, "frame after [DONE]", "");
    else if (strcmp(self->data, "[DONE]") == 0)
        on_end(self);
    else if (strncmp(self->data, "{\"error\":{", 10) == 0)
        stream_fail(self, "error frame", (content = member(self->data, "code")) ? content : "");
    else if ((content = member(self->data, "content")) != NULL)
        take_content(self, content, strlen(content));
}

static void append(char **to, size_t *len, size_t *cap, const char *bytes, size_t more)
{
    if (*cap - *len <= more) {
        while (*cap - *len <= more) *cap = *cap ? *cap * 2 : 512;
        *to = must(realloc(*to, *cap));
    }
    memcpy(*to + *len, bytes, more);
    *len += more;
    (*to)[*len] = '\0';
}

static void on_field(struct stream *self, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == line) return; /* a comment */
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    if (value < line + len && *value == ' ') value++;
    size_t value_len = (size_t)(line + len - value);
    if (name_len == 4 && memcmp(line, "data", 4) == 0) {
        if (self->has_data) append(&self->data, &self->data_len, &self->data_cap, "\n", 1);
        append(&self->data, &self->data_len, &self->data_cap, value, value_len);
        self->has_data = true;
    } else if (name_len == 5 && memcmp(line, "event", 5) == 0) {
        snprintf(self->event, sizeof(self->event), "%.*s", (int)value_len, value);
    } else if (name_len == 2 && memcmp(line, "id", 2) == 0) {
        snprintf(self->id, sizeof(self->id), "%.*s", (int)value_len, value);
    }
}

static void on_line(struct stream *self, const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r') len--;
    if (len > 0) {
        on_field(self, line, len);
        return;
    }
    if (self->has_data && self->load->options.way == WAY_COMPLETIONS)
        on_frame(self);
    else if (self->has_data)
        on_event(self);
    self->has_data = false;
    self->data_len = 0;
    self->event[0] = '\0';
}

/* Lines end in LF or CR LF, as the server under test writes them. */
static void decode(struct stream *self, const char *bytes, size_t len)
{
    while (len > 0 && !self->failed) {
        const char *lf = memchr(bytes, '\n', len);
        size_t now = lf ? (size_t)(lf - bytes) : len;
        if (self->line_len + now > LINE_MAX_BYTES) {
            stream_fail(self, "a line is too long", "");
        } else if (lf != NULL && self->line_len == 0) {
            on_line(self, bytes, now);
        } else {
            append(&self->line, &self->line_len, &self->line_cap, bytes, now);
            if (lf != NULL) {
                on_line(self, self->line, self->line_len);
                self->line_len = 0;
            }
        }
        now += lf ? 1 : 0;
        bytes += now;
        len -= now;
    }
}

/* ---- requests ---- */

static size_t on_body(char *bytes, size_t one, size_t len, void *user)
{
    struct stream *self = user;
    long status = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    if (self->making_session || status != 200) {
        if (self->data_len + len < 65536) append(&self->data, &self->data_len, &self->data_cap, bytes, len);
    } else {
        decode(self, bytes, len);
    }
    return self->failed ? 0 : one * len;
}

static void stream_request(struct stream *self, const char *path, const char *body)
{
    struct load *load = self->load;
    snprintf(self->url, sizeof(self->url), "%s%s", load->options.url, path);
    curl_easy_setopt(self->easy, CURLOPT_URL, self->url);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(self->easy, CURLOPT_COPYPOSTFIELDS, body);
    self->data_len = 0;
    curl_multi_add_handle(load->multi, self->easy);
}

/* first_ms: how long the upstream is to be silent before the first chunk. */
static void make_body(const struct options *options, long first_ms, char body[BODY_MAX_BYTES])
{
    char content[512], model[128] = "", first[32] = "";
    if (first_ms > 0) snprintf(first, sizeof(first), " first=%ld", first_ms);
    snprintf(content, sizeof(content), "[[chunks=%ld size=%ld pace=%g%s%s %.200s]] load", options->chunks,
             options->size, options->pace_ms, options->timestamps ? " timestamps" : "", first, options->extra);
    if (options->way == WAY_COMPLETIONS) {
        snprintf(body, BODY_MAX_BYTES,
                 "{\"model\":\"%.100s\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"stream\":true}",
                 options->model ? options->model : "test-load", content);
        return;
    }
    if (options->model) snprintf(model, sizeof(model), ",\"model\":\"%.100s\"", options->model);
    snprintf(body, BODY_MAX_BYTES, "{\"content\":\"%s\",\"stream\":true%s}", content, model);
}

/* Together: until SETTLE_MS after the last one is asked for, and then spread over the time between two chunks by the
 * golden ratio, so that however many streams there are and however they opened, they talk in even turns. */
static long silent_ms(const struct stream *self)
{
    const struct options *options = &self->load->options;
    if (!options->together) return 0;
    double turn = 0.6180339887498949 * (double)self->number;
    long from_ms = options->ramp_ms + SETTLE_MS + (long)(options->pace_ms * (turn - floor(turn)));
    return from_ms - (long)((self->sent_us - self->load->began_us) / 1000);
}

static void stream_send(struct stream *self, const char *path)
{
    char body[BODY_MAX_BYTES];
    make_body(&self->load->options, silent_ms(self), body);
    stream_request(self, path, body);
}

static void stream_start(struct load *load, struct stream *self, size_t number)
{
    const struct options *options = &load->options;
    self->load = load;
    self->number = number;
    self->easy = must(curl_easy_init());
    self->begun = options->way == WAY_COMPLETIONS;
    self->sent_us = now_us();
    curl_easy_setopt(self->easy, CURLOPT_PRIVATE, (void *)self);
    curl_easy_setopt(self->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(self->easy, CURLOPT_WRITEDATA, (void *)self);
    curl_easy_setopt(self->easy, CURLOPT_HTTPHEADER, load->headers[number % options->token_count]);
    curl_easy_setopt(self->easy, CURLOPT_TIMEOUT, options->timeout_s);
    curl_easy_setopt(self->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(self->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(self->easy, CURLOPT_SHARE, load->share);
    curl_easy_setopt(self->easy, CURLOPT_HTTP_VERSION,
                     options->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(self->easy, CURLOPT_PIPEWAIT, options->http2 ? 1L : 0L);
    /* All at once, no connection is ever free: libcurl would walk through all of them in vain, at
     * the beginning to find one, at the end to make room for one. */
    bool once = !options->http2 && options->concurrency == 0;
    curl_easy_setopt(self->easy, CURLOPT_FRESH_CONNECT, once ? 1L : 0L);
    curl_easy_setopt(self->easy, CURLOPT_FORBID_REUSE, once && options->way != WAY_SESSION ? 1L : 0L);
    if (options->cacert) curl_easy_setopt(self->easy, CURLOPT_CAINFO, options->cacert);
    self->making_session = options->way == WAY_SESSION;
    if (self->making_session)
        stream_request(self, "/api/v1/chat/sessions", "{}");
    else
        stream_send(self, options->way == WAY_ONE_CALL ? "/api/v1/chat/messages" : options->path);
}

/* The session is made: the same handle sends in it. */
static bool stream_continue(struct stream *self, long status)
{
    char path[128];
    char *id = self->data_len > 0 ? member(self->data, "id") : NULL;
    if (!self->making_session || status != 201 || id == NULL) return false;
    self->making_session = false;
    curl_easy_setopt(self->easy, CURLOPT_FRESH_CONNECT, 0L);
    self->sent_us = now_us();
    snprintf(path, sizeof(path), "/api/v1/chat/sessions/%.36s/messages", id);
    stream_send(self, path);
    return true;
}

static void stream_finish(struct load *load, struct stream *self, CURLcode result)
{
    long status = 0;
    char code[96];
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(load->multi, self->easy);
    if (result == CURLE_OK && stream_continue(self, status)) return;
    if (result == CURLE_OK && (status != 200 || self->making_session)) {
        char *name = self->data_len > 0 ? member(self->data, "code") : NULL;
        snprintf(code, sizeof(code), "%ld %.60s", status, name ? name : "");
        stream_fail(self, "status", code);
    } else if (result != CURLE_OK) {
        stream_fail(self, "transfer", curl_easy_strerror(result));
    } else if (!self->ended) {
        stream_fail(self, "closed without an end", "");
    }
    if (!self->failed) load->ok++;
    load->finished++;
    curl_easy_cleanup(self->easy);
    free(self->line);
    free(self->data);
    self->line = self->data = NULL;
}

/* ---- the loop ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    struct load *load = user;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(load->epoll, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(load->multi, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    epoll_ctl(load->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(load->multi, fd, load);
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *user)
{
    struct load *load = user;
    (void)multi;
    load->running_until_ms = wait_ms < 0 ? -1 : (long)(now_us() / 1000) + wait_ms;
    return 0;
}

static void start_due(struct load *load)
{
    const struct options *options = &load->options;
    uint64_t ramp_us = (uint64_t)options->ramp_ms * 1000, gone_us = now_us() - load->began_us;
    long due = gone_us >= ramp_us ? options->streams : (long)((uint64_t)options->streams * gone_us / ramp_us) + 1;
    if (options->concurrency > 0 && due > load->finished + options->concurrency)
        due = load->finished + options->concurrency;
    if (due > options->streams) due = options->streams;
    for (; load->started < due; load->started++)
        stream_start(load, &load->streams[load->started], (size_t)load->started);
}

static void finish_done(struct load *load)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(load->multi, &left)) != NULL) {
        struct stream *stream = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&stream);
        stream_finish(load, stream, result);
    }
}

static int wait_ms(const struct load *load)
{
    long wait = 1000, now_ms = (long)(now_us() / 1000);
    if (load->running_until_ms >= 0 && load->running_until_ms - now_ms < wait) wait = load->running_until_ms - now_ms;
    if (load->started < load->options.streams && load->options.ramp_ms > 0 && wait > 1) wait = 1;
    return wait < 0 ? 0 : (int)wait;
}

static void run(struct load *load)
{
    struct epoll_event events[512];
    int running;
    while (load->finished < load->options.streams) {
        start_due(load);
        int count = epoll_wait(load->epoll, events, 512, wait_ms(load));
        for (int i = 0; i < count; i++) {
            int what = 0;
            if (events[i].events & (EPOLLIN | EPOLLHUP)) what |= CURL_CSELECT_IN;
            if (events[i].events & EPOLLOUT) what |= CURL_CSELECT_OUT;
            if (events[i].events & EPOLLERR) what |= CURL_CSELECT_ERR;
            curl_multi_socket_action(load->multi, events[i].data.fd, what, &running);
        }
        if (load->running_until_ms >= 0 && (long)(now_us() / 1000) >= load->running_until_ms) {
            load->running_until_ms = -1;
            curl_multi_socket_action(load->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        finish_done(load);
    }
}

/* ---- options ---- */

static void usage(void)
{
    fputs("usage: stream-load --url URL [--cacert FILE] --token FILE-OR-JWT | --tokens FILE\n"
          "  --streams N (10) --chunks C (100) --size B (32) --pace-ms P (20)\n"
          "  --concurrency N   streams open at the same time (all); connections are used again then\n"
          "  --timestamps      measure the delay of each chunk; same machine as the upstream\n"
          "  --http2 | --http1 (default)\n"
          "  --ramp-ms N (0)   open the streams over that time\n"
          "  --together        the upstream is silent until all are open: 1.5 s after the ramp\n"
          "  --from-ms N --until-ms N   delays of this part of the run count\n"
          "  --timeout-s N (120)\n"
          "  --one-call (default) | --session | --completions PATH\n"
          "  --model NAME      sent along; --completions needs one (test-load)\n"
          "  --header TEXT     sent along; up to 8 of them\n"
          "  --marker TEXT     further keys for the upstream, such as 'first=50'\n",
          stderr);
    exit(2);
}

static long number(const char *text, long min)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < min || value > 100000000) usage();
    return value;
}

/* One token a line; without such a file the text itself. */
static void read_tokens(struct options *out, const char *text, bool must_be_file)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    FILE *from = fopen(text, "r");
    if (from == NULL && must_be_file) {
        fprintf(stderr, "stream-load: %s: %s\n", text, strerror(errno));
        exit(2);
    }
    while (from != NULL && (len = getline(&line, &cap, from)) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line == '\0') continue;
        out->tokens = must(realloc(out->tokens, (out->token_count + 1) * sizeof(char *)));
        out->tokens[out->token_count++] = must(strdup(line));
        if (!must_be_file) break;
    }
    free(line);
    if (from != NULL) {
        fclose(from);
        return;
    }
    out->tokens = must(realloc(out->tokens, sizeof(char *)));
    out->tokens[0] = must(strdup(text));
    out->token_count = 1;
}

static void read_options(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {
        {"url", required_argument, NULL, 'u'},
        {"cacert", required_argument, NULL, 'a'},
        {"token", required_argument, NULL, 't'},
        {"tokens", required_argument, NULL, 'T'},
        {"streams", required_argument, NULL, 'n'},
        {"chunks", required_argument, NULL, 'c'},
        {"size", required_argument, NULL, 's'},
        {"pace-ms", required_argument, NULL, 'p'},
        {"timestamps", no_argument, NULL, 'm'},
        {"http2", no_argument, NULL, '2'},
        {"http1", no_argument, NULL, '1'},
        {"ramp-ms", required_argument, NULL, 'r'},
        {"together", no_argument, NULL, 'g'},
        {"from-ms", required_argument, NULL, 'f'},
        {"until-ms", required_argument, NULL, 'e'},
        {"timeout-s", required_argument, NULL, 'o'},
        {"session", no_argument, NULL, 'S'},
        {"one-call", no_argument, NULL, 'O'},
        {"completions", required_argument, NULL, 'C'},
        {"model", required_argument, NULL, 'M'},
        {"marker", required_argument, NULL, 'k'},
        {"concurrency", required_argument, NULL, 'K'},
        {"header", required_argument, NULL, 'H'},
        {0},
    };
    int option;
    *out = (struct options){.streams = 10, .chunks = 100, .size = 32, .pace_ms = 20, .timeout_s = 120, .extra = ""};
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'u': out->url = optarg; break;
        case 'a': out->cacert = optarg; break;
        case 't': read_tokens(out, optarg, false); break;
        case 'T': read_tokens(out, optarg, true); break;
        case 'n': out->streams = number(optarg, 1); break;
        case 'c': out->chunks = number(optarg, 1); break;
        case 's': out->size = number(optarg, 1); break;
        case 'p': out->pace_ms = strtod(optarg, NULL); break;
        case 'K': out->concurrency = number(optarg, 1); break;
        case 'm': out->timestamps = true; break;
        case '2': out->http2 = true; break;
        case '1': out->http2 = false; break;
        case 'r': out->ramp_ms = number(optarg, 0); break;
        case 'g': out->together = true; break;
        case 'f': out->from_ms = number(optarg, 0); break;
        case 'e': out->until_ms = number(optarg, 1); break;
        case 'o': out->timeout_s = number(optarg, 1); break;
        case 'S': out->way = WAY_SESSION; break;
        case 'O': out->way = WAY_ONE_CALL; break;
        case 'C':
            out->way = WAY_COMPLETIONS;
            out->path = optarg;
            break;
        case 'M': out->model = optarg; break;
        case 'k': out->extra = optarg; break;
        case 'H':
            if (out->header_count == HEADERS_MAX) usage();
            out->headers[out->header_count++] = optarg;
            break;
        default: usage();
        }
    }
    if (out->url == NULL || out->token_count == 0 || optind != argc) usage();
    if (out->timestamps && out->size < (long)STAMP_SIZE) out->size = STAMP_SIZE;
}

/* ---- main ---- */

static void make_headers(struct load *load)
{
    load->headers = must(calloc(load->options.token_count, sizeof(*load->headers)));
    for (size_t i = 0; i < load->options.token_count; i++) {
        size_t size = strlen(load->options.tokens[i]) + 32;
        char *line = must(malloc(size));
        snprintf(line, size, "Authorization: Bearer %s", load->options.tokens[i]);
        load->headers[i] = curl_slist_append(NULL, line);
        load->headers[i] = curl_slist_append(load->headers[i], "Content-Type: application/json");
        load->headers[i] = curl_slist_append(load->headers[i], "Accept: text/event-stream");
        load->headers[i] = curl_slist_append(load->headers[i], "Expect:");
        for (size_t j = 0; j < load->options.header_count; j++)
            load->headers[i] = curl_slist_append(load->headers[i], load->options.headers[j]);
        free(line);
    }
}

static void load_open(struct load *load)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    load->running_until_ms = -1;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->multi = must(curl_multi_init());
    load->share = must(curl_share_init());
    curl_share_setopt(load->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(load->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(load->multi, CURLMOPT_SOCKETDATA, (void *)load);
    curl_multi_setopt(load->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(load->multi, CURLMOPT_TIMERDATA, (void *)load);
    load->streams = must(calloc((size_t)load->options.streams, sizeof(*load->streams)));
    make_headers(load);
}

static void load_close(struct load *load)
{
    curl_multi_cleanup(load->multi);
    curl_share_cleanup(load->share);
    for (size_t i = 0; i < load->options.token_count; i++) {
        curl_slist_free_all(load->headers[i]);
        free(load->options.tokens[i]);
    }
    free(load->headers);
    free(load->options.tokens);
    free(load->streams);
    free(load->first.values);
    free(load->delays.values);
    free(load->first_delays.values);
    close(load->epoll);
    curl_global_cleanup();
}

static void print_result(struct load *load, double wall_s)
{
    const struct options *options = &load->options;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"streams\":%ld,\"ok\":%ld,\"failed\":%ld,\"reasons\":{", options->streams, load->ok,
           options->streams - load->ok);
    for (size_t i = 0; i < REASONS_MAX && load->reasons[i].count > 0; i++) {
        for (char *at = load->reasons[i].text; *at; at++)
            if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ') *at = '\'';
        printf("%s\"%s\":%ld", i ? "," : "", load->reasons[i].text, load->reasons[i].count);
    }
    printf("},\"chunks\":%ld,\"size\":%ld,\"pace_ms\":%g,\"http2\":%s", options->chunks, options->size,
           options->pace_ms, options->http2 ? "true" : "false");
    samples_print(&load->first, "first_delta_ms");
    samples_print(&load->delays, "chunk_delay_ms");
    samples_print(&load->first_delays, "first_chunk_delay_ms");
    printf(",\"wall_s\":%.3f,\"chunks_per_s\":%.0f,\"cpu_s\":%.3f,\"max_rss_kb\":%ld}\n", wall_s,
           (double)load->ok * (double)options->chunks / wall_s, cpu_s, used.ru_maxrss);
}

int main(int argc, char **argv)
{
    static struct load load;
    read_options(argc, argv, &load.options);
    load_open(&load);
    load.began_us = now_us();
    run(&load);
    print_result(&load, (double)(now_us() - load.began_us) / 1e6);
    bool good = load.ok == load.options.streams;
    load_close(&load);
    return good ? 0 : 1;
}

#include "redis/answer_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/append_text.lua.h"
#include "redis/keys.h"
#include "redis/processes.h"

enum {
    KEY_SIZE = UUID_TEXT_SIZE + 40,
    NUMBER_SIZE = 24,
    COMMANDS_A_TRIP = 400, /* keeps a round trip short: the deadline is for each */
    WRITES_A_TRIP = 64,
    PIECES_A_TRIP = 2 * WRITES_A_TRIP,       /* of content and of reasoning */
    PIECES_ARGS_MAX = 4 * PIECES_A_TRIP + 1, /* and how long keys live */
};
_Static_assert((int)PIECES_ARGS_MAX <= (int)REDIS_SCRIPT_ARGS, "all pieces of a trip go in one run of the script");
#define TEXT_SECONDS "600"      /* after a killed worker the text goes within; renewed while the answer is written */
#define ENDED_SECONDS "60"      /* for those still reading from it */
#define UNSAVED_SECONDS "86400" /* an answer that is over, for as long as Postgres may be away */
#define NOTES_SECONDS "60"

struct redis_answer_log {
    struct answer_log base;
    struct redis_conn *conn;
    int append_script;
};

static struct redis_answer_log *self_of(struct answer_log *log)
{
    return (struct redis_answer_log *)log;
}

static void answer_key(char out[KEY_SIZE], const char *answer_id, const char *what)
{
    snprintf(out, KEY_SIZE, REDIS_ANSWER_KEY, answer_id, what);
}

static void notes_key(char out[KEY_SIZE], const char *process_id)
{
    snprintf(out, KEY_SIZE, REDIS_NOTES_KEY, process_id);
}

/* ---- a pipeline: commands are queued, replies taken in the same order ---- */

/* What begins a text sets it, whatever was there. */
static bool sets(const struct log_write *write, size_t at)
{
    return write->whole || at == 0;
}

static bool send_set(struct redis_conn *conn, const struct log_write *write, const char *what, const char *text,
                     size_t len)
{
    char key[KEY_SIZE];
    answer_key(key, write->answer_id, what);
    const char *const args[] = {"SET", key, text, "EX", TEXT_SECONDS};
    const size_t lengths[] = {3, strlen(key), len, 2, sizeof TEXT_SECONDS - 1};
    return redis_conn_send_binary(conn, args, lengths, 5);
}

/* ---- pieces: all of a trip in one run of the script, which costs Redis half of what a run for each does ---- */

struct piece {
    struct log_write *write;
    const char *text;
    size_t len;
    char key[KEY_SIZE], writer[KEY_SIZE], before[NUMBER_SIZE];
};

static void add_piece(struct piece *pieces, size_t *count, struct log_write *write, const char *what, size_t at,
                      const char *text, size_t len)
{
    if (!len || sets(write, at)) return;
    struct piece *piece = &pieces[(*count)++];
    piece->write = write;
    piece->text = text;
    piece->len = len;
    answer_key(piece->key, write->answer_id, what);
    answer_key(piece->writer, write->answer_id, REDIS_ANSWER_WRITER);
    snprintf(piece->before, sizeof piece->before, "%zu", at);
}

static size_t find_pieces(struct log_write *writes, size_t count, struct piece pieces[PIECES_A_TRIP])
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct log_write *write = &writes[i];
        add_piece(pieces, &found, write, REDIS_ANSWER_REASONING, write->reasoning_at, write->reasoning,
                  write->reasoning_len);
        add_piece(pieces, &found, write, REDIS_ANSWER_CONTENT, write->content_at, write->content, write->content_len);
    }
    return found;
}

static bool send_pieces(const struct redis_answer_log *self, const struct piece *pieces, size_t count)
{
    if (!count) return true;
    const char *args[PIECES_ARGS_MAX];
    size_t lengths[PIECES_ARGS_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &pieces[i];
        const char **keys = &args[2 * i], **values = &args[2 * (count + i)];
        size_t *key_lengths = &lengths[2 * i], *value_lengths = &lengths[2 * (count + i)];
        keys[0] = piece->key;
        keys[1] = piece->writer;
        values[0] = piece->before;
        values[1] = piece->text;
        key_lengths[0] = strlen(piece->key);
        key_lengths[1] = strlen(piece->writer);
        value_lengths[0] = strlen(piece->before);
        value_lengths[1] = piece->len;
    }
    args[4 * count] = TEXT_SECONDS;
    lengths[4 * count] = sizeof TEXT_SECONDS - 1;
    return redis_conn_send_script(self->conn, self->append_script, (int)(2 * count), args, lengths, 4 * count + 1);
}

static bool take_pieces(struct redis_conn *conn, const struct piece *pieces, size_t count)
{
    if (!count) return true;
    redisReply *reply = redis_conn_receive(conn);
    if (!reply) return false;
    bool fits = reply->type == REDIS_REPLY_ARRAY && reply->elements == count;
    for (size_t i = 0; fits && i < count; i++)
        if (reply->element[i]->type != REDIS_REPLY_INTEGER || reply->element[i]->integer != 1)
            pieces[i].write->lost = true;
    freeReplyObject(reply);
    return fits;
}

/* ---- all else of a write ---- */

static bool names_writer(const struct log_write *write)
{
    return write->whole || write->ended;
}

/* Only the last may be missing: versions before this one don't write it. */
static const char *const END_FIELDS[] = {"event",      "model", "finish_reason", "supersedes_id", "prompt",
                                         "completion", "total", "estimated",     "cached"};
enum { END_FIELD_COUNT = sizeof END_FIELDS / sizeof END_FIELDS[0], END_REPLIES = 5 };
static const char *const EVENT_NAMES[] = {
    [ANSWER_FINISHED] = "finished", [ANSWER_STOPPED] = "stopped", [ANSWER_FAILED] = "failed", [ANSWER_LOST] = "lost"};

static bool send_expire(struct redis_conn *conn, const char *answer_id, const char *what, const char *seconds)
{
    char key[KEY_SIZE];
    answer_key(key, answer_id, what);
    return redis_conn_send(conn, (const char *const[]){"EXPIRE", key, seconds}, 3);
}

/* A hash beside the text: all that the row will need. */
static bool send_end(struct redis_conn *conn, const char *answer_id, const struct log_end *end)
{
    char key[KEY_SIZE], numbers[4][NUMBER_SIZE];
    const char *values[END_FIELD_COUNT] = {EVENT_NAMES[end->event],
                                           end->model,
                                           end->finish_reason ? end->finish_reason : "",
                                           end->supersedes_id ? end->supersedes_id : "",
                                           numbers[0],
                                           numbers[1],
                                           numbers[2],
                                           end->tokens_estimated ? "1" : "0",
                                           numbers[3]};
    const char *command[2 + 2 * END_FIELD_COUNT] = {"HSET", key};
    answer_key(key, answer_id, REDIS_ANSWER_END);
    snprintf(numbers[0], NUMBER_SIZE, "%lld", (long long)end->usage.prompt_tokens);
    snprintf(numbers[1], NUMBER_SIZE, "%lld", (long long)end->usage.completion_tokens);
    snprintf(numbers[2], NUMBER_SIZE, "%lld", (long long)end->usage.total_tokens);
    snprintf(numbers[3], NUMBER_SIZE, "%lld", (long long)end->usage.cached_tokens);
    for (size_t i = 0; i < END_FIELD_COUNT; i++) {
        command[2 + 2 * i] = END_FIELDS[i];
        command[3 + 2 * i] = values[i];
    }
    return redis_conn_send(conn, command, 2 + 2 * END_FIELD_COUNT) &&
           send_expire(conn, answer_id, REDIS_ANSWER_END, UNSAVED_SECONDS) &&
           send_expire(conn, answer_id, REDIS_ANSWER_CONTENT, UNSAVED_SECONDS) &&
           send_expire(conn, answer_id, REDIS_ANSWER_REASONING, UNSAVED_SECONDS) &&
           send_expire(conn, answer_id, REDIS_ANSWER_WRITER, UNSAVED_SECONDS);
}

enum { LAST_SECONDS_REPLIES = 3 };
/* Also where an append began a key after Redis had lost it: that one has no life of its own. */
static bool send_last_seconds(struct redis_conn *conn, const char *answer_id)
{
    char end[KEY_SIZE];
    answer_key(end, answer_id, REDIS_ANSWER_END);
    return send_expire(conn, answer_id, REDIS_ANSWER_CONTENT, ENDED_SECONDS) &&
           send_expire(conn, answer_id, REDIS_ANSWER_REASONING, ENDED_SECONDS) &&
           redis_conn_send(conn, (const char *const[]){"DEL", end}, 2);
}

/* How many of a write's texts begin with it. */
static size_t count_sets(const struct log_write *write)
{
    return (write->reasoning_len && sets(write, write->reasoning_at) ? 1u : 0u) +
           (write->content_len && sets(write, write->content_at) ? 1u : 0u);
}

static bool send_write(struct redis_conn *conn, const struct log_write *write, const char *process_id)
{
    if (write->reasoning_len && sets(write, write->reasoning_at) &&
        !send_set(conn, write, REDIS_ANSWER_REASONING, write->reasoning, write->reasoning_len))
        return false;
    if (write->content_len && sets(write, write->content_at) &&
        !send_set(conn, write, REDIS_ANSWER_CONTENT, write->content, write->content_len))
        return false;
    char writer[KEY_SIZE];
    answer_key(writer, write->answer_id, REDIS_ANSWER_WRITER);
    /* a Redis that came back empty must not know a writer and not that it lives */
    if (write->whole && !redis_processes_send_alive(conn, process_id)) return false;
    if (names_writer(write) &&
        !redis_conn_send(conn,
                         (const char *const[]){"SET", writer, write->ended ? "" : process_id, "EX",
                                               write->ended ? ENDED_SECONDS : TEXT_SECONDS},
                         5))
        return false;
    if (write->end && !send_end(conn, write->answer_id, write->end)) return false;
    return !write->ended || send_last_seconds(conn, write->answer_id);
}

static bool take_write(struct redis_conn *conn, const struct log_write *write, bool *forgotten)
{
    return redis_conn_skip(conn, count_sets(write)) && (!write->whole || redis_processes_take_alive(conn, forgotten)) &&
           redis_conn_skip(conn, (names_writer(write) ? 1u : 0u) + (write->end ? END_REPLIES : 0u) +
                                     (write->ended ? LAST_SECONDS_REPLIES : 0u));
}

enum { NOTE_LETTER_STOP = 's', NOTE_LETTER_WATCHED = 'w', NOTE_SIZE = UUID_TEXT_SIZE + 1 };

/* "s<answer id>" or "w<answer id>"; two replies. */
static bool send_note(struct redis_conn *conn, const char *process_id, char letter, const char *answer_id)
{
    char key[KEY_SIZE], note[NOTE_SIZE];
    notes_key(key, process_id);
    snprintf(note, sizeof note, "%c%s", letter, answer_id);
    return redis_conn_send(conn, (const char *const[]){"RPUSH", key, note}, 3) &&
           redis_conn_send(conn, (const char *const[]){"EXPIRE", key, NOTES_SECONDS}, 3);
}

static bool tells(const struct log_read *read)
{
    return read->tell_watched && read->writer[0];
}

static bool send_read(struct redis_conn *conn, const struct log_read *read)
{
    char content[KEY_SIZE], reasoning[KEY_SIZE], writer[KEY_SIZE], at[NUMBER_SIZE];
    answer_key(content, read->answer_id, REDIS_ANSWER_CONTENT);
    answer_key(reasoning, read->answer_id, REDIS_ANSWER_REASONING);
    answer_key(writer, read->answer_id, REDIS_ANSWER_WRITER);
    if (tells(read) && !send_note(conn, read->writer, NOTE_LETTER_WATCHED, read->answer_id)) return false;
    if (!redis_conn_send(conn, (const char *const[]){"GET", writer}, 2)) return false;
    snprintf(at, sizeof at, "%zu", read->reasoning_at);
    if (!redis_conn_send(conn, (const char *const[]){"GETRANGE", reasoning, at, "-1"}, 4)) return false;
    snprintf(at, sizeof at, "%zu", read->content_at);
    return redis_conn_send(conn, (const char *const[]){"GETRANGE", content, at, "-1"}, 4);
}

static bool take_text(struct redis_conn *conn, struct arena *arena, char **text, size_t *len)
{
    redisReply *reply = redis_conn_receive(conn);
    if (!reply) return false;
    if (reply->type == REDIS_REPLY_STRING && reply->len) {
        *text = arena_alloc(arena, reply->len);
        memcpy(*text, reply->str, reply->len);
        *len = reply->len;
    }
    freeReplyObject(reply);
    return true;
}

/* "" where the reply names no process. */
static void read_writer(const redisReply *reply, char process_id[UUID_TEXT_SIZE])
{
    if (reply->type != REDIS_REPLY_STRING || !uuid_parse(reply->str, reply->len, process_id)) process_id[0] = 0;
}

static bool take_read(struct redis_conn *conn, struct log_read *read, struct arena *arena)
{
    if (tells(read) && !redis_conn_skip(conn, 2)) return false;
    redisReply *reply = redis_conn_receive(conn);
    if (!reply) return false;
    read_writer(reply, read->writer);
    freeReplyObject(reply);
    return take_text(conn, arena, &read->reasoning, &read->reasoning_len) &&
           take_text(conn, arena, &read->content, &read->content_len);
}

static bool exchange_reads(struct redis_conn *conn, struct log_exchange *exchange, struct arena *arena)
{
    enum { READS_A_TRIP = COMMANDS_A_TRIP / 5 };
    for (size_t from = 0; from < exchange->read_count; from += READS_A_TRIP) {
        size_t count = exchange->read_count - from;
        if (count > READS_A_TRIP) count = READS_A_TRIP;
        if (!redis_conn_begin(conn)) return false;
        for (size_t i = 0; i < count; i++)
            if (!send_read(conn, &exchange->reads[from + i])) return false;
        for (size_t i = 0; i < count; i++)
            if (!take_read(conn, &exchange->reads[from + i], arena)) return false;
    }
    return true;
}

static void read_note(const redisReply *reply, struct log_exchange *exchange)
{
    struct log_note *note = &exchange->notes[exchange->note_count];
    if (reply->type != REDIS_REPLY_STRING || reply->len < 1 || exchange->note_count == LOG_NOTES_MAX) return;
    note->kind = reply->str[0] == NOTE_LETTER_STOP ? NOTE_STOP : NOTE_WATCHED;
    if (uuid_parse(reply->str + 1, reply->len - 1, note->answer_id)) exchange->note_count++;
}

static bool ask_notes(struct redis_conn *conn, const char *process_id)
{
    char key[KEY_SIZE], count[NUMBER_SIZE];
    notes_key(key, process_id);
    snprintf(count, sizeof count, "%d", LOG_NOTES_MAX);
    return redis_conn_send(conn, (const char *const[]){"LPOP", key, count}, 3);
}

static bool take_notes(struct redis_conn *conn, struct log_exchange *exchange)
{
    redisReply *reply = redis_conn_receive(conn);
    if (!reply) return false;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        read_note(reply->element[i], exchange);
    freeReplyObject(reply);
    return true;
}

/* What others tell is asked for with the first of what we write: mostly that is all, and one round trip. */
static bool exchange_writes(const struct redis_answer_log *self, struct log_exchange *exchange)
{
    struct redis_conn *conn = self->conn;
    struct piece pieces[PIECES_A_TRIP];
    size_t from = 0;
    do {
        size_t to = exchange->write_count - from > WRITES_A_TRIP ? from + WRITES_A_TRIP : exchange->write_count;
        size_t piece_count = find_pieces(exchange->writes + from, to - from, pieces);
        if (!redis_conn_begin(conn)) return false;
        if (from == 0 && !ask_notes(conn, exchange->process_id)) return false;
        if (!send_pieces(self, pieces, piece_count)) return false;
        for (size_t i = from; i < to; i++)
            if (!send_write(conn, &exchange->writes[i], exchange->process_id)) return false;
        if (from == 0 && !take_notes(conn, exchange)) return false;
        if (!take_pieces(conn, pieces, piece_count)) return false;
        for (size_t i = from; i < to; i++)
            if (!take_write(conn, &exchange->writes[i], &exchange->forgotten)) return false;
        from = to;
    } while (from < exchange->write_count);
    return true;
}

static bool exchange_all(const struct redis_answer_log *self, struct log_exchange *exchange, struct arena *arena)
{
    return exchange_writes(self, exchange) && exchange_reads(self->conn, exchange, arena);
}

/* Twice is no harm: what was appended the first time says that it doesn't fit any more, and is written whole. */
static enum chat_error exchange(struct answer_log *log, struct log_exchange *exchange, struct arena *arena)
{
    struct redis_conn *conn = self_of(log)->conn;
    exchange->forgotten = false;
    exchange->note_count = 0;
    bool fine = exchange_all(self_of(log), exchange, arena) ||
                (redis_conn_again(conn) && exchange_all(self_of(log), exchange, arena));
    return redis_conn_outcome(conn, fine);
}

/* One command's reply; NULL: the log is away. */
static redisReply *ask(struct redis_conn *conn, const char *const *args, size_t count)
{
    return redis_conn_begin(conn) ? redis_conn_ask(conn, args, count) : NULL;
}

static enum chat_error find_writer(struct redis_conn *conn, const char *answer_id, char writer[UUID_TEXT_SIZE])
{
    char key[KEY_SIZE];
    answer_key(key, answer_id, REDIS_ANSWER_WRITER);
    redisReply *reply = ask(conn, (const char *const[]){"GET", key}, 2);
    if (!reply) return CHAT_ERR_REDIS_UNAVAILABLE;
    read_writer(reply, writer);
    freeReplyObject(reply);
    return CHAT_OK;
}

/* The processes that write these answers; "" where none is known. One round trip. */
static bool find_writers(struct redis_conn *conn, const struct writer_look *looks, size_t count,
                         char writers[][UUID_TEXT_SIZE])
{
    if (!redis_conn_begin(conn)) return false;
    for (size_t i = 0; i < count; i++) {
        char key[KEY_SIZE];
        answer_key(key, looks[i].answer_id, REDIS_ANSWER_WRITER);
        if (!redis_conn_send(conn, (const char *const[]){"GET", key}, 2)) return false;
    }
    for (size_t i = 0; i < count; i++) {
        redisReply *reply = redis_conn_receive(conn);
        if (!reply) return false;
        read_writer(reply, writers[i]);
        freeReplyObject(reply);
    }
    return true;
}

/* And which of those live: another round trip. */
static bool look_at_writers(struct redis_conn *conn, struct writer_look *looks, size_t count,
                            char writers[][UUID_TEXT_SIZE])
{
    for (size_t i = 0; i < count; i++)
        if (writers[i][0] && !redis_processes_ask(conn, writers[i])) return false;
    for (size_t i = 0; i < count; i++) {
        looks[i].state = WRITER_UNKNOWN;
        if (!writers[i][0]) continue;
        bool lives;
        if (!redis_processes_take_lives(conn, &lives)) return false;
        looks[i].state = lives ? WRITER_ALIVE : WRITER_DEAD;
    }
    return true;
}

static enum chat_error writer_states(struct answer_log *log, struct writer_look *looks, size_t count)
{
    struct redis_conn *conn = self_of(log)->conn;
    redis_conn_doubt(conn);
    char writers[COMMANDS_A_TRIP][UUID_TEXT_SIZE];
    for (size_t from = 0; from < count; from += COMMANDS_A_TRIP) {
        size_t batch = count - from < COMMANDS_A_TRIP ? count - from : COMMANDS_A_TRIP;
        if (!find_writers(conn, looks + from, batch, writers) || !look_at_writers(conn, looks + from, batch, writers))
            return redis_conn_outcome(conn, false);
    }
    return CHAT_OK;
}

static bool tell_stop(struct redis_conn *conn, const char *writer, const char *answer_id)
{
    return send_note(conn, writer, NOTE_LETTER_STOP, answer_id) && redis_conn_skip(conn, 2);
}

static enum chat_error ask_stop(struct answer_log *log, const char *answer_id, bool *asked)
{
    struct redis_conn *conn = self_of(log)->conn;
    *asked = false;
    char writer[UUID_TEXT_SIZE];
    enum chat_error error = find_writer(conn, answer_id, writer);
    if (error != CHAT_OK || !writer[0]) return error;
    *asked = redis_conn_begin(conn) &&
             (tell_stop(conn, writer, answer_id) || (redis_conn_again(conn) && tell_stop(conn, writer, answer_id)));
    return redis_conn_outcome(conn, *asked);
}

static enum chat_error read_text(struct answer_log *log, struct log_read *read, struct arena *arena)
{
    struct log_exchange one = {.reads = read, .read_count = 1};
    struct redis_conn *conn = self_of(log)->conn;
    return redis_conn_outcome(conn, exchange_reads(conn, &one, arena));
}

static bool parse_end(const redisReply *reply, struct arena *arena, struct log_end *out)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != END_FIELD_COUNT) return false;
    const char *values[END_FIELD_COUNT];
    for (size_t i = 0; i < END_FIELD_COUNT; i++) {
        bool missing = reply->element[i]->type == REDIS_REPLY_NIL && i + 1 == END_FIELD_COUNT;
        if (!missing && reply->element[i]->type != REDIS_REPLY_STRING) return false;
        values[i] = missing ? "0" : reply->element[i]->str;
    }
    size_t event = 0;
    while (event < sizeof EVENT_NAMES / sizeof EVENT_NAMES[0] && strcmp(values[0], EVENT_NAMES[event]) != 0) event++;
    if (event == sizeof EVENT_NAMES / sizeof EVENT_NAMES[0]) return false;
    *out = (struct log_end){.event = (enum answer_event)event,
                            .model = arena_strdup(arena, values[1]),
                            .finish_reason = values[2][0] ? arena_strdup(arena, values[2]) : NULL,
                            .supersedes_id = values[3][0] ? arena_strdup(arena, values[3]) : NULL,
                            .usage = {strtoll(values[4], NULL, 10), strtoll(values[5], NULL, 10),
                                      strtoll(values[6], NULL, 10), strtoll(values[8], NULL, 10)},
                            .tokens_estimated = values[7][0] == '1'};
    return true;
}

static enum chat_error read_end(struct answer_log *log, const char *answer_id, struct arena *arena, bool *known,
                                struct log_end *out)
{
    char key[KEY_SIZE];
    const char *command[2 + END_FIELD_COUNT] = {"HMGET", key};
    answer_key(key, answer_id, REDIS_ANSWER_END);
    for (size_t i = 0; i < END_FIELD_COUNT; i++) command[2 + i] = END_FIELDS[i];
    *known = false;
    redisReply *reply = ask(self_of(log)->conn, command, 2 + END_FIELD_COUNT);
    if (!reply) return CHAT_ERR_REDIS_UNAVAILABLE;
    *known = parse_end(reply, arena, out);
    freeReplyObject(reply);
    return CHAT_OK;
}

static const struct answer_log_ops redis_ops = {.exchange = exchange,
                                                .read = read_text,
                                                .read_end = read_end,
                                                .writer_states = writer_states,
                                                .ask_stop = ask_stop};

struct answer_log *redis_answer_log_open(struct redis_conn *conn)
{
    struct redis_answer_log *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->base.ops = &redis_ops;
    self->conn = conn;
    self->append_script = redis_conn_add_script(conn, append_text_lua);
    return &self->base;
}

void redis_answer_log_close(struct answer_log *log)
{
    free(self_of(log));
}

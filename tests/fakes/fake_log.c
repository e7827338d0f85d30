#include "tests/fakes/fake_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_log *of(struct answer_log *self)
{
    return (struct fake_log *)self;
}

static struct fake_log *of_processes(struct processes *port)
{
    return (struct fake_log *)((char *)port - offsetof(struct fake_log, processes));
}

static struct fake_log_answer *find(struct fake_log *self, const char *answer_id)
{
    for (int i = 0; i < self->count; i++)
        if (strcmp(self->answers[i].answer_id, answer_id) == 0) return &self->answers[i];
    return NULL;
}

static struct fake_log_answer *find_or_add(struct fake_log *self, const char *answer_id)
{
    struct fake_log_answer *answer = find(self, answer_id);

    if (answer) return answer;
    if (self->count == FAKE_LOG_ANSWERS) abort();
    answer = &self->answers[self->count++];
    *answer = (struct fake_log_answer){.ended = false};
    snprintf(answer->answer_id, UUID_TEXT_SIZE, "%s", answer_id);
    return answer;
}

static void append(char *to, size_t *to_len, const char *text, size_t len)
{
    if (*to_len + len >= FAKE_LOG_TEXT) abort();
    if (len) memcpy(to + *to_len, text, len);
    *to_len += len;
    to[*to_len] = '\0';
}

static void keep_end(struct fake_log_answer *answer, const struct log_end *end)
{
    answer->has_end = true;
    answer->end = *end;
    snprintf(answer->model, sizeof answer->model, "%s", end->model);
    answer->end.model = answer->model;
    if (end->finish_reason) {
        snprintf(answer->finish_reason, sizeof answer->finish_reason, "%s", end->finish_reason);
        answer->end.finish_reason = answer->finish_reason;
    }
    if (end->supersedes_id) {
        snprintf(answer->supersedes_id, sizeof answer->supersedes_id, "%s", end->supersedes_id);
        answer->end.supersedes_id = answer->supersedes_id;
    }
}

static void take_write(struct fake_log *self, struct log_write *write, const char *process_id)
{
    struct fake_log_answer *answer = find_or_add(self, write->answer_id);

    if (write->ended) {
        answer->ended = true;
        answer->has_end = false;
        return;
    }
    if (write->whole) {
        answer->content_len = answer->reasoning_len = 0;
        self->whole_writes++;
    }
    write->lost = write->content_at != answer->content_len || write->reasoning_at != answer->reasoning_len;
    if (write->lost) return;
    snprintf(answer->writer, UUID_TEXT_SIZE, "%s", process_id);
    append(answer->content, &answer->content_len, write->content, write->content_len);
    append(answer->reasoning, &answer->reasoning_len, write->reasoning, write->reasoning_len);
    if (write->end) keep_end(answer, write->end);
}

static void give_read(struct fake_log *self, struct log_read *read, struct arena *arena)
{
    struct fake_log_answer *answer = find(self, read->answer_id);
    bool tell = read->tell_watched && read->writer[0]; /* who reads has to know whom to tell */

    read->content_len = read->reasoning_len = 0;
    read->content = read->reasoning = arena_strdup(arena, "");
    read->writer[0] = '\0';
    if (!answer || answer->ended) return;
    memcpy(read->writer, answer->writer, UUID_TEXT_SIZE);
    if (tell) answer->watched_told = true;
    if (answer->content_len > read->content_at) {
        read->content_len = answer->content_len - read->content_at;
        read->content = arena_strndup(arena, answer->content + read->content_at, read->content_len);
    }
    if (answer->reasoning_len > read->reasoning_at) {
        read->reasoning_len = answer->reasoning_len - read->reasoning_at;
        read->reasoning = arena_strndup(arena, answer->reasoning + read->reasoning_at, read->reasoning_len);
    }
}

/* What an exchange has no room for waits for the next. false: there was none, or no room. */
static bool give_note(struct log_exchange *exchange, struct fake_log_answer *answer, bool stop)
{
    bool *waits = stop ? &answer->stop_asked : &answer->watched_told;

    if (!*waits || exchange->note_count == LOG_NOTES_MAX) return false;
    struct log_note *note = &exchange->notes[exchange->note_count++];
    note->kind = stop ? NOTE_STOP : NOTE_WATCHED;
    memcpy(note->answer_id, answer->answer_id, UUID_TEXT_SIZE);
    *waits = false;
    return true;
}

static void give_notes(struct fake_log *self, struct log_exchange *exchange)
{
    for (int i = 0; i < self->count; i++) {
        struct fake_log_answer *answer = &self->answers[i];

        if (strcmp(answer->writer, exchange->process_id) != 0) continue;
        if (give_note(exchange, answer, false)) self->watched_given++;
        give_note(exchange, answer, true);
    }
    if (exchange->note_count > self->most_notes) self->most_notes = exchange->note_count;
}

static enum chat_error exchange(struct answer_log *port, struct log_exchange *exchange, struct arena *arena)
{
    struct fake_log *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    self->exchanges++;
    if (exchange->write_count > self->most_writes) self->most_writes = exchange->write_count;
    if (exchange->read_count > self->most_reads) self->most_reads = exchange->read_count;
    error = self->error;
    for (size_t i = 0; error == CHAT_OK && i < exchange->write_count; i++) {
        take_write(self, &exchange->writes[i], exchange->process_id);
        if (exchange->writes[i].whole && self->emptied) {
            exchange->forgotten = true; /* as Redis notices that it knew nothing of the process */
            self->emptied = false;
        }
    }
    for (size_t i = 0; error == CHAT_OK && i < exchange->read_count; i++) give_read(self, &exchange->reads[i], arena);
    if (error == CHAT_OK) give_notes(self, exchange);
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error read_one(struct answer_log *port, struct log_read *read, struct arena *arena)
{
    struct fake_log *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->read_error ? self->read_error : self->error;
    if (error == CHAT_OK) give_read(self, read, arena);
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error read_end(struct answer_log *port, const char *answer_id, struct arena *arena, bool *known,
                                struct log_end *out)
{
    struct fake_log *self = of(port);
    enum chat_error error;

    (void)arena; /* what it points to lives as long as the fake */
    fake_wait_lock(&self->wait);
    const struct fake_log_answer *answer = find(self, answer_id);
    error = self->error;
    *known = error == CHAT_OK && answer && answer->has_end;
    if (*known) *out = answer->end;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error say_alive(struct processes *port, const char *process_id, bool *forgotten)
{
    struct fake_log *self = of_processes(port);
    enum chat_error error;

    (void)process_id;
    *forgotten = false; /* a test that wants it calls relay_log_forgotten */
    fake_wait_lock(&self->wait);
    self->alive_said++;
    error = self->error;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error may_judge(struct processes *port, const char *process_id, bool *may)
{
    struct fake_log *self = of_processes(port);
    enum chat_error error;

    (void)process_id;
    fake_wait_lock(&self->wait);
    error = self->error;
    *may = self->believed != 0;
    if (self->believed > 0) self->believed--;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error died(struct processes *port, bool *any)
{
    struct fake_log *self = of_processes(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->died_error ? self->died_error : self->error;
    *any = self->died;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error writer_states(struct answer_log *port, struct writer_look *looks, size_t count)
{
    struct fake_log *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->look_error ? self->look_error : self->error;
    for (size_t i = 0; i < count; i++) {
        bool other = self->only && strcmp(self->only, looks[i].answer_id) != 0;

        looks[i].state = other ? WRITER_ALIVE : self->writers;
    }
    if (self->revived_after_look) self->writers = WRITER_ALIVE;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error ask_stop(struct answer_log *port, const char *answer_id, bool *asked)
{
    struct fake_log *self = of(port);
    struct fake_log_answer *answer;
    enum chat_error error;

    fake_wait_lock(&self->wait);
    self->stops_asked++;
    error = self->error;
    answer = find(self, answer_id);
    if (answer && answer->ended) answer = NULL; /* nobody writes it any more */
    *asked = error == CHAT_OK && (answer || self->knows_writer);
    if (error == CHAT_OK && answer) answer->stop_asked = true;
    fake_wait_unlock(&self->wait);
    return error;
}

void fake_log_init(struct fake_log *self)
{
    static const struct answer_log_ops ops = {
        .exchange = exchange,
        .read = read_one,
        .read_end = read_end,
        .writer_states = writer_states,
        .ask_stop = ask_stop,
    };
    static const struct processes_ops registry = {.say_alive = say_alive, .may_judge = may_judge, .died = died};

    memset(self, 0, sizeof *self);
    self->log.ops = &ops;
    self->processes.ops = &registry;
    self->believed = -1;
    fake_wait_init(&self->wait);
}

void fake_log_fini(struct fake_log *self)
{
    fake_wait_fini(&self->wait);
}

void fake_log_fail(struct fake_log *self, enum chat_error error)
{
    fake_wait_lock(&self->wait);
    self->error = error;
    fake_wait_unlock(&self->wait);
}

void fake_log_forget(struct fake_log *self)
{
    fake_wait_lock(&self->wait);
    self->count = 0;
    self->emptied = true;
    fake_wait_unlock(&self->wait);
}

void fake_log_put(struct fake_log *self, const char *answer_id, const char *content, const char *reasoning)
{
    struct fake_log_answer *answer;

    fake_wait_lock(&self->wait);
    answer = find_or_add(self, answer_id);
    answer->content_len = answer->reasoning_len = 0;
    append(answer->content, &answer->content_len, content, strlen(content));
    append(answer->reasoning, &answer->reasoning_len, reasoning, strlen(reasoning));
    fake_wait_unlock(&self->wait);
}

int fake_log_ask_stops(struct fake_log *self, const char (*answer_ids)[UUID_TEXT_SIZE], int count)
{
    int exchanges;

    fake_wait_lock(&self->wait);
    for (int i = 0; i < count; i++) find_or_add(self, answer_ids[i])->stop_asked = true;
    exchanges = self->exchanges;
    fake_wait_unlock(&self->wait);
    return exchanges;
}

static bool has_content(struct fake_log *self, const char *answer_id, const char *content)
{
    const struct fake_log_answer *answer = find(self, answer_id);

    return answer && strcmp(answer->content, content) == 0;
}

bool fake_log_has_content(struct fake_log *self, const char *answer_id, const char *content)
{
    fake_wait_lock(&self->wait);
    bool has = has_content(self, answer_id, content);
    fake_wait_unlock(&self->wait);
    return has;
}

bool fake_log_wait_content(struct fake_log *self, const char *answer_id, const char *content)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, has_content(self, answer_id, content), came);
    return came;
}

bool fake_log_wait_watched(struct fake_log *self, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->watched_given >= count, came);
    return came;
}

static bool has_end(struct fake_log *self, const char *answer_id)
{
    const struct fake_log_answer *answer = find(self, answer_id);

    return answer && answer->has_end;
}

bool fake_log_wait_end(struct fake_log *self, const char *answer_id)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, has_end(self, answer_id), came);
    return came;
}

static bool has_ended(struct fake_log *self, const char *answer_id)
{
    const struct fake_log_answer *answer = find(self, answer_id);

    return answer && answer->ended;
}

bool fake_log_wait_ended(struct fake_log *self, const char *answer_id)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, has_ended(self, answer_id), came);
    return came;
}

bool fake_log_wait_exchanges(struct fake_log *self, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->exchanges >= count, came);
    return came;
}

int fake_log_exchanges(struct fake_log *self)
{
    int exchanges;

    fake_wait_lock(&self->wait);
    exchanges = self->exchanges;
    fake_wait_unlock(&self->wait);
    return exchanges;
}

/*
 * The exchange with the log: what this process wrote since the last one, what it wants to know of answers that others
 * write, and what others tell it. One job at a time, so at most one round trip is under way however many answers live;
 * the client's own bytes never wait for it.
 */
#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum {
    BEAT_MS = 50,          /* notes (a stop, an attacher) are looked for this often: a stop has 200 ms in all */
    TEXT_BEAT_MS = 450,    /* an answer's text is written this often */
    FOLLOWED_BEAT_MS = 20, /* both, while an answer is followed in another process, or followed from here */
    TEXTS_A_BEAT = 64,     /* more are due: exchanges follow one another. Thousands at once would be a burst that chunks
                            * wait for */
    TELL_WATCHED_MS = 1000,
    END_AFTER_MS = 200, /* an answer that is over for so long and not stored: Postgres may be away */
};

struct beat {
    struct job job; /* first */
    struct relay *relay;
    struct log_exchange exchange;
    struct arena arena;
    enum chat_error error;
};

static void run_beat(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct beat *beat = (struct beat *)job;
    beat->error = ports->log->ops->exchange(ports->log, &beat->exchange, &beat->arena);
}

void beat_note_ended(struct live *live)
{
    struct ended_id *ended = calloc(1, sizeof *ended);
    if (!ended) return; /* its keys run out by themselves */
    memcpy(ended->answer_id, live->message.id, UUID_TEXT_SIZE);
    ended->next = live->relay->ended_ids;
    live->relay->ended_ids = ended;
    beat_look(live->relay);
}

/* ---- when the next is due ---- */

void beat_look(struct relay *relay)
{
    if (!relay->beat && !relay->beat_timer.slot) loop_at_turn_end(&relay->ground.loop, LOOP_GATHER, &relay->beat_look);
}

/* At the end of this turn, with all that it brings. */
static void due_now(struct relay *relay)
{
    relay->beat_due = true;
    loop_at_turn_end(&relay->ground.loop, LOOP_GATHER, &relay->beat_look);
}

static void on_beat_timer(void *owner)
{
    due_now(owner);
}

static void set_next(struct relay *relay)
{
    if (!relay->lives && !relay->ended_ids) return;
    bool followed = relay->mirrors || relay->watched_until_ms > relay->ground.loop.now_ms;
    bool at_once = relay->log_count >= TEXTS_A_BEAT && !relay->log_away;
    int64_t at_ms = relay->ground.loop.now_ms + (at_once ? 0 : followed ? FOLLOWED_BEAT_MS : BEAT_MS);
    if (!timer_set(&relay->ground.loop.timers, &relay->beat_timer, at_ms)) abort();
}

/* ---- what is due for the log ---- */

static void put_in_line(struct live *live)
{
    struct relay *relay = live->relay;
    if (live->log_due) return;
    timer_clear(&relay->ground.loop.timers, &live->log_timer);
    live->log_due = true;
    live->log_next = NULL;
    if (relay->log_last)
        relay->log_last->log_next = live;
    else
        relay->log_first = live;
    relay->log_last = live;
    if (++relay->log_count >= TEXTS_A_BEAT && !relay->log_away && !relay->beat) due_now(relay);
}

static struct live *take_from_line(struct relay *relay)
{
    struct live *live = relay->log_first;
    if (!live) return NULL;
    relay->log_first = live->log_next;
    if (!relay->log_first) relay->log_last = NULL;
    relay->log_count--;
    live->log_due = false;
    return live;
}

static void on_log_timer(void *owner)
{
    put_in_line(owner);
}

static void due_at(struct live *live, int64_t at_ms)
{
    if (live->log_due) return;
    live->log_timer.owner = live;
    live->log_timer.fire = on_log_timer;
    if (at_ms <= live->relay->ground.loop.now_ms ||
        !timer_set(&live->relay->ground.loop.timers, &live->log_timer, at_ms))
        put_in_line(live);
}

void beat_news(struct live *live)
{
    if (live->mirror || live->log_due || live->log_timer.slot) return;
    bool followed = live->watched_until_ms > live->relay->ground.loop.now_ms;
    if (followed || !live->logged || live->log_lost)
        put_in_line(live);
    else
        due_at(live, live->logged_ms + TEXT_BEAT_MS);
}

void beat_followed(struct live *live)
{
    struct relay *relay = live->relay;
    if (live->watched_until_ms > relay->watched_until_ms) relay->watched_until_ms = live->watched_until_ms;
    if (live->log_timer.slot) put_in_line(live);
}

void beat_ended(struct live *live)
{
    due_at(live, live->ended_ms + END_AFTER_MS);
}

void beat_forget(struct live *live)
{
    struct relay *relay = live->relay;
    timer_clear(&relay->ground.loop.timers, &live->log_timer);
    if (!live->log_due) return;
    struct live **place = &relay->log_first, *before = NULL;
    while (*place != live) {
        before = *place;
        place = &before->log_next;
    }
    *place = live->log_next;
    if (relay->log_last == live) relay->log_last = before;
    relay->log_count--;
    live->log_due = false;
}

/* ---- making an exchange ---- */

static const char *copy(struct arena *arena, const struct buf *buf, size_t from)
{
    char *text = arena_alloc(arena, buf->len - from);
    if (buf->len > from) memcpy(text, buf->data + from, buf->len - from);
    return text;
}

static void add_write(struct beat *beat, struct live *live)
{
    if (live->log_lost || !live->logged) live->logged_reasoning = live->logged_content = 0;
    struct log_write *write = &beat->exchange.writes[beat->exchange.write_count++];
    *write = (struct log_write){
        .whole = live->log_lost || !live->logged,
        .reasoning_at = live->logged_reasoning,
        .content_at = live->logged_content,
        .reasoning = copy(&beat->arena, &live->reasoning, live->logged_reasoning),
        .reasoning_len = live->reasoning.len - live->logged_reasoning,
        .content = copy(&beat->arena, &live->content, live->logged_content),
        .content_len = live->content.len - live->logged_content,
    };
    memcpy(write->answer_id, live->message.id, UUID_TEXT_SIZE);
    live->logged = true;
    live->log_lost = false;
    live->logged_ms = live->relay->ground.loop.now_ms;
    live->logged_reasoning = live->reasoning.len;
    live->logged_content = live->content.len;
}

static void add_end(struct beat *beat, struct live *live)
{
    const struct message *message = &live->message;
    struct log_end *end = arena_alloc(&beat->arena, sizeof *end);
    *end = (struct log_end){
        .event = live->event,
        .model = arena_strdup(&beat->arena, message->model),
        .finish_reason = message->finish_reason ? arena_strdup(&beat->arena, message->finish_reason) : NULL,
        .supersedes_id = live->supersedes_id ? arena_strdup(&beat->arena, live->supersedes_id) : NULL,
        .usage = message->usage,
        .tokens_estimated = message->tokens_estimated,
    };
    add_write(beat, live);
    beat->exchange.writes[beat->exchange.write_count - 1].end = end;
    live->end_logged = true;
}

static void add_read(struct beat *beat, struct live *live)
{
    struct log_read *read = &beat->exchange.reads[beat->exchange.read_count++];
    *read = (struct log_read){.reasoning_at = live->reasoning.len, .content_at = live->content.len};
    memcpy(read->answer_id, live->message.id, UUID_TEXT_SIZE);
    memcpy(read->writer, live->writer, UUID_TEXT_SIZE);
    read->tell_watched = live->relay->ground.loop.now_ms - live->told_watched_ms >= TELL_WATCHED_MS;
    if (read->tell_watched && live->writer[0]) live->told_watched_ms = live->relay->ground.loop.now_ms;
}

static void add_ended(struct beat *beat)
{
    struct ended_id *ended = beat->relay->ended_ids;
    beat->relay->ended_ids = NULL;
    while (ended) {
        struct ended_id *next = ended->next;
        struct log_write *write = &beat->exchange.writes[beat->exchange.write_count++];
        *write = (struct log_write){.ended = true};
        memcpy(write->answer_id, ended->answer_id, UUID_TEXT_SIZE);
        free(ended);
        ended = next;
    }
}

static bool has_news(const struct live *live)
{
    return live->log_lost || !live->logged || live->reasoning.len > live->logged_reasoning ||
           live->content.len > live->logged_content;
}

static void add_live(struct beat *beat, struct live *live)
{
    if (live->phase < LIVE_SAVING) {
        if (has_news(live)) add_write(beat, live);
    } else if (!live->saved && !live->end_logged) { /* what this process knows must survive it */
        if (live->relay->ground.loop.now_ms - live->ended_ms >= END_AFTER_MS)
            add_end(beat, live);
        else
            beat_ended(live);
    }
}

static void over(struct job *job);

/* NULL: out of memory, or nothing to say and nobody to hear. */
static struct beat *make_beat(struct relay *relay)
{
    size_t texts = relay->log_count < TEXTS_A_BEAT ? relay->log_count : TEXTS_A_BEAT, ended = 0;
    for (const struct ended_id *id = relay->ended_ids; id; id = id->next) ended++;
    struct beat *beat = relay->lives || ended ? calloc(1, sizeof *beat) : NULL;
    if (!beat) return NULL;
    beat->job = (struct job){.run = run_beat, .done = over, .loop = &relay->ground.loop};
    beat->relay = relay;
    arena_init(&beat->arena);
    beat->exchange.process_id = relay->process_id;
    beat->exchange.writes = arena_alloc(&beat->arena, (texts + ended) * sizeof *beat->exchange.writes);
    beat->exchange.reads = arena_alloc(&beat->arena, (size_t)relay->mirrors * sizeof *beat->exchange.reads);
    while (texts--) add_live(beat, take_from_line(relay));
    for (struct live *live = relay->mirrors ? relay->lives : NULL; live; live = live->next)
        if (live->mirror && live->phase < LIVE_SAVING) add_read(beat, live);
    add_ended(beat);
    return beat;
}

/* At a turn's end. While an exchange is under way its end sets the next. */
static void look(struct turn_end *item)
{
    struct relay *relay = LOOP_OWNER(item, struct relay, beat_look);
    if (relay->beat) return;
    if (!relay->beat_due) {
        if (!relay->beat_timer.slot) set_next(relay);
        return;
    }
    relay->beat = make_beat(relay);
    relay->beat_due = false;
    timer_clear(&relay->ground.loop.timers, &relay->beat_timer);
    if (relay->beat)
        job_pool_submit(relay->settings.log_jobs ? relay->settings.log_jobs : relay->ground.jobs, &relay->beat->job);
    else
        set_next(relay);
}

void beat_init(struct relay *relay)
{
    relay->beat_timer = (struct timer){.owner = relay, .fire = on_beat_timer};
    relay->beat_look.run = look;
}

/* ---- and back ---- */

void beat_free(struct beat *beat)
{
    if (!beat) return;
    arena_fini(&beat->arena);
    free(beat);
}

static void write_anew(struct live *live)
{
    live->log_lost = true;
    live->end_logged = false;
    put_in_line(live);
}

void beat_write_all_anew(struct relay *relay)
{
    for (struct live *live = relay->lives; live; live = live->next)
        if (!live->mirror && live->logged) write_anew(live);
}

static void take_write(struct relay *relay, const struct log_write *write, bool failed)
{
    if (!failed && !write->lost) return;
    struct live *live = live_find(relay, write->answer_id);
    if (live && !live->mirror) write_anew(live);
}

static void take_read(struct relay *relay, const struct log_read *read)
{
    struct live *live = live_find(relay, read->answer_id);
    if (!live || !live->mirror) return;
    /* another mirror of the same answer than the one that asked */
    if (read->reasoning_at != live->reasoning.len || read->content_at != live->content.len) return;
    memcpy(live->writer, read->writer, UUID_TEXT_SIZE);
    mirror_text(live, read->reasoning, read->reasoning_len, read->content, read->content_len);
    if (!read->writer[0]) mirror_load(live);
}

static void take_note(struct relay *relay, const struct log_note *note)
{
    struct live *live = live_find(relay, note->answer_id);
    if (!live || live->mirror) return;
    if (note->kind == NOTE_STOP)
        live_end(live, ANSWER_STOPPED, CHAT_OK);
    else
        live_watched(live);
}

static void over(struct job *job)
{
    struct beat *beat = (struct beat *)job;
    struct relay *relay = beat->relay;
    struct log_exchange *exchange = &beat->exchange;
    bool failed = relay->log_away = beat->error != CHAT_OK;
    for (size_t i = 0; i < exchange->write_count; i++) take_write(relay, &exchange->writes[i], failed);
    if (!failed && exchange->forgotten) beat_write_all_anew(relay);
    for (size_t i = 0; !failed && i < exchange->read_count; i++) take_read(relay, &exchange->reads[i]);
    for (size_t i = 0; i < exchange->note_count; i++) take_note(relay, &exchange->notes[i]);
    beat_free(beat);
    relay->beat = NULL;
    set_next(relay);
}

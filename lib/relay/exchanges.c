#include "relay/exchanges.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "usecases/ports.h"

enum {
    BEAT_MS = 50,          /* an exchange is made this often, for the notes of others: a stop has 200 ms in all */
    TEXT_BEAT_MS = 450,    /* the text of one answer is written this often */
    FOLLOWED_BEAT_MS = 20, /* both, while another process follows an answer of ours, or we follow one of its */
    /* The most that one exchange has; if there is more, the next follows at once. Thousands in one would be a burst
     * that chunks, stops and other calls of Redis wait for. */
    TEXTS_A_BEAT = 64,      /* texts that are written */
    ENDED_A_BEAT = 64,      /* answers whose log may go */
    READS_A_BEAT = 64,      /* answers of others whose text is asked for */
    TELL_WATCHED_MS = 1000, /* a follower tells the writer this often that somebody is attached */
    WATCHED_MS = 4000,      /* and for so long the writer believes it */
    END_AFTER_MS = 200,     /* after its end an answer that isn't stored goes to the log: Postgres may be away */
};

/* One exchange, from its making until what came back is taken. The loop makes and frees it; between, it is the job's.
 */
struct exchange {
    struct job job; /* first */
    struct exchanges *all;
    struct log_exchange words;
    struct arena arena;
    enum chat_error error;
};

/* An answer of ours whose row is written: its log may go. */
struct ended_answer {
    struct ended_answer *next;
    char answer_id[UUID_TEXT_SIZE];
};

static int64_t now_of(const struct exchanges *exchanges)
{
    return exchanges->ground->loop.now_ms;
}

static void run_exchange(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct exchange *exchange = (struct exchange *)job;
    exchange->error = answer_log_exchange(ports->log, &exchange->words, &exchange->arena);
}

/* ---- when the next is due ---- */

/* Something lives, or has ended: sees to it, at this turn's end, that there is an exchange to come. */
static void look_later(struct exchanges *exchanges)
{
    if (!exchanges->under_way && !exchanges->timer.slot)
        loop_at_turn_end(&exchanges->ground->loop, LOOP_GATHER, &exchanges->looking);
}

/* The next exchange is made at the end of this turn, with all that the turn brings. */
static void due_now(struct exchanges *exchanges)
{
    exchanges->due = true;
    loop_at_turn_end(&exchanges->ground->loop, LOOP_GATHER, &exchanges->looking);
}

static void on_timer(void *owner)
{
    due_now(owner);
}

static bool has_more(const struct exchanges *exchanges)
{
    return exchanges->due_count >= TEXTS_A_BEAT || exchanges->ended_count >= ENDED_A_BEAT || exchanges->unasked > 0 ||
           exchanges->more_notes;
}

static void set_next(struct exchanges *exchanges)
{
    int64_t now_ms = now_of(exchanges);
    if (!exchanges->registry.first && !exchanges->first_ended) return;
    bool followed = exchanges->followers || exchanges->watched_until_ms > now_ms;
    bool at_once = has_more(exchanges) && !exchanges->away;
    int64_t at_ms = now_ms + (at_once ? 0 : followed ? FOLLOWED_BEAT_MS : BEAT_MS);
    if (!timer_set(&exchanges->ground->loop.timers, &exchanges->timer, at_ms)) abort();
}

/* ---- what is due for the log ---- */

static void put_in_line(struct exchanges *exchanges, struct logged *logged)
{
    if (logged->due) return;
    timer_clear(&exchanges->ground->loop.timers, &logged->timer);
    logged->due = true;
    logged->next_due = NULL;
    logged->previous_due = exchanges->last_due;
    if (exchanges->last_due)
        exchanges->last_due->next_due = logged;
    else
        exchanges->first_due = logged;
    exchanges->last_due = logged;
    if (++exchanges->due_count >= TEXTS_A_BEAT && !exchanges->away && !exchanges->under_way) due_now(exchanges);
}

static void leave_line(struct exchanges *exchanges, struct logged *logged)
{
    if (!logged->due) return;
    if (logged->previous_due)
        logged->previous_due->next_due = logged->next_due;
    else
        exchanges->first_due = logged->next_due;
    if (logged->next_due)
        logged->next_due->previous_due = logged->previous_due;
    else
        exchanges->last_due = logged->previous_due;
    exchanges->due_count--;
    logged->due = false;
}

static struct logged *take_from_line(struct exchanges *exchanges)
{
    struct logged *logged = exchanges->first_due;
    leave_line(exchanges, logged);
    return logged;
}

static void on_due(void *owner)
{
    struct logged *logged = owner;
    put_in_line(logged->all, logged);
}

static void due_at(struct exchanges *exchanges, struct logged *logged, int64_t at_ms)
{
    if (logged->due) return;
    if (at_ms <= now_of(exchanges) || !timer_set(&exchanges->ground->loop.timers, &logged->timer, at_ms))
        put_in_line(exchanges, logged);
}

void exchanges_add(struct exchanges *exchanges, struct logged *logged)
{
    logged->all = exchanges;
    logged->timer = (struct timer){.owner = logged, .fire = on_due};
    registry_add(&exchanges->registry, &logged->registered);
    look_later(exchanges);
    exchanges_news(exchanges, logged);
}

void exchanges_news(struct exchanges *exchanges, struct logged *logged)
{
    if (logged->due || logged->timer.slot) return;
    bool followed = logged->watched_until_ms > now_of(exchanges);
    if (followed || !logged->known || logged->lost)
        put_in_line(exchanges, logged);
    else
        due_at(exchanges, logged, logged->known_ms + TEXT_BEAT_MS);
}

void exchanges_ended(struct exchanges *exchanges, struct logged *logged, const struct log_end *end, int64_t ended_ms)
{
    logged->over = true;
    logged->end = end;
    logged->ended_ms = ended_ms;
    due_at(exchanges, logged, ended_ms + END_AFTER_MS);
}

static void note_ended(struct exchanges *exchanges, const struct logged *logged)
{
    struct ended_answer *ended = calloc(1, sizeof *ended);
    if (!ended) return; /* its keys run out by themselves */
    memcpy(ended->answer_id, logged->registered.answer_id, UUID_TEXT_SIZE);
    if (exchanges->last_ended)
        exchanges->last_ended->next = ended;
    else
        exchanges->first_ended = ended;
    exchanges->last_ended = ended;
    exchanges->ended_count++;
    look_later(exchanges);
}

void exchanges_remove(struct exchanges *exchanges, struct logged *logged)
{
    if (logged->known) note_ended(exchanges, logged);
    timer_clear(&exchanges->ground->loop.timers, &logged->timer);
    leave_line(exchanges, logged);
    registry_remove(&exchanges->registry, &logged->registered);
}

/* ---- who is followed ---- */

static void put_first(struct exchanges *exchanges, struct followed *followed)
{
    followed->previous = NULL;
    followed->next = exchanges->first_followed;
    if (followed->next)
        followed->next->previous = followed;
    else
        exchanges->last_followed = followed;
    exchanges->first_followed = followed;
}

static void put_last(struct exchanges *exchanges, struct followed *followed)
{
    followed->next = NULL;
    followed->previous = exchanges->last_followed;
    if (followed->previous)
        followed->previous->next = followed;
    else
        exchanges->first_followed = followed;
    exchanges->last_followed = followed;
}

static void take_out(struct exchanges *exchanges, struct followed *followed)
{
    if (followed->previous)
        followed->previous->next = followed->next;
    else
        exchanges->first_followed = followed->next;
    if (followed->next)
        followed->next->previous = followed->previous;
    else
        exchanges->last_followed = followed->previous;
}

void exchanges_follow(struct exchanges *exchanges, struct followed *followed)
{
    exchanges->followers++;
    put_first(exchanges, followed);
    registry_add(&exchanges->registry, &followed->registered);
    look_later(exchanges);
}

void exchanges_unfollow(struct exchanges *exchanges, struct followed *followed)
{
    exchanges->followers--;
    if (exchanges->unasked > exchanges->followers) exchanges->unasked = exchanges->followers;
    take_out(exchanges, followed);
    registry_remove(&exchanges->registry, &followed->registered);
}

/* ---- making one ---- */

static const char *copy(struct arena *arena, const struct buf *buf, size_t from)
{
    char *text = arena_alloc(arena, buf->len - from);
    if (buf->len > from) memcpy(text, buf->data + from, buf->len - from);
    return text;
}

static struct log_write *add_write(struct exchange *exchange, struct logged *logged)
{
    if (logged->lost || !logged->known) logged->reasoning_known = logged->content_known = 0;
    struct log_write *write = &exchange->words.writes[exchange->words.write_count++];
    *write = (struct log_write){
        .whole = logged->lost || !logged->known,
        .reasoning_at = logged->reasoning_known,
        .content_at = logged->content_known,
        .reasoning = copy(&exchange->arena, logged->reasoning, logged->reasoning_known),
        .reasoning_len = logged->reasoning->len - logged->reasoning_known,
        .content = copy(&exchange->arena, logged->content, logged->content_known),
        .content_len = logged->content->len - logged->content_known,
    };
    memcpy(write->answer_id, logged->registered.answer_id, UUID_TEXT_SIZE);
    logged->known = true;
    logged->lost = false;
    logged->known_ms = now_of(exchange->all);
    logged->reasoning_known = logged->reasoning->len;
    logged->content_known = logged->content->len;
    return write;
}

static void add_end(struct exchange *exchange, struct logged *logged)
{
    struct log_end *end = arena_alloc(&exchange->arena, sizeof *end);
    *end = *logged->end;
    end->model = arena_strdup(&exchange->arena, end->model);
    end->finish_reason = arena_strdup(&exchange->arena, end->finish_reason);
    end->supersedes_id = arena_strdup(&exchange->arena, end->supersedes_id);
    add_write(exchange, logged)->end = end;
    logged->end_known = true;
}

static void add_read(struct exchange *exchange, struct followed *followed)
{
    int64_t now_ms = now_of(exchange->all);
    struct log_read *read = &exchange->words.reads[exchange->words.read_count++];
    *read = (struct log_read){.reasoning_at = followed->reasoning->len, .content_at = followed->content->len};
    memcpy(read->answer_id, followed->registered.answer_id, UUID_TEXT_SIZE);
    memcpy(read->writer, followed->writer, UUID_TEXT_SIZE);
    read->tell_watched = now_ms - followed->told_ms >= TELL_WATCHED_MS;
    if (read->tell_watched && followed->writer[0]) followed->told_ms = now_ms;
}

/* The next of a round in which all are asked for; another round begins once the last is over. */
static void add_reads(struct exchange *exchange)
{
    struct exchanges *all = exchange->all;
    if (!all->unasked) all->unasked = all->followers;
    int count = all->unasked < READS_A_BEAT ? all->unasked : READS_A_BEAT;
    all->unasked -= count;
    exchange->words.reads = arena_alloc(&exchange->arena, (size_t)count * sizeof *exchange->words.reads);
    while (count--) {
        struct followed *followed = all->first_followed;
        if (!followed->over) add_read(exchange, followed);
        take_out(all, followed);
        put_last(all, followed);
    }
}

static struct ended_answer *take_ended(struct exchanges *exchanges)
{
    struct ended_answer *ended = exchanges->first_ended;
    exchanges->first_ended = ended->next;
    if (!exchanges->first_ended) exchanges->last_ended = NULL;
    exchanges->ended_count--;
    return ended;
}

static void add_ended(struct exchange *exchange, size_t count)
{
    while (count--) {
        struct ended_answer *ended = take_ended(exchange->all);
        struct log_write *write = &exchange->words.writes[exchange->words.write_count++];
        *write = (struct log_write){.ended = true};
        memcpy(write->answer_id, ended->answer_id, UUID_TEXT_SIZE);
        free(ended);
    }
}

static bool has_news(const struct logged *logged)
{
    return logged->lost || !logged->known || logged->reasoning->len > logged->reasoning_known ||
           logged->content->len > logged->content_known;
}

static void add_logged(struct exchange *exchange, struct logged *logged)
{
    if (logged->over) {
        if (!logged->end || logged->end_known) return; /* its row is written, or the log knows all */
        /* how it ended must be known to others, should this process die before the row is written */
        if (now_of(exchange->all) - logged->ended_ms >= END_AFTER_MS)
            add_end(exchange, logged);
        else
            due_at(exchange->all, logged, logged->ended_ms + END_AFTER_MS);
    } else if (has_news(logged))
        add_write(exchange, logged);
}

static void over(struct job *job);

/* NULL: out of memory, or there is nothing to write and nothing to ask. */
static struct exchange *make_exchange(struct exchanges *exchanges)
{
    size_t texts = exchanges->due_count < TEXTS_A_BEAT ? exchanges->due_count : TEXTS_A_BEAT;
    size_t ended = exchanges->ended_count < ENDED_A_BEAT ? exchanges->ended_count : ENDED_A_BEAT;
    struct exchange *exchange = exchanges->registry.first || ended ? calloc(1, sizeof *exchange) : NULL;
    if (!exchange) return NULL;
    exchange->job = (struct job){.run = run_exchange, .done = over, .loop = &exchanges->ground->loop};
    exchange->all = exchanges;
    arena_init(&exchange->arena);
    exchange->words.process_id = exchanges->process_id;
    exchange->words.writes = arena_alloc(&exchange->arena, (texts + ended) * sizeof *exchange->words.writes);
    while (texts--) add_logged(exchange, take_from_line(exchanges));
    add_reads(exchange);
    add_ended(exchange, ended);
    return exchange;
}

/* At a turn's end (LOOP_GATHER). Makes the exchange that is due, or sets the timer for the next. While one is under way
 * nothing is done: `over` sets the next. */
static void look(struct turn_end *item)
{
    struct exchanges *exchanges = LOOP_OWNER(item, struct exchanges, looking);
    if (exchanges->under_way) return;
    if (!exchanges->due) {
        if (!exchanges->timer.slot) set_next(exchanges);
        return;
    }
    exchanges->under_way = make_exchange(exchanges);
    exchanges->due = false;
    timer_clear(&exchanges->ground->loop.timers, &exchanges->timer);
    if (exchanges->under_way)
        job_pool_submit(exchanges->jobs, &exchanges->under_way->job);
    else
        set_next(exchanges);
}

/* ---- and back ---- */

static void free_exchange(struct exchange *exchange)
{
    if (!exchange) return;
    arena_fini(&exchange->arena);
    free(exchange);
}

static void write_anew(struct exchanges *exchanges, struct logged *logged)
{
    logged->lost = true;
    logged->end_known = false;
    put_in_line(exchanges, logged);
}

void exchanges_write_all_anew(struct exchanges *exchanges)
{
    for (struct registered *at = exchanges->registry.first; at; at = at->next) {
        struct logged *logged = LOOP_OWNER(at, struct logged, registered);
        if (at->kind == REGISTERED_ANSWER && logged->known) write_anew(exchanges, logged);
    }
}

/* NULL: this process doesn't write it. */
static struct logged *find_logged(const struct exchanges *exchanges, const char *answer_id)
{
    struct registered *found = registry_find(&exchanges->registry, answer_id);
    return found && found->kind == REGISTERED_ANSWER ? LOOP_OWNER(found, struct logged, registered) : NULL;
}

static void take_write(struct exchanges *exchanges, const struct log_write *write, bool failed)
{
    if (!failed && !write->lost) return;
    struct logged *logged = find_logged(exchanges, write->answer_id);
    if (logged) write_anew(exchanges, logged);
}

static void take_read(struct exchanges *exchanges, const struct log_read *read)
{
    struct registered *found = registry_find(&exchanges->registry, read->answer_id);
    if (!found || found->kind != REGISTERED_FOLLOWER) return;
    struct followed *followed = LOOP_OWNER(found, struct followed, registered);
    /* the follower that asked has gone meanwhile, and another one of the same answer has come */
    if (read->reasoning_at != followed->reasoning->len || read->content_at != followed->content->len) return;
    memcpy(followed->writer, read->writer, UUID_TEXT_SIZE);
    followed->text(followed, read);
    if (!read->writer[0]) followed->unwritten(followed);
}

/* Another process told that somebody is attached there, which counts as attached here. It tells so every second. */
static void take_watched(struct exchanges *exchanges, struct logged *logged)
{
    logged->watched_until_ms = now_of(exchanges) + WATCHED_MS;
    logged->watched(logged);
    if (logged->watched_until_ms > exchanges->watched_until_ms) exchanges->watched_until_ms = logged->watched_until_ms;
    if (logged->timer.slot) put_in_line(exchanges, logged);
}

static void take_note(struct exchanges *exchanges, const struct log_note *note)
{
    struct logged *logged = find_logged(exchanges, note->answer_id);
    if (!logged) return;
    if (note->kind == NOTE_STOP)
        logged->stopped(logged);
    else
        take_watched(exchanges, logged);
}

static void over(struct job *job)
{
    struct exchange *exchange = (struct exchange *)job;
    struct exchanges *exchanges = exchange->all;
    const struct log_exchange *words = &exchange->words;
    bool failed = exchanges->away = exchange->error != CHAT_OK;
    for (size_t i = 0; i < words->write_count; i++) take_write(exchanges, &words->writes[i], failed);
    if (!failed && words->forgotten) exchanges_write_all_anew(exchanges);
    for (size_t i = 0; !failed && i < words->read_count; i++) take_read(exchanges, &words->reads[i]);
    exchanges->more_notes = words->note_count == LOG_NOTES_MAX;
    for (size_t i = 0; i < words->note_count; i++) take_note(exchanges, &words->notes[i]);
    free_exchange(exchange);
    exchanges->under_way = NULL;
    set_next(exchanges);
}

/* ---- their life ---- */

void exchanges_open(struct exchanges *exchanges, struct ground *ground, struct job_pool *jobs)
{
    exchanges->ground = ground;
    exchanges->jobs = jobs;
    exchanges->timer = (struct timer){.owner = exchanges, .fire = on_timer};
    exchanges->looking.run = look;
}

void exchanges_close(struct exchanges *exchanges)
{
    free_exchange(exchanges->under_way);
    while (exchanges->first_ended) free(take_ended(exchanges));
}

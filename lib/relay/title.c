#include "relay/title.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/answer.h"
#include "upstream/upstream.h"
#include "usecases/keep_title.h"

enum { TITLE_TIMEOUT_MS = 15000, TITLE_ANSWER_MAX_BYTES = 4096 };

struct title_job {
    struct job job; /* first */
    const struct titles *titles;
    char answer_id[UUID_TEXT_SIZE], session_id[UUID_TEXT_SIZE];
    char user_id[USER_ID_SIZE], day[QUOTA_DAY_SIZE]; /* whom it is counted for, and when */
    struct token_usage usage;                        /* -1: not told */
    struct title_body body, plain_body;
    size_t asked_bytes, thought_bytes; /* of the last request, and of its thoughts */
    struct buf text;
    char *stored; /* the title that the session has now; NULL: none of this job's */
};

static void take_text(void *context, const char *text, size_t len)
{
    buf_append(&((struct title_job *)context)->text, text, len);
}

static void drop_thought(void *context, const char *text, size_t len)
{
    (void)text;
    ((struct title_job *)context)->thought_bytes += len;
}

/* A title that takes too long says little of the model: it was given little time. */
static void ask(struct title_job *title, const struct title_body *body, struct blocking_end *end)
{
    const struct blocking_question question = {
        .body = body->text,
        .body_len = body->len,
        .timeout_ms = TITLE_TIMEOUT_MS,
        .sink = {.content = take_text, .reasoning = drop_thought, .context = title}};
    title->asked_bytes = body->len;
    upstream_ask_blocking(title->titles->upstream, &question, end);
    title->usage = end->usage;
}

/* false: none was written, or its model can't be asked now. */
static bool ask_where_allowed(struct title_job *title, const struct chat_ports *ports)
{
    struct breaker_ticket ticket;
    struct blocking_end end;
    int64_t wait_s;
    if (shared_breaker_allow(ports->breaker, ports->policy->title_model, &ticket, &wait_s) != CHAT_OK) {
        title->usage = (struct token_usage){0};
        return false;
    }
    ask(title, &title->body, &end);
    bool refused = end.status == 400 || end.status == 422; /* the request itself was not to the provider's liking */
    if (refused && title->plain_body.text) ask(title, &title->plain_body, &end);
    shared_breaker_report(ports->breaker, &ticket, end.outcome, end.rest_s);
    return end.whole && !title->text.failed;
}

/* false: there is no title in what the model wrote. */
static bool store(struct title_job *title, const struct chat_ports *ports)
{
    struct arena arena;
    const char *stored;
    arena_init(&arena);
    bool usable = keep_title(ports, title->session_id, title->text.data, title->text.len, &arena, &stored);
    if (stored) title->stored = strdup(stored);
    if (stored && !title->stored) abort();
    arena_fini(&arena);
    return usable;
}

static void run_title(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct title_job *title = (struct title_job *)job;
    bool fine = ask_where_allowed(title, ports);
    keep_title_count(ports, &(struct title_use){.user_id = title->user_id,
                                                .day = title->day,
                                                .usage = title->usage,
                                                .asked_bytes = title->asked_bytes,
                                                .written_bytes = title->text.len + title->thought_bytes});
    if (!fine || !store(title, ports))
        log_write(LOG_WARN, "title_not_written", LOG_STR("session_id", title->session_id));
    buf_fini(&title->text);
    free(title->body.text);
    free(title->plain_body.text);
}

/* Who reads the answer is told. */
static void done(struct job *job)
{
    struct title_job *title = (struct title_job *)job;
    struct registered *found = title->stored ? registry_find(title->titles->registry, title->answer_id) : NULL;
    if (found && found->kind == REGISTERED_ANSWER) answer_title(answer_of(found), title->stored);
    free(title->stored);
    free(title);
}

void title_start(const struct titles *titles, const struct answer_spec *spec)
{
    struct title_job *title = spec->title.text && titles->jobs ? calloc(1, sizeof *title) : NULL;
    if (!title) {
        free(spec->title.text);
        free(spec->plain_title.text);
        return;
    }
    title->job.run = run_title;
    title->job.done = done;
    title->job.loop = titles->loop;
    title->titles = titles;
    title->body = spec->title;
    title->plain_body = spec->plain_title;
    memcpy(title->answer_id, spec->answer->id, UUID_TEXT_SIZE);
    memcpy(title->session_id, spec->session->id, UUID_TEXT_SIZE);
    memcpy(title->user_id, spec->ticket.user_id, sizeof title->user_id);
    memcpy(title->day, spec->ticket.day, sizeof title->day);
    buf_init(&title->text, TITLE_ANSWER_MAX_BYTES);
    job_pool_submit(titles->jobs, &title->job);
}

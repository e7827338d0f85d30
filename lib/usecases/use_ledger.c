#include "usecases/use_ledger.h"

#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

enum { TREE_NODE_BYTES = 3 * sizeof(void *) }; /* what tsearch takes for one */

struct use_ledger {
    pthread_mutex_t lock;
    const struct clock *clock;
    void *gathered; /* a tree of struct usage_row, by key */
    size_t gathered_count;
    struct usage_batch batch; /* on its way: until it is known to have arrived */
};

struct use_ledger *use_ledger_open(const struct clock *clock)
{
    struct use_ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger) return NULL;
    pthread_mutex_init(&ledger->lock, NULL);
    ledger->clock = clock;
    uuid_v7(clock_wall_ms(clock), ledger->batch.writer_id);
    return ledger;
}

void use_ledger_close(struct use_ledger *ledger)
{
    if (!ledger) return;
    tdestroy(ledger->gathered, free);
    free((void *)ledger->batch.rows);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

static int by_key(const void *a, const void *b)
{
    const struct usage_key *left = &((const struct usage_row *)a)->key, *right = &((const struct usage_row *)b)->key;
    int order = strcmp(left->user_id, right->user_id);
    if (order == 0) order = strcmp(left->day, right->day);
    return order ? order : strcmp(left->model, right->model);
}

/* Returns the row of that key, and makes it if there is none. NULL: there are too many. */
static struct usage_row *row_of(struct use_ledger *ledger, const struct usage_row *wanted)
{
    struct usage_row **found = tfind(wanted, &ledger->gathered, by_key);
    if (found) return *found;
    if (ledger->gathered_count == USE_LEDGER_MAX) return NULL;
    struct usage_row *row = must_calloc(1, sizeof *row);
    row->key = wanted->key;
    if (!tsearch(row, &ledger->gathered, by_key)) out_of_memory(TREE_NODE_BYTES);
    ledger->gathered_count++;
    return row;
}

static int64_t at_least_0(int64_t number)
{
    return number > 0 ? number : 0;
}

void use_ledger_add(struct use_ledger *ledger, const char *user_id, const char *day, const char *model, int completions,
                    const struct token_usage *usage, int64_t cost_micro_usd)
{
    struct usage_row wanted = {0};
    snprintf(wanted.key.user_id, sizeof wanted.key.user_id, "%s", user_id);
    snprintf(wanted.key.day, sizeof wanted.key.day, "%s", day);
    snprintf(wanted.key.model, sizeof wanted.key.model, "%s", model);
    pthread_mutex_lock(&ledger->lock);
    struct usage_row *row = row_of(ledger, &wanted);
    if (row) {
        row->counts.completions += completions;
        row->counts.prompt_tokens += at_least_0(usage->prompt_tokens);
        row->counts.completion_tokens += at_least_0(usage->completion_tokens);
        row->counts.cached_tokens += at_least_0(usage->cached_tokens);
        row->counts.cost_micro_usd += cost_micro_usd;
    }
    pthread_mutex_unlock(&ledger->lock);
    if (!row)
        log_write(LOG_ERROR, "use_not_counted", LOG_STR("user_id", user_id), LOG_STR("day", day),
                  LOG_STR("model", model), LOG_INT("completions", completions),
                  LOG_INT("prompt_tokens", usage->prompt_tokens), LOG_INT("cached_tokens", usage->cached_tokens),
                  LOG_INT("completion_tokens", usage->completion_tokens), LOG_INT("cost_micro_usd", cost_micro_usd));
}

struct copy {
    struct usage_row *rows;
    size_t count;
};

static void copy_row(const void *node, VISIT which, void *closure)
{
    struct copy *copy = closure;
    if (which == postorder || which == leaf) copy->rows[copy->count++] = **(struct usage_row *const *)node;
}

static void take_gathered(struct use_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    struct copy copy = {must_calloc(ledger->gathered_count + 1, sizeof *copy.rows), 0};
    twalk_r(ledger->gathered, copy_row, &copy);
    tdestroy(ledger->gathered, free);
    ledger->gathered = NULL;
    ledger->gathered_count = 0;
    pthread_mutex_unlock(&ledger->lock);
    ledger->batch.rows = copy.rows;
    ledger->batch.count = copy.count;
    ledger->batch.number++;
}

bool use_ledger_flush(struct use_ledger *ledger, struct usage_repo *repo)
{
    struct usage_batch *batch = &ledger->batch;
    if (!batch->rows) take_gathered(ledger);
    batch->now_ms = clock_wall_ms(ledger->clock);
    enum chat_error error = batch->count ? usage_repo_count(repo, batch) : CHAT_OK;
    if (error == CHAT_ERR_DATABASE_UNAVAILABLE) return false;
    if (error != CHAT_OK)
        log_write(LOG_ERROR, "use_not_counted", LOG_STR("code", error_code(error)), LOG_INT("rows", batch->count));
    free((void *)batch->rows);
    batch->rows = NULL;
    return true;
}

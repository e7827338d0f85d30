/* How an answer begins and ends, and how messages are read: on every kind of store. */
#include <pthread.h>

#include "store_fixture.h"

static struct store store;
static void open_postgres(void)
{
    store_open(&store, &STORE_POSTGRES);
}
static void open_fake(void)
{
    store_open(&store, &STORE_FAKE);
}
static void close_store(void)
{
    store_close(&store);
}

static struct message_page page_by(struct store *by, const char *session_id, int64_t before, int limit)
{
    struct message_page page;
    ck_assert_int_eq(message_repo_page(by->messages, by->user, session_id, before, limit, &by->arena, &page), CHAT_OK);
    return page;
}

static struct message_page page_of(const char *session_id, int64_t before, int limit)
{
    return page_by(&store, session_id, before, limit);
}

static struct answer_begun begin_ok(const struct answer_begin *begin)
{
    struct answer_begun begun;
    ck_assert_int_eq(store_begin(&store, begin, &begun), CHAT_OK);
    return begun;
}

static struct answer_begin regenerate_of(const char *answer_id)
{
    return (struct answer_begin){
        .user_id = store.user,
        .regenerates_id = answer_id,
        .answer_id = store_new_id(&store),
        .epoch = 1,
        .now_ms = store.now_ms,
        .context_messages = 20,
    };
}

/* What is told on beginning must be what is read afterwards. */
static void assert_same(const struct message *told, const struct message *read)
{
    ck_assert_str_eq(told->id, read->id);
    ck_assert_str_eq(told->session_id, read->session_id);
    ck_assert_str_eq(told->parent_id, read->parent_id);
    ck_assert_str_eq(told->superseded_by, read->superseded_by);
    ck_assert_int_eq(told->seq, read->seq);
    ck_assert_int_eq(told->role, read->role);
    ck_assert_int_eq(told->status, read->status);
    ck_assert_int_eq(told->feedback, read->feedback);
    ck_assert_uint_eq(told->content_len, read->content_len);
    ck_assert_str_eq(told->content, read->content);
    ck_assert_pstr_eq(told->reasoning, read->reasoning);
    ck_assert_pstr_eq(told->model, read->model);
    ck_assert_pstr_eq(told->finish_reason, read->finish_reason);
    ck_assert_int_eq(told->usage.prompt_tokens, read->usage.prompt_tokens);
    ck_assert_int_eq(told->usage.completion_tokens, read->usage.completion_tokens);
    ck_assert_int_eq(told->usage.total_tokens, read->usage.total_tokens);
    ck_assert_int_eq(told->usage.cached_tokens, read->usage.cached_tokens);
    ck_assert_int_eq(told->token_count, read->token_count);
    ck_assert_int_eq(told->tokens_estimated, read->tokens_estimated);
    ck_assert_int_eq(told->created_at_ms, read->created_at_ms);
    ck_assert_int_eq(told->epoch, read->epoch);
}

START_TEST(a_send_stores_question_and_streaming_answer)
{
    const char *id = store_add_session(&store, NULL);
    struct answer_begin begin = store_send_of(&store, id, "What is 1+1? 日本");
    begin.model = "model-b";
    struct answer_begun begun = begin_ok(&begin);
    struct message question = store_get(&store, begin.question_id), answer = store_get(&store, begin.answer_id);
    assert_same(&begun.question, &question);
    assert_same(&begun.answer, &answer);
    ck_assert_int_eq(question.seq, 1);
    ck_assert_int_eq(answer.seq, 2);
    ck_assert_str_eq(question.parent_id, "");
    ck_assert_str_eq(answer.parent_id, question.id);
    ck_assert_str_eq(answer.model, "model-b");
    ck_assert_ptr_null(question.model);
    ck_assert_int_eq(answer.status, MESSAGE_STREAMING);
    ck_assert_int_eq(begun.session.message_count, 2);
    ck_assert_int_eq(begun.session.last_message_at_ms, begin.now_ms);
    ck_assert_int_eq(begun.session.updated_at_ms, begin.now_ms);
    ck_assert_str_eq(begun.session.model, "model-b");
    ck_assert_str_eq(begun.session.title, "from the first message");
    ck_assert_int_eq(begun.session.title_source, TITLE_FIRST_MESSAGE);
    ck_assert_uint_eq(begun.history_count, 1);
    assert_same(&begun.history[0], &question);
    ck_assert_str_eq(page_of(id, 0, 10).active_message_id, answer.id);
}
END_TEST

START_TEST(a_send_can_make_its_session)
{
    struct session fresh = {.title = "made here",
                            .title_source = TITLE_FIRST_MESSAGE,
                            .model = "model-a",
                            .created_at_ms = store.now_ms,
                            .updated_at_ms = store.now_ms};
    memcpy(fresh.id, store_new_id(&store), UUID_TEXT_SIZE);
    struct answer_begin begin = store_send_of(&store, fresh.id, "Hello");
    begin.new_session = &fresh;
    struct answer_begun begun = begin_ok(&begin);
    struct message question = store_get(&store, begin.question_id), answer = store_get(&store, begin.answer_id);
    assert_same(&begun.question, &question);
    assert_same(&begun.answer, &answer);
    assert_same(&begun.history[0], &question);
    ck_assert_uint_eq(begun.history_count, 1);
    struct message_page page = page_of(fresh.id, 0, 10);
    ck_assert_uint_eq(page.count, 2);
    ck_assert_str_eq(page.session.title, "made here");
    ck_assert_int_eq(page.session.message_count, 2);
    ck_assert_int_eq(page.session.last_message_at_ms, begin.now_ms);
    ck_assert_int_eq(begun.session.message_count, 2);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "Hi");
    ck_assert(store_end(&store, &end));
    begun = store_exchange(&store, fresh.id, "more", "yes");
    ck_assert_int_eq(begun.question.seq, 3);
    ck_assert_str_eq(begun.question.parent_id, answer.id);
}
END_TEST

START_TEST(the_title_the_user_gave_stays)
{
    const char *id = store_add_session(&store, "Given");
    struct answer_begin begin = store_send_of(&store, id, "Hello");
    ck_assert_str_eq(begin_ok(&begin).session.title, "Given");
}
END_TEST

START_TEST(a_send_into_a_session_that_is_not_there_is_refused)
{
    struct answer_begun begun;
    char active[UUID_TEXT_SIZE];
    const char *gone = store_add_session(&store, "gone"), *mine = store_add_session(&store, "mine");
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, gone, store.now_ms, active), CHAT_OK);
    struct answer_begin begin = store_send_of(&store, gone, "x");
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_SESSION_NOT_FOUND);
    begin.session_id = store_new_id(&store);
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_SESSION_NOT_FOUND);
    begin.session_id = mine;
    begin.user_id = "somebody-else";
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_uint_eq(page_of(mine, 0, 10).count, 0);
}
END_TEST

START_TEST(one_answer_at_a_time)
{
    const char *id = store_add_session(&store, "one");
    struct answer_begin begin = store_send_of(&store, id, "first");
    struct answer_begun first = begin_ok(&begin), second;
    begin = store_send_of(&store, id, "second");
    ck_assert_int_eq(store_begin(&store, &begin, &second), CHAT_ERR_GENERATION_IN_PROGRESS);
    ck_assert_str_eq(second.active_message_id, first.answer.id);
    struct message_page page = page_of(id, 0, 10);
    ck_assert_uint_eq(page.count, 2);
    ck_assert_int_eq(page.session.message_count, 2);
    struct answer_end end = store_end_of(&store, &first.answer, MESSAGE_COMPLETE, "done");
    ck_assert(store_end(&store, &end));
    ck_assert_int_eq(store_begin(&store, &begin, &second), CHAT_OK);
}
END_TEST

/* ---- racing ---- */

enum { RACERS = 8, ROUNDS = 12 };
struct racer {
    pthread_t thread;
    struct store store;
    pthread_barrier_t *barrier;
    const char *session_id;
    const char *regenerates_id;
    enum chat_error error[ROUNDS];
    struct answer_begun begun[ROUNDS];
};

static void *race(void *context)
{
    struct racer *racer = context;
    for (int round = 0; round < ROUNDS; round++) {
        struct answer_begin begin = store_send_of(&racer->store, racer->session_id, "race");
        pthread_barrier_wait(racer->barrier); /* all ready */
        racer->error[round] = store_begin(&racer->store, &begin, &racer->begun[round]);
        pthread_barrier_wait(racer->barrier); /* all done */
        if (racer->error[round] == CHAT_OK) {
            struct answer_end end = store_end_of(&racer->store, &racer->begun[round].answer, MESSAGE_COMPLETE, "won");
            ck_assert(store_end(&racer->store, &end));
        }
    }
    return NULL;
}

START_TEST(of_racing_sends_exactly_one_wins)
{
    static struct racer racers[RACERS];
    pthread_barrier_t barrier;
    const char *id = store_add_session(&store, "race");
    pthread_barrier_init(&barrier, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        store_join(&racers[i].store, &store);
        page_by(&racers[i].store, id, 0, 1); /* connected before the race */
        racers[i].barrier = &barrier;
        racers[i].session_id = id;
    }
    for (int i = 0; i < RACERS; i++) pthread_create(&racers[i].thread, NULL, race, &racers[i]);
    for (int i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        const struct answer_begun *winner = NULL;
        for (int i = 0; i < RACERS; i++) {
            if (racers[i].error[round] != CHAT_OK) continue;
            ck_assert_ptr_null(winner);
            winner = &racers[i].begun[round];
        }
        ck_assert_ptr_nonnull(winner);
        ck_assert_int_eq(winner->question.seq, 2 * round + 1);
        ck_assert_uint_eq(winner->history_count, (size_t)(2 * round + 1) > 20 ? 20 : (size_t)(2 * round + 1));
        for (int i = 0; i < RACERS; i++) {
            if (racers[i].error[round] == CHAT_OK) continue;
            ck_assert_int_eq(racers[i].error[round], CHAT_ERR_GENERATION_IN_PROGRESS);
            ck_assert_str_eq(racers[i].begun[round].active_message_id, winner->answer.id);
        }
    }
    ck_assert_int_eq(page_of(id, 0, 1).session.message_count, 2 * ROUNDS);
    for (int i = 0; i < RACERS; i++) store_close(&racers[i].store);
    pthread_barrier_destroy(&barrier);
}
END_TEST

/* Each begins and ends as fast as it can: whatever interleaves, seqs are dense and parents are true. */
static void *churn(void *context)
{
    struct racer *racer = context;
    for (int won = 0; won < ROUNDS;) {
        struct answer_begun begun;
        struct answer_begin begin = store_send_of(&racer->store, racer->session_id, "churn");
        enum chat_error error = store_begin(&racer->store, &begin, &begun);
        if (error != CHAT_OK) {
            ck_assert_int_eq(error, CHAT_ERR_GENERATION_IN_PROGRESS);
            continue;
        }
        won++;
        struct answer_end end = store_end_of(&racer->store, &begun.answer, MESSAGE_COMPLETE, "done");
        ck_assert(store_end(&racer->store, &end));
    }
    return NULL;
}

START_TEST(sends_and_ends_in_any_order_keep_one_chain)
{
    enum { THREADS = 4 };
    static struct racer racers[THREADS];
    const char *id = store_add_session(&store, "churn");
    for (int i = 0; i < THREADS; i++) {
        store_join(&racers[i].store, &store);
        racers[i].session_id = id;
        pthread_create(&racers[i].thread, NULL, churn, &racers[i]);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(racers[i].thread, NULL);
    struct message_page page = page_of(id, 0, 100);
    ck_assert_uint_eq(page.count, 2 * THREADS * ROUNDS);
    ck_assert_int_eq(page.session.message_count, 2 * THREADS * ROUNDS);
    for (size_t i = 0; i < page.count; i++) {
        ck_assert_int_eq(page.items[i].seq, (int64_t)i + 1);
        ck_assert_str_eq(page.items[i].parent_id, i ? page.items[i - 1].id : "");
        ck_assert_int_eq(page.items[i].role, i % 2 ? ROLE_ASSISTANT : ROLE_USER);
    }
    for (int i = 0; i < THREADS; i++) store_close(&racers[i].store);
}
END_TEST

/* ---- ending ---- */

START_TEST(an_end_stores_all_it_is_given)
{
    const char *id = store_add_session(&store, "end");
    struct answer_begin begin = store_send_of(&store, id, "q");
    struct answer_begun begun = begin_ok(&begin);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "the answer");
    end.reasoning = "thought";
    end.reasoning_len = 7;
    end.model = "model-fallback";
    end.tokens_estimated = true;
    struct session session;
    bool written;
    ck_assert_int_eq(message_repo_end(store.messages, &end, &store.arena, &written, &session), CHAT_OK);
    ck_assert(written);
    ck_assert_str_eq(session.id, id);
    ck_assert_int_eq(session.message_count, 2);
    struct message answer = store_get(&store, begun.answer.id);
    ck_assert_int_eq(answer.status, MESSAGE_COMPLETE);
    ck_assert_str_eq(answer.content, "the answer");
    ck_assert_str_eq(answer.reasoning, "thought");
    ck_assert_str_eq(answer.model, "model-fallback");
    ck_assert_str_eq(answer.finish_reason, "stop");
    ck_assert_int_eq(answer.usage.prompt_tokens, 7);
    ck_assert_int_eq(answer.usage.completion_tokens, 5);
    ck_assert_int_eq(answer.usage.total_tokens, 12);
    ck_assert_int_eq(answer.usage.cached_tokens, 3);
    ck_assert_int_eq(answer.token_count, 5);
    ck_assert(answer.tokens_estimated);
    ck_assert_str_eq(page_of(id, 0, 5).active_message_id, "");
}
END_TEST

START_TEST(unknown_usage_stays_unknown)
{
    const char *id = store_add_session(&store, "end");
    struct answer_begin begin = store_send_of(&store, id, "q");
    struct answer_begun begun = begin_ok(&begin);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_FAILED, "");
    end.usage = (struct token_usage)USAGE_UNKNOWN;
    end.finish_reason = NULL;
    ck_assert(store_end(&store, &end));
    struct message answer = store_get(&store, begun.answer.id);
    ck_assert_int_eq(answer.usage.total_tokens, -1);
    ck_assert_ptr_null(answer.finish_reason);
    ck_assert_ptr_null(answer.reasoning);
    ck_assert_uint_eq(answer.content_len, 0);
}
END_TEST

START_TEST(an_end_is_compare_and_set_on_status_and_epoch)
{
    static const struct {
        enum message_status from, to;
        int epoch;
        bool written;
    } cases[] = {
        {MESSAGE_STREAMING, MESSAGE_COMPLETE, 2, false},      {MESSAGE_STREAMING, MESSAGE_STOPPED, 1, true},
        {MESSAGE_INTERRUPTED, MESSAGE_COMPLETE, 1, true},     {MESSAGE_INTERRUPTED, MESSAGE_FAILED, 1, true},
        {MESSAGE_INTERRUPTED, MESSAGE_INTERRUPTED, 1, false}, {MESSAGE_INTERRUPTED, MESSAGE_COMPLETE, 2, false},
        {MESSAGE_COMPLETE, MESSAGE_INTERRUPTED, 1, false},    {MESSAGE_COMPLETE, MESSAGE_COMPLETE, 1, false},
        {MESSAGE_STOPPED, MESSAGE_FAILED, 1, false},          {MESSAGE_FAILED, MESSAGE_COMPLETE, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *id = store_add_session(&store, "cas");
        struct answer_begin begin = store_send_of(&store, id, "q");
        struct answer_begun begun = begin_ok(&begin);
        if (cases[i].from != MESSAGE_STREAMING) {
            struct answer_end before = store_end_of(&store, &begun.answer, cases[i].from, "before");
            ck_assert(store_end(&store, &before));
        }
        struct answer_end end = store_end_of(&store, &begun.answer, cases[i].to, "after");
        end.epoch = cases[i].epoch;
        ck_assert_int_eq(store_end(&store, &end), cases[i].written);
        struct message answer = store_get(&store, begun.answer.id);
        ck_assert_int_eq(answer.status, cases[i].written ? cases[i].to : cases[i].from);
    }
}
END_TEST

START_TEST(an_end_keeps_what_it_does_not_name)
{
    const char *id = store_add_session(&store, "end");
    struct answer_begin begin = store_send_of(&store, id, "q");
    struct answer_begun begun = begin_ok(&begin);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_FAILED, "");
    end.model = NULL;
    ck_assert(store_end(&store, &end));
    ck_assert_str_eq(store_get(&store, begun.answer.id).model, begun.answer.model);
}
END_TEST

START_TEST(an_end_of_an_answer_that_is_not_there_writes_nothing)
{
    struct session session;
    bool written;
    const char *id = store_add_session(&store, "end"), *other = store_add_session(&store, "other");
    struct answer_begin begin = store_send_of(&store, id, "q");
    struct answer_begun begun = begin_ok(&begin);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "x");
    end.session_id = other;
    ck_assert(!store_end(&store, &end));
    end.session_id = id;
    end.message_id = store_new_id(&store);
    ck_assert(!store_end(&store, &end));
    end.message_id = begun.question.id;
    ck_assert(!store_end(&store, &end));
    end.session_id = store_new_id(&store);
    ck_assert_int_eq(message_repo_end(store.messages, &end, &store.arena, &written, &session),
                     CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(store_get(&store, begun.answer.id).status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(an_end_in_a_deleted_session_is_written)
{
    struct session session;
    char active[UUID_TEXT_SIZE];
    const char *id = store_add_session(&store, "gone");
    struct answer_begin begin = store_send_of(&store, id, "q");
    struct answer_begun begun = begin_ok(&begin);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_STOPPED, "par");
    ck_assert(store_end(&store, &end));
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, id, &store.arena, &session), CHAT_OK);
    ck_assert_int_eq(store_get(&store, begun.answer.id).status, MESSAGE_STOPPED);
    ck_assert_str_eq(page_of(id, 0, 5).active_message_id, "");
}
END_TEST

static struct stale_answer *stale;
static size_t stale_count;

static void look_for_stale(struct stale_query query)
{
    ck_assert_int_eq(message_repo_stale_answers(store.messages, &query, &store.arena, &stale, &stale_count), CHAT_OK);
}

START_TEST(stale_answers_are_those_begun_long_ago)
{
    bool found = false;
    store.now_ms = 8000; /* no other test begins that early */
    const char *later_id = store_add_session(&store, "stale");
    struct answer_begin later_begin = store_send_of(&store, later_id, "q");
    struct answer_begun later = begin_ok(&later_begin);
    store.now_ms = 5000;
    const char *id = store_add_session(&store, "stale");
    struct answer_begin begin = store_send_of(&store, id, "q");
    struct answer_begun begun = begin_ok(&begin);
    look_for_stale((struct stale_query){.before_ms = begin.now_ms, .limit = 50});
    for (size_t i = 0; i < stale_count; i++) ck_assert_str_ne(stale[i].message.id, begun.answer.id);
    look_for_stale((struct stale_query){.before_ms = begin.now_ms + 1, .limit = 50});
    for (size_t i = 0; i < stale_count; i++) {
        if (strcmp(stale[i].message.id, begun.answer.id) != 0) continue;
        found = true;
        ck_assert_str_eq(stale[i].user_id, store.user);
        ck_assert_int_eq(stale[i].message.epoch, begun.answer.epoch);
    }
    ck_assert(found);
    look_for_stale((struct stale_query){.before_ms = later_begin.now_ms + 1, .limit = 50});
    ck_assert_uint_ge(stale_count, 2);
    for (size_t i = 1; i < stale_count; i++) /* oldest first */
        ck_assert_int_le(stale[i - 1].message.created_at_ms, stale[i].message.created_at_ms);
    look_for_stale((struct stale_query){.before_ms = later_begin.now_ms + 1, .limit = 1});
    ck_assert_uint_eq(stale_count, 1);
    struct stale_query next = {
        .before_ms = later_begin.now_ms + 1, .limit = 1, .after_ms = stale[0].message.created_at_ms};
    memcpy(next.after_id, stale[0].message.id, UUID_TEXT_SIZE);
    ck_assert_str_eq(stale[0].message.id, begun.answer.id);
    look_for_stale(next);
    ck_assert_uint_eq(stale_count, 1);
    ck_assert_str_eq(stale[0].message.id, later.answer.id);
    memcpy(next.after_id, stale[0].message.id, UUID_TEXT_SIZE);
    next.after_ms = stale[0].message.created_at_ms;
    look_for_stale(next);
    ck_assert_uint_eq(stale_count, 0);
    struct answer_end later_end = store_end_of(&store, &later.answer, MESSAGE_INTERRUPTED, "");
    ck_assert(store_end(&store, &later_end));
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_INTERRUPTED, "");
    ck_assert(store_end(&store, &end));
    look_for_stale((struct stale_query){.before_ms = begin.now_ms + 1, .limit = 50});
    for (size_t i = 0; i < stale_count; i++) ck_assert_str_ne(stale[i].message.id, begun.answer.id);
}
END_TEST

/* ---- context, edit, regenerate ---- */

START_TEST(the_context_is_what_counts_and_no_more_than_asked)
{
    const char *id = store_add_session(&store, "context");
    store_exchange(&store, id, "q1", "a1");
    struct answer_begin begin = store_send_of(&store, id, "q2");
    struct answer_begun begun = begin_ok(&begin);
    struct answer_end failed = store_end_of(&store, &begun.answer, MESSAGE_FAILED, "half");
    ck_assert(store_end(&store, &failed));
    begin = store_send_of(&store, id, "q3");
    begun = begin_ok(&begin);
    struct answer_end stopped = store_end_of(&store, &begun.answer, MESSAGE_STOPPED, "");
    ck_assert(store_end(&store, &stopped));
    begin = store_send_of(&store, id, "q4");
    begun = begin_ok(&begin);
    struct answer_end interrupted = store_end_of(&store, &begun.answer, MESSAGE_INTERRUPTED, "a4");
    ck_assert(store_end(&store, &interrupted));
    begin = store_send_of(&store, id, "q5");
    begin.context_messages = 6;
    begun = begin_ok(&begin);
    static const char *const want[] = {"a1", "q2", "q3", "q4", "a4", "q5"};
    ck_assert_uint_eq(begun.history_count, 6);
    for (size_t i = 0; i < 6; i++) ck_assert_str_eq(begun.history[i].content, want[i]);
}
END_TEST

START_TEST(an_edit_supersedes_the_message_and_all_after_it)
{
    const char *id = store_add_session(&store, "edit");
    struct answer_begun one = store_exchange(&store, id, "q1", "a1"), two = store_exchange(&store, id, "q2", "a2"),
                        three = store_exchange(&store, id, "q3", "a3");
    struct answer_begin begin = store_send_of(&store, id, "q2 better");
    begin.replaces_id = two.question.id;
    struct answer_begun begun = begin_ok(&begin);
    ck_assert_str_eq(begun.question.parent_id, one.answer.id);
    ck_assert_int_eq(begun.question.seq, 7);
    ck_assert_uint_eq(begun.history_count, 3);
    ck_assert_str_eq(begun.history[1].content, "a1");
    ck_assert_str_eq(begun.history[2].content, "q2 better");
    ck_assert_int_eq(begun.session.message_count, 8);
    const char *const superseded[] = {two.question.id, two.answer.id, three.question.id, three.answer.id};
    for (size_t i = 0; i < 4; i++) ck_assert_str_eq(store_get(&store, superseded[i]).superseded_by, begun.question.id);
    ck_assert_str_eq(store_get(&store, one.answer.id).superseded_by, "");
    struct message edited = begun.answer;
    struct answer_end end = store_end_of(&store, &edited, MESSAGE_COMPLETE, "a2 better");
    ck_assert(store_end(&store, &end));
    /* what was superseded stays as it is */
    begin = store_send_of(&store, id, "q1 better");
    begin.replaces_id = one.question.id;
    begun = begin_ok(&begin);
    ck_assert_str_eq(begun.question.parent_id, "");
    ck_assert_uint_eq(begun.history_count, 1);
    ck_assert_str_ne(store_get(&store, two.question.id).superseded_by, begun.question.id);
    ck_assert_str_eq(store_get(&store, edited.id).superseded_by, begun.question.id);
}
END_TEST

START_TEST(only_a_standing_question_of_the_session_can_be_edited)
{
    struct answer_begun begun;
    const char *id = store_add_session(&store, "edit"), *other = store_add_session(&store, "other");
    struct answer_begun one = store_exchange(&store, id, "q1", "a1"),
                        elsewhere = store_exchange(&store, other, "q", "a");
    struct answer_begin begin = store_send_of(&store, id, "better");
    begin.replaces_id = one.answer.id;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_VALIDATION_FAILED);
    begin.replaces_id = elsewhere.question.id;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_MESSAGE_NOT_FOUND);
    begin.replaces_id = store_new_id(&store);
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_MESSAGE_NOT_FOUND);
    begin.replaces_id = one.question.id;
    begun = begin_ok(&begin);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "a");
    ck_assert(store_end(&store, &end));
    begin = store_send_of(&store, id, "again");
    begin.replaces_id = one.question.id;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_VALIDATION_FAILED);
}
END_TEST

START_TEST(a_regenerate_answers_the_same_question_and_supersedes_once_it_has_text)
{
    const char *id = store_add_session(&store, "again");
    store_exchange(&store, id, "q1", "a1");
    struct answer_begun old = store_exchange(&store, id, "q2", "a2");
    struct answer_begin begin = regenerate_of(old.answer.id);
    begin.model = "model-c";
    struct answer_begun begun = begin_ok(&begin);
    struct message answer = store_get(&store, begin.answer_id);
    assert_same(&begun.answer, &answer);
    ck_assert_int_eq(answer.seq, 5);
    ck_assert_str_eq(answer.parent_id, old.question.id);
    ck_assert_str_eq(answer.model, "model-c");
    ck_assert_int_eq(begun.session.message_count, 5);
    ck_assert_str_eq(begun.question.id, old.question.id);
    ck_assert_uint_eq(begun.history_count, 3); /* q1 a1 q2, not a2 */
    ck_assert_str_eq(begun.history[2].content, "q2");
    ck_assert_str_eq(store_get(&store, old.answer.id).superseded_by, "");
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_FAILED, "");
    end.supersedes = true;
    ck_assert(store_end(&store, &end));
    ck_assert_str_eq(store_get(&store, old.answer.id).superseded_by, "");
    /* once more, from either of the two: the one with text takes both places */
    begin = regenerate_of(begun.answer.id);
    struct answer_begun again = begin_ok(&begin);
    end = store_end_of(&store, &again.answer, MESSAGE_STOPPED, "a2 be");
    end.supersedes = true;
    ck_assert(store_end(&store, &end));
    ck_assert_str_eq(store_get(&store, old.answer.id).superseded_by, again.answer.id);
    ck_assert_str_eq(store_get(&store, begun.answer.id).superseded_by, again.answer.id);
    struct answer_begun next = store_exchange(&store, id, "q3", "a3");
    ck_assert_str_eq(next.question.parent_id, again.answer.id);
    ck_assert_uint_eq(next.history_count, 5);
    ck_assert_str_eq(next.history[3].content, "a2 be");
}
END_TEST

START_TEST(only_the_last_answer_can_be_written_anew)
{
    struct answer_begun begun;
    const char *id = store_add_session(&store, "again");
    struct answer_begun first = store_exchange(&store, id, "q1", "a1"), last = store_exchange(&store, id, "q2", "a2");
    struct answer_begin begin = regenerate_of(first.answer.id);
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_VALIDATION_FAILED);
    begin.regenerates_id = last.question.id;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_VALIDATION_FAILED);
    begin.regenerates_id = store_new_id(&store);
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_MESSAGE_NOT_FOUND);
    begin.regenerates_id = last.answer.id;
    begin.user_id = "somebody-else";
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_MESSAGE_NOT_FOUND);
    begin = regenerate_of(last.answer.id);
    begun = begin_ok(&begin);
    struct answer_begin while_busy = regenerate_of(last.answer.id);
    struct answer_begun refused;
    ck_assert_int_eq(store_begin(&store, &while_busy, &refused), CHAT_ERR_GENERATION_IN_PROGRESS);
    ck_assert_str_eq(refused.active_message_id, begun.answer.id);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "new");
    end.supersedes = true;
    ck_assert(store_end(&store, &end));
    ck_assert_int_eq(store_begin(&store, &while_busy, &refused), CHAT_ERR_VALIDATION_FAILED); /* superseded */
}
END_TEST

START_TEST(a_regenerate_in_a_deleted_session_finds_nothing)
{
    struct answer_begun begun;
    char active[UUID_TEXT_SIZE];
    const char *id = store_add_session(&store, "gone");
    struct answer_begun old = store_exchange(&store, id, "q", "a");
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    struct answer_begin begin = regenerate_of(old.answer.id);
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_MESSAGE_NOT_FOUND);
}
END_TEST

/* ---- reading ---- */

START_TEST(pages_of_messages_go_back_without_gap)
{
    const char *id = store_add_session(&store, "pages");
    for (int i = 0; i < 5; i++) store_exchange(&store, id, "q", "a");
    struct message_page page = page_of(id, 0, 4);
    ck_assert_uint_eq(page.count, 4);
    ck_assert(page.has_more);
    ck_assert_int_eq(page.items[0].seq, 7);
    ck_assert_int_eq(page.items[3].seq, 10);
    page = page_of(id, page.items[0].seq, 4);
    ck_assert_int_eq(page.items[0].seq, 3);
    ck_assert_int_eq(page.items[3].seq, 6);
    page = page_of(id, page.items[0].seq, 4);
    ck_assert_uint_eq(page.count, 2);
    ck_assert(!page.has_more);
    page = page_of(id, page.items[0].seq, 4);
    ck_assert_uint_eq(page.count, 0);
    ck_assert_str_eq(page.session.id, id);
}
END_TEST

START_TEST(a_foreign_or_deleted_message_is_not_there)
{
    struct message out;
    struct message_page page;
    char active[UUID_TEXT_SIZE];
    const char *id = store_add_session(&store, "mine");
    struct answer_begun begun = store_exchange(&store, id, "q", "a");
    struct message_repo *repo = store.messages;
    ck_assert_int_eq(message_repo_get(repo, "somebody-else", begun.answer.id, &store.arena, &out),
                     CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(message_repo_rate(repo, "somebody-else", begun.answer.id, FEEDBACK_UP, NULL, &store.arena, &out),
                     CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(message_repo_page(repo, "somebody-else", id, 0, 5, &store.arena, &page),
                     CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    ck_assert_int_eq(message_repo_get(repo, store.user, begun.answer.id, &store.arena, &out),
                     CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(message_repo_rate(repo, store.user, begun.answer.id, FEEDBACK_UP, NULL, &store.arena, &out),
                     CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(message_repo_page(repo, store.user, id, 0, 5, &store.arena, &page), CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(feedback_is_kept_and_taken_back)
{
    struct message out;
    const char *id = store_add_session(&store, "feedback");
    struct answer_begun begun = store_exchange(&store, id, "q", "a");
    struct message_repo *repo = store.messages;
    ck_assert_int_eq(message_repo_rate(repo, store.user, begun.answer.id, FEEDBACK_DOWN, "wrong", &store.arena, &out),
                     CHAT_OK);
    ck_assert_int_eq(out.feedback, FEEDBACK_DOWN);
    ck_assert_int_eq(store_get(&store, begun.answer.id).feedback, FEEDBACK_DOWN);
    ck_assert_int_eq(message_repo_rate(repo, store.user, begun.answer.id, FEEDBACK_NONE, NULL, &store.arena, &out),
                     CHAT_OK);
    ck_assert_int_eq(out.feedback, FEEDBACK_NONE);
}
END_TEST

static Suite *answers(const char *name, const char *tag, SFun open_store)
{
    Suite *suite = suite_create(name);
    TCase *begin = CONTRACT_CASE(suite, "begin", a_send_stores_question_and_streaming_answer,
                                 a_send_can_make_its_session, the_title_the_user_gave_stays,
                                 a_send_into_a_session_that_is_not_there_is_refused, one_answer_at_a_time,
                                 of_racing_sends_exactly_one_wins, sends_and_ends_in_any_order_keep_one_chain);
    TCase *end = CONTRACT_CASE(suite, "end", an_end_stores_all_it_is_given, unknown_usage_stays_unknown,
                               an_end_is_compare_and_set_on_status_and_epoch, an_end_keeps_what_it_does_not_name,
                               an_end_of_an_answer_that_is_not_there_writes_nothing,
                               an_end_in_a_deleted_session_is_written, stale_answers_are_those_begun_long_ago);
    TCase *branches = CONTRACT_CASE(
        suite, "branches", the_context_is_what_counts_and_no_more_than_asked,
        an_edit_supersedes_the_message_and_all_after_it, only_a_standing_question_of_the_session_can_be_edited,
        a_regenerate_answers_the_same_question_and_supersedes_once_it_has_text,
        only_the_last_answer_can_be_written_anew, a_regenerate_in_a_deleted_session_finds_nothing);
    TCase *reading = CONTRACT_CASE(suite, "reading", pages_of_messages_go_back_without_gap,
                                   a_foreign_or_deleted_message_is_not_there, feedback_is_kept_and_taken_back);
    TCase *const cases[] = {begin, end, branches, reading};
    for (size_t i = 0; i < 4; i++) contract_fixture(cases[i], tag, open_store, close_store);
    return suite;
}

CONTRACT_SUITE(postgres_answers)
{
    return answers("postgres_answers", "real", open_postgres);
}
CONTRACT_SUITE(fake_answers)
{
    return answers("fake_answers", "fake", open_fake);
}

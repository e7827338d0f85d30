/* What of an answer is known outside the process that writes it: on Redis and on the fake. What only Redis has (keys
 * that go by themselves, many writes in one exchange, being away) stands at the end. */
#include "redis_fixture.h"

#include "redis/answer_log.h"
#include "redis/processes.h"
#include "tests/fakes/fake_log.h"

static struct own_redis redis;
static struct desk desk;
static struct fake_log fake;
static struct answer_log *answers;
static struct processes *processes;
static struct arena arena;
static char ours[UUID_TEXT_SIZE], theirs[UUID_TEXT_SIZE]; /* processes */
static char answer_id[UUID_TEXT_SIZE];

static void new_id(char out[UUID_TEXT_SIZE])
{
    uuid_v7(clock_wall_ms(clock_system()), out);
}

static void open_common(void)
{
    arena_init(&arena);
    new_id(ours), new_id(theirs), new_id(answer_id);
}

static void open_redis(void)
{
    desk_open(&desk, contract_env("REDIS_URL"), PATIENT_MS);
    answers = redis_answer_log_open(desk.conn);
    processes = redis_processes_open(desk.conn);
    open_common();
}
static void close_redis(void)
{
    redis_answer_log_close(answers);
    redis_processes_close(processes);
    desk_close(&desk);
    arena_fini(&arena);
}

static void open_own_redis(void)
{
    own_redis_open(&redis);
    desk_open(&desk, redis.url, REDIS_CALL_MS);
    answers = redis_answer_log_open(desk.conn);
    processes = redis_processes_open(desk.conn);
    open_common();
}
static void close_own_redis(void)
{
    close_redis();
    own_redis_close(&redis);
}

static void open_fake(void)
{
    fake_log_init(&fake);
    answers = &fake.log;
    open_common();
}
static void close_fake(void)
{
    fake_log_fini(&fake);
    arena_fini(&arena);
}

/* ---- short ways ---- */

static struct log_write write_of(const char *id, const char *reasoning, const char *content)
{
    struct log_write write = {
        .reasoning = reasoning,
        .content = content,
        .reasoning_len = strlen(reasoning),
        .content_len = strlen(content),
    };

    memcpy(write.answer_id, id, UUID_TEXT_SIZE);
    return write;
}

static struct log_exchange exchange(const char *process_id, struct log_write *writes, size_t count)
{
    struct log_exchange out = {.process_id = process_id, .writes = writes, .write_count = count};

    ck_assert_int_eq(answer_log_exchange(answers, &out, &arena), CHAT_OK);
    return out;
}

/* Whether the log had lost what stood before. */
static bool write_lost(struct log_write write)
{
    exchange(ours, &write, 1);
    return write.lost;
}

static bool write_whole(const char *reasoning, const char *content)
{
    struct log_write write = write_of(answer_id, reasoning, content);

    write.whole = true;
    return write_lost(write);
}

static bool append_at(size_t reasoning_at, const char *reasoning, size_t content_at, const char *content)
{
    struct log_write write = write_of(answer_id, reasoning, content);

    write.reasoning_at = reasoning_at;
    write.content_at = content_at;
    return write_lost(write);
}

static void write_ended(void)
{
    struct log_write write = write_of(answer_id, "", "");

    write.ended = true;
    exchange(ours, &write, 1);
}

static void assert_text(const char *got, size_t got_len, const char *want, size_t want_len)
{
    ck_assert_uint_eq(got_len, want_len);
    if (want_len) ck_assert_mem_eq(got, want, want_len);
}

static struct log_read read_from(size_t reasoning_at, size_t content_at)
{
    struct log_read read = {.reasoning_at = reasoning_at, .content_at = content_at};

    memcpy(read.answer_id, answer_id, UUID_TEXT_SIZE);
    ck_assert_int_eq(answer_log_read(answers, &read, &arena), CHAT_OK);
    return read;
}

static void expect_text(const char *reasoning, const char *content)
{
    struct log_read read = read_from(0, 0);

    assert_text(read.reasoning, read.reasoning_len, reasoning, strlen(reasoning));
    assert_text(read.content, read.content_len, content, strlen(content));
}

static bool ask_stop(const char *id)
{
    bool asked = true;

    ck_assert_int_eq(answer_log_ask_stop(answers, id, &asked), CHAT_OK);
    return asked;
}

/* ---- texts ---- */

START_TEST(a_whole_text_is_read_with_its_writer)
{
    ck_assert(!write_whole("hm", "Bec"));
    expect_text("hm", "Bec");
    ck_assert_str_eq(read_from(0, 0).writer, ours);
}
END_TEST

START_TEST(an_answer_nobody_wrote_has_no_text_and_no_writer)
{
    expect_text("", "");
    ck_assert_str_eq(read_from(0, 0).writer, "");
}
END_TEST

START_TEST(pieces_are_appended)
{
    ck_assert(!write_whole("hm", ""));
    ck_assert(!append_at(2, ", so", 0, ""));
    ck_assert(!append_at(6, "", 0, "Bec"));
    ck_assert(!append_at(6, "", 3, "ause"));
    expect_text("hm, so", "Because");
    ck_assert_str_eq(read_from(0, 0).writer, ours);
}
END_TEST

START_TEST(a_piece_after_a_hole_is_told_as_lost_and_the_whole_mends_it)
{
    ck_assert(!write_whole("", "Bec"));
    ck_assert(append_at(0, "", 5, "use")); /* "au" never came */
    ck_assert(!write_whole("", "Because"));
    expect_text("", "Because");
    ck_assert(!append_at(0, "", 7, " it is"));
    expect_text("", "Because it is");
}
END_TEST

START_TEST(a_shorter_whole_replaces_all)
{
    ck_assert(!write_whole("long thought", "long text"));
    ck_assert(!write_whole("th", "te"));
    expect_text("th", "te");
}
END_TEST

START_TEST(reads_begin_where_they_are_told)
{
    struct log_read read;

    ck_assert(!write_whole("0123", "abcdef"));
    read = read_from(1, 4);
    assert_text(read.reasoning, read.reasoning_len, "123", 3);
    assert_text(read.content, read.content_len, "ef", 2);
    read = read_from(4, 6);
    assert_text(read.reasoning, read.reasoning_len, "", 0);
    assert_text(read.content, read.content_len, "", 0);
    read = read_from(40, 60);
    assert_text(read.content, read.content_len, "", 0);
}
END_TEST

/* NUL, half characters, line ends: a piece may end anywhere. */
START_TEST(any_byte_is_kept)
{
    char bytes[512];
    struct log_write write = write_of(answer_id, "", "");
    struct log_read read;

    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7 + i / 256);
    write.whole = true;
    write.content = write.reasoning = bytes;
    write.content_len = 256;
    write.reasoning_len = 100;
    ck_assert(!write_lost(write));
    write.whole = false;
    write.content = bytes + 256;
    write.reasoning = bytes + 100;
    write.content_at = 256;
    write.reasoning_at = 100;
    write.content_len = 256;
    write.reasoning_len = 412;
    ck_assert(!write_lost(write));
    read = read_from(0, 0);
    assert_text(read.content, read.content_len, bytes, sizeof bytes);
    assert_text(read.reasoning, read.reasoning_len, bytes, sizeof bytes);
    read = read_from(511, 300);
    assert_text(read.reasoning, read.reasoning_len, bytes + 511, 1);
    assert_text(read.content, read.content_len, bytes + 300, 212);
}
END_TEST

START_TEST(an_ended_answer_has_no_writer)
{
    ck_assert(!write_whole("hm", "Because"));
    write_ended();
    ck_assert_str_eq(read_from(0, 0).writer, "");
    ck_assert(!ask_stop(answer_id));
}
END_TEST

static bool end_known(struct log_end *end)
{
    bool known;

    ck_assert_int_eq(answer_log_read_end(answers, answer_id, &arena, &known, end), CHAT_OK);
    return known;
}

START_TEST(how_an_answer_ended_is_known_until_its_row_is_written)
{
    const struct log_end ended = {.event = ANSWER_STOPPED,
                                  .model = "m-1",
                                  .finish_reason = "stop",
                                  .usage = {7, 2, 9, 4},
                                  .tokens_estimated = true};
    struct log_write write = write_of(answer_id, "", "ause");
    struct log_end end;

    ck_assert(!write_whole("", "Bec"));
    ck_assert(!end_known(&end));
    write.content_at = 3;
    write.end = &ended;
    ck_assert(!write_lost(write));
    ck_assert(end_known(&end));
    ck_assert_int_eq(end.event, ANSWER_STOPPED);
    ck_assert_str_eq(end.model, "m-1");
    ck_assert_str_eq(end.finish_reason, "stop");
    ck_assert_ptr_null(end.supersedes_id);
    ck_assert_int_eq(end.usage.prompt_tokens, 7);
    ck_assert_int_eq(end.usage.completion_tokens, 2);
    ck_assert_int_eq(end.usage.total_tokens, 9);
    ck_assert_int_eq(end.usage.cached_tokens, 4);
    ck_assert(end.tokens_estimated);
    expect_text("", "Because");
    ck_assert_str_eq(read_from(0, 0).writer, ours);
    write_ended();
    ck_assert(!end_known(&end));
}
END_TEST

START_TEST(several_answers_of_an_exchange_stay_apart)
{
    enum { COUNT = 5 };
    struct log_write writes[COUNT];
    struct log_read reads[COUNT + 1];
    struct log_exchange both = {.process_id = ours, .writes = writes, .reads = reads};
    char text[COUNT][32];

    memset(reads, 0, sizeof reads);
    for (size_t i = 0; i < COUNT; i++) {
        char id[UUID_TEXT_SIZE];
        new_id(id);
        snprintf(text[i], sizeof text[i], "text %zu", i);
        writes[i] = write_of(id, "", text[i]);
        writes[i].whole = true;
        memcpy(reads[i].answer_id, id, UUID_TEXT_SIZE);
        reads[i].content_at = i;
    }
    memcpy(reads[COUNT].answer_id, answer_id, UUID_TEXT_SIZE); /* there is none */
    both.write_count = COUNT;
    both.read_count = COUNT + 1;
    ck_assert_int_eq(answer_log_exchange(answers, &both, &arena), CHAT_OK);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert(!writes[i].lost);
        ck_assert_str_eq(reads[i].writer, ours);
        assert_text(reads[i].content, reads[i].content_len, text[i] + i, strlen(text[i]) - i);
    }
    ck_assert_str_eq(reads[COUNT].writer, "");
    ck_assert_uint_eq(both.note_count, 0);
}
END_TEST

/* ---- notes ---- */

static void expect_one_note(const char *process_id, int kind)
{
    struct log_exchange got = exchange(process_id, NULL, 0);

    ck_assert_uint_eq(got.note_count, 1);
    ck_assert_int_eq(got.notes[0].kind, kind);
    ck_assert_str_eq(got.notes[0].answer_id, answer_id);
}

static void expect_no_note(const char *process_id)
{
    ck_assert_uint_eq(exchange(process_id, NULL, 0).note_count, 0);
}

static void tell_watched(const char *writer)
{
    struct log_read read = {.tell_watched = true};
    struct log_exchange from_them = {.process_id = theirs, .reads = &read, .read_count = 1};

    memcpy(read.answer_id, answer_id, UUID_TEXT_SIZE);
    memcpy(read.writer, writer, strlen(writer) + 1);
    ck_assert_int_eq(answer_log_exchange(answers, &from_them, &arena), CHAT_OK);
    ck_assert_uint_eq(from_them.note_count, 0);
}

START_TEST(a_stop_reaches_the_process_that_writes_once)
{
    write_whole("", "Bec");
    expect_no_note(ours);
    ck_assert(ask_stop(answer_id));
    expect_no_note(theirs);
    expect_one_note(ours, NOTE_STOP);
    expect_no_note(ours);
}
END_TEST

START_TEST(nobody_is_asked_to_stop_an_answer_that_nobody_writes)
{
    ck_assert(!ask_stop(answer_id));
}
END_TEST

START_TEST(the_writer_is_told_that_somebody_is_attached_elsewhere)
{
    write_whole("", "Bec");
    tell_watched(""); /* the writer isn't known yet: nobody to tell */
    expect_no_note(ours);
    tell_watched(ours);
    expect_one_note(ours, NOTE_WATCHED);
    expect_no_note(ours);
}
END_TEST

/* ---- Redis alone ---- */

static enum writer_state writer_state(void)
{
    struct writer_look look = {0};

    memcpy(look.answer_id, answer_id, UUID_TEXT_SIZE);
    ck_assert_int_eq(answer_log_writer_states(answers, &look, 1), CHAT_OK);
    return look.state;
}

/* Whether Redis had forgotten that it lives. */
static bool say_alive(const char *process_id)
{
    bool forgotten;

    ck_assert_int_eq(processes_say_alive(processes, process_id, &forgotten), CHAT_OK);
    return forgotten;
}

/* On the fake a test says what writer_states answers. */
START_TEST(a_writer_lives_while_it_says_so)
{
    ck_assert_int_eq(writer_state(), WRITER_UNKNOWN);
    write_whole("", "Bec"); /* who says that it writes says that it lives */
    ck_assert_int_eq(writer_state(), WRITER_ALIVE);
    raw_number(desk.raw, "DEL chat:process:%s:alive", ours);
    ck_assert_int_eq(writer_state(), WRITER_DEAD);
    say_alive(theirs);
    ck_assert_int_eq(writer_state(), WRITER_DEAD);
    say_alive(ours);
    ck_assert_int_eq(writer_state(), WRITER_ALIVE);
    raw_number(desk.raw, "PEXPIRE chat:process:%s:alive 1", ours);
    usleep(20000);
    ck_assert_int_eq(writer_state(), WRITER_DEAD);
    write_ended();
    ck_assert_int_eq(writer_state(), WRITER_UNKNOWN);
}
END_TEST

static void expect_life(const char *what, long long least_s, long long most_s)
{
    long long left_s = raw_number(desk.raw, "TTL chat:answer:%s:%s", answer_id, what);

    ck_assert_msg(left_s >= least_s && left_s <= most_s, "%s: %lld s", what, left_s);
}

/* Postgres may be away for longer than an answer takes. */
START_TEST(what_is_not_stored_yet_is_kept_for_a_day)
{
    const struct log_end ended = {.event = ANSWER_FINISHED, .model = "m-1", .usage = USAGE_UNKNOWN};
    struct log_write write = write_of(answer_id, "hm", "Because");

    write.whole = true;
    write.end = &ended;
    ck_assert(!write_lost(write));
    expect_life("reasoning", 86000, 86400);
    expect_life("content", 86000, 86400);
    expect_life("writer", 86000, 86400);
    expect_life("end", 86000, 86400);
    write_ended();
    expect_life("content", 50, 60);
    expect_life("end", -2, -2);
}
END_TEST

START_TEST(a_process_is_told_once_that_redis_forgot_it)
{
    struct log_write write = write_of(answer_id, "", "Bec");

    write.whole = true;
    ck_assert(say_alive(ours));
    ck_assert(!say_alive(ours));
    ck_assert(!exchange(ours, &write, 1).forgotten);
    raw_number(desk.raw, "DEL chat:process:%s:alive", ours);
    ck_assert(exchange(ours, &write, 1).forgotten);
    ck_assert(!exchange(ours, &write, 1).forgotten);
    ck_assert(!say_alive(ours));
    raw_number(desk.raw, "DEL chat:process:%s:alive", ours);
    ck_assert(say_alive(ours));
}
END_TEST

START_TEST(life_is_said_for_some_seconds_and_anew)
{
    for (int i = 0; i < 2; i++) {
        say_alive(ours);
        long long left_ms = raw_number(desk.raw, "PTTL chat:process:%s:alive", ours);
        ck_assert(left_ms > PROCESS_ALIVE_SECONDS * 1000 - 2000 && left_ms <= PROCESS_ALIVE_SECONDS * 1000);
        raw_number(desk.raw, "PEXPIRE chat:process:%s:alive 1000", ours);
    }
}
END_TEST

static bool a_process_died(void)
{
    bool died;

    ck_assert_int_eq(processes_died(processes, &died), CHAT_OK);
    return died;
}

START_TEST(a_process_that_says_nothing_any_more_has_died_for_a_while)
{
    raw_number(desk.raw, "DEL chat:processes");
    ck_assert(!a_process_died());
    say_alive(ours);
    say_alive(theirs);
    ck_assert(!a_process_died());
    raw_number(desk.raw, "DEL chat:process:%s:alive", ours);
    ck_assert(a_process_died());
    ck_assert(a_process_died());
    say_alive(ours); /* it only stood still */
    ck_assert(!a_process_died());
    raw_number(desk.raw, "DEL chat:process:%s:alive", ours);
    long long left_s = raw_number(desk.raw, "TTL chat:process:%s:remembered", ours);
    ck_assert(left_s > PROCESS_REMEMBERED_SECONDS - 5 && left_s <= PROCESS_REMEMBERED_SECONDS);
    raw_number(desk.raw, "DEL chat:process:%s:remembered", ours);
    ck_assert_int_eq(raw_number(desk.raw, "SCARD chat:processes"), 2);
    ck_assert(!a_process_died());
    ck_assert_int_eq(raw_number(desk.raw, "SCARD chat:processes"), 1);
    ck_assert_int_gt(raw_number(desk.raw, "TTL chat:processes"), 0);
}
END_TEST

START_TEST(every_key_goes_by_itself)
{
    write_whole("hm", "Bec");
    append_at(2, ".", 3, "ause");
    expect_life("reasoning", 590, 600);
    expect_life("content", 590, 600);
    expect_life("writer", 590, 600);
    ck_assert(ask_stop(answer_id));
    ck_assert_int_gt(raw_number(desk.raw, "TTL chat:process:%s:notes", ours), 50);
    raw_number(desk.raw, "EXPIRE chat:answer:%s:content 5", answer_id);
    raw_number(desk.raw, "EXPIRE chat:answer:%s:writer 5", answer_id);
    append_at(3, "", 7, "."); /* an answer may be written for longer than its keys first live */
    expect_life("content", 590, 600);
    expect_life("writer", 590, 600);
    write_ended();
    expect_life("writer", 50, 60);
    expect_life("content", 50, 60);
    expect_life("reasoning", 50, 60);
}
END_TEST

/* The first write of an answer has no text yet, so its text's keys come into being by a piece. */
START_TEST(a_key_that_a_piece_makes_goes_by_itself)
{
    ck_assert(!write_whole("", ""));
    ck_assert(!append_at(0, "hm", 0, ""));
    ck_assert(!append_at(2, "", 0, "Bec"));
    expect_life("reasoning", 1, 600);
    expect_life("content", 1, 600);
}
END_TEST

START_TEST(what_the_log_forgot_is_told_as_lost)
{
    ck_assert(!write_whole("hm", "Bec"));
    raw_number(desk.raw, "DEL chat:answer:%s:content", answer_id);
    ck_assert(append_at(2, "", 3, "ause"));
    ck_assert(!write_whole("hm", "Because"));
    raw_number(desk.raw, "DEL chat:answer:%s:reasoning", answer_id);
    ck_assert(append_at(2, "!", 7, "."));
    ck_assert(!write_whole("hm!", "Because."));
    expect_text("hm!", "Because.");
}
END_TEST

/* Who follows the answer meanwhile must not read a piece in another place than its own. */
START_TEST(a_piece_whose_beginning_was_lost_is_not_kept)
{
    ck_assert(!write_whole("", "Bec"));
    raw_number(desk.raw, "DEL chat:answer:%s:content", answer_id);
    ck_assert(append_at(0, "", 3, "ause"));
    expect_text("", "");
    ck_assert(!write_whole("", "Because"));
    ck_assert(append_at(0, "", 3, "ause")); /* late: what it belonged to was given up and written anew */
    expect_text("", "Because");
    raw_number(desk.raw, "DEL chat:answer:%s:writer", answer_id);
    ck_assert(append_at(0, "", 7, "."));
    expect_text("", "Because");
}
END_TEST

START_TEST(more_fits_into_one_exchange_than_into_one_trip)
{
    enum { COUNT = 300 };
    static struct log_write writes[COUNT];
    static struct log_read reads[COUNT];
    static char text[COUNT][24];
    struct log_exchange out = {.process_id = ours, .writes = writes, .write_count = COUNT};

    for (int i = 0; i < COUNT; i++) {
        char id[UUID_TEXT_SIZE];
        new_id(id);
        snprintf(text[i], sizeof text[i], "text %d", i);
        writes[i] = write_of(id, text[i], text[i]);
        writes[i].whole = true;
        memcpy(reads[i].answer_id, id, UUID_TEXT_SIZE);
    }
    ck_assert_int_eq(answer_log_exchange(answers, &out, &arena), CHAT_OK);
    raw_number(desk.raw, "DEL chat:answer:%s:content", writes[200].answer_id);
    for (int i = 0; i < COUNT; i++) {
        ck_assert(!writes[i].lost);
        writes[i].whole = false;
        writes[i].reasoning_at = writes[i].content_at = strlen(text[i]);
        writes[i].reasoning = writes[i].content = "+";
        writes[i].reasoning_len = writes[i].content_len = 1;
        memcpy(reads[i].writer, ours, UUID_TEXT_SIZE);
        reads[i].tell_watched = i < 3;
    }
    out.reads = reads;
    out.read_count = COUNT;
    ck_assert_int_eq(answer_log_exchange(answers, &out, &arena), CHAT_OK);
    ck_assert_uint_eq(out.note_count, 0); /* what was told before it */
    struct log_exchange next = {.process_id = ours};
    ck_assert_int_eq(answer_log_exchange(answers, &next, &arena), CHAT_OK);
    ck_assert_uint_eq(next.note_count, 3);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(writes[i].lost, i == 200);
        ck_assert_str_eq(reads[i].writer, ours);
        strcat(text[i], "+");
        assert_text(reads[i].reasoning, reads[i].reasoning_len, text[i], strlen(text[i]));
        if (i != 200) assert_text(reads[i].content, reads[i].content_len, text[i], strlen(text[i]));
    }
}
END_TEST

static long long script_runs(void)
{
    redisReply *reply = redisCommand(desk.raw, "INFO commandstats");
    const char *line = reply ? strstr(reply->str, "cmdstat_evalsha:calls=") : NULL;
    long long runs = line ? strtoll(line + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;

    freeReplyObject(reply);
    return runs;
}

START_TEST(all_pieces_of_a_trip_are_one_run_of_the_script)
{
    enum { COUNT = 64 }; /* as many as the relay writes at once */
    struct log_write writes[COUNT];

    for (int i = 0; i < COUNT; i++) {
        char id[UUID_TEXT_SIZE];
        new_id(id);
        writes[i] = write_of(id, "hm", "Bec");
        writes[i].whole = true;
    }
    exchange(ours, writes, COUNT);
    for (int i = 0; i < COUNT; i++) {
        writes[i].whole = false;
        writes[i].reasoning_at = 2;
        writes[i].content_at = 3;
    }
    long long before = script_runs();
    exchange(ours, writes, COUNT);
    ck_assert_int_eq(script_runs() - before, 1);
    for (int i = 0; i < COUNT; i++) ck_assert(!writes[i].lost);
}
END_TEST

START_TEST(notes_that_do_not_fit_wait_for_the_next_exchange)
{
    struct log_exchange got;

    write_whole("", "Bec");
    for (int i = 0; i < LOG_NOTES_MAX + 10; i++) ck_assert(ask_stop(answer_id));
    got = exchange(ours, NULL, 0);
    ck_assert_uint_eq(got.note_count, LOG_NOTES_MAX);
    got = exchange(ours, NULL, 0);
    ck_assert_uint_eq(got.note_count, 10);
    expect_no_note(ours);
}
END_TEST

START_TEST(notes_of_no_form_are_passed_over)
{
    write_whole("", "Bec");
    raw_number(desk.raw, "RPUSH chat:process:%s:notes s snonsense w", ours);
    ck_assert(ask_stop(answer_id));
    expect_one_note(ours, NOTE_STOP);
}
END_TEST

START_TEST(an_end_that_an_earlier_version_wrote_is_read_without_the_cached_tokens)
{
    const struct log_end ended = {.event = ANSWER_FINISHED, .model = "m-1", .usage = {7, 2, 9, 4}};
    struct log_write write = write_of(answer_id, "", "ause");
    struct log_end end;

    ck_assert(!write_whole("", "Bec"));
    write.content_at = 3;
    write.end = &ended;
    ck_assert(!write_lost(write));
    ck_assert_int_eq(raw_number(desk.raw, "HDEL chat:answer:%s:end cached", answer_id), 1);
    ck_assert(end_known(&end));
    ck_assert_int_eq(end.usage.prompt_tokens, 7);
    ck_assert_int_eq(end.usage.cached_tokens, 0);
    ck_assert_int_eq(raw_number(desk.raw, "HDEL chat:answer:%s:end model", answer_id), 1);
    ck_assert(!end_known(&end)); /* nothing else may be missing */
}
END_TEST

START_TEST(a_key_of_another_kind_confuses_no_later_call)
{
    char other_id[UUID_TEXT_SIZE];
    struct log_write writes[2];
    struct log_exchange out = {.process_id = ours, .writes = writes, .write_count = 2};

    new_id(other_id);
    raw_number(desk.raw, "LPUSH chat:answer:%s:content x", answer_id);
    raw_number(desk.raw, "EXPIRE chat:answer:%s:content 60", answer_id);
    writes[0] = write_of(answer_id, "", "a");
    writes[0].content_at = 1; /* a piece: what begins a key replaces whatever was there */
    writes[1] = write_of(other_id, "", "other");
    writes[1].whole = true;
    ck_assert_int_eq(answer_log_exchange(answers, &out, &arena), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(writer_state(), WRITER_UNKNOWN);
    ck_assert(!write_whole("hm", "Because"));
    expect_text("hm", "Because");
    ck_assert_str_eq(read_from(0, 0).writer, ours);
}
END_TEST

/* Replies that were still due must not be taken for a later call's: they hold another answer's text. */
START_TEST(a_failed_exchange_leaves_nothing_for_the_next_call)
{
    char bad_id[UUID_TEXT_SIZE], other_id[UUID_TEXT_SIZE];
    struct log_read reads[2], read = {0};
    struct log_exchange out = {.process_id = ours, .reads = reads, .read_count = 2};
    struct log_write write;

    new_id(bad_id), new_id(other_id);
    write = write_of(other_id, "another's thought", "another's text");
    write.whole = true;
    ck_assert(!write_lost(write));
    ck_assert(!write_whole("hm", "Bec"));
    raw_number(desk.raw, "LPUSH chat:answer:%s:reasoning x", bad_id);
    raw_number(desk.raw, "EXPIRE chat:answer:%s:reasoning 60", bad_id);
    memset(reads, 0, sizeof reads);
    memcpy(reads[0].answer_id, bad_id, UUID_TEXT_SIZE);
    memcpy(reads[1].answer_id, other_id, UUID_TEXT_SIZE);
    ck_assert_int_eq(answer_log_exchange(answers, &out, &arena), CHAT_ERR_REDIS_UNAVAILABLE);
    memcpy(read.answer_id, answer_id, UUID_TEXT_SIZE);
    ck_assert_int_eq(answer_log_read(answers, &read, &arena), CHAT_OK);
    assert_text(read.reasoning, read.reasoning_len, "hm", 2);
    assert_text(read.content, read.content_len, "Bec", 3);
}
END_TEST

START_TEST(while_redis_is_away_every_call_says_so_in_time)
{
    struct log_write write = write_of(answer_id, "", "Bec");
    struct log_exchange out = {.process_id = ours, .writes = &write, .write_count = 1};
    struct log_read read = {0};
    struct writer_look look = {0};
    bool asked = true, forgotten, died, may = true;
    int64_t began_ms;

    write.whole = true;
    ck_assert(!write_whole("", "Bec"));
    own_redis_kill(&redis);
    began_ms = clock_mono_ms(clock_system());
    ck_assert_int_eq(answer_log_exchange(answers, &out, &arena), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(answer_log_read(answers, &read, &arena), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(processes_say_alive(processes, ours, &forgotten), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(processes_died(processes, &died), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(processes_may_judge(processes, ours, &may), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert(!may);
    ck_assert_int_eq(answer_log_writer_states(answers, &look, 1), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(look.state, WRITER_UNKNOWN);
    ck_assert_int_eq(answer_log_ask_stop(answers, answer_id, &asked), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert(!asked);
    ck_assert_int_lt(clock_mono_ms(clock_system()) - began_ms, 6 * DECIDED_MS);
    own_redis_start(&redis);
    for (int i = 0; i < 300 && desk_ping(&desk) != CHAT_OK; i++) usleep(10000);
    ck_assert(append_at(0, "", 3, "ause")); /* an empty Redis */
    ck_assert(!write_whole("", "Because"));
    expect_text("", "Because");
}
END_TEST

/* ---- whether it may be believed: on a Redis of one's own, whose history is known (redis-demoted-reaper) ---- */

static bool may_judge(void)
{
    bool may;

    ck_assert_int_eq(processes_may_judge(processes, ours, &may), CHAT_OK);
    return may;
}

static void come_to_trust(void)
{
    char value[96];
    long long began_ms;

    say_alive(ours);
    may_judge();
    redisReply *reply = redisCommand(desk.raw, "GET chat:history");
    char *space = strchr(reply->str, ' ');
    ck_assert_ptr_nonnull(space);
    began_ms = strtoll(space, NULL, 10);
    snprintf(value, sizeof value, "%.40s %lld", reply->str, began_ms - LOG_BELIEVED_AFTER_SECONDS * 1000);
    freeReplyObject(reply);
    freeReplyObject(redisCommand(desk.raw, "SET chat:history %s", value));
    ck_assert(may_judge());
}

START_TEST(a_history_that_began_lately_is_not_believed)
{
    say_alive(ours);
    ck_assert(!may_judge());
    come_to_trust();
    raw_number(desk.raw, "FLUSHALL");
    say_alive(ours);
    ck_assert(!may_judge());
}
END_TEST

START_TEST(one_that_another_redis_wrote_is_not_believed)
{
    come_to_trust();
    /* a promoted replica has all keys, but names another history */
    raw_number(desk.raw, "REPLICAOF 127.0.0.1 1");
    raw_number(desk.raw, "REPLICAOF NO ONE");
    while (desk_ping(&desk) != CHAT_OK) usleep(10000);
    say_alive(ours);
    ck_assert(!may_judge());
}
END_TEST

START_TEST(who_has_never_said_that_it_lives_judges_nobody_and_doubts_nothing)
{
    come_to_trust();
    raw_number(desk.raw, "DEL chat:process:%s:alive chat:process:%s:remembered", ours, ours);
    ck_assert(!may_judge());
    say_alive(ours);
    ck_assert(may_judge());
}
END_TEST

START_TEST(whose_own_word_ran_out_or_nearly_did_waits_until_all_had_time)
{
    for (int i = 0; i < 2; i++) {
        come_to_trust();
        raw_number(desk.raw, i == 0 ? "DEL chat:process:%s:alive" : "PEXPIRE chat:process:%s:alive 2500", ours);
        ck_assert(!may_judge());
        say_alive(ours);
        ck_assert(!may_judge());
        long long left_ms = raw_number(desk.raw, "PTTL chat:process:%s:doubt", ours);
        ck_assert_int_gt(left_ms, LOG_BELIEVED_AFTER_SECONDS * 1000 - 5000);
        ck_assert_int_le(left_ms, LOG_BELIEVED_AFTER_SECONDS * 1000);
        raw_number(desk.raw, "DEL chat:process:%s:doubt", ours); /* that time is over */
        ck_assert(may_judge());
    }
}
END_TEST

/* In each of these reads go on, while nobody can say that it lives. */
START_TEST(one_that_takes_no_writes_is_not_believed)
{
    static const char *const ways[][2] = {
        {"REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"},
        {"CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"},
        {"CLIENT PAUSE 60000 WRITE", "CLIENT UNPAUSE"},
        {"CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"},
    };

    come_to_trust();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        bool may = true;

        raw_number(desk.raw, ways[i][0]);
        ck_assert_msg(processes_may_judge(processes, ours, &may) == CHAT_ERR_REDIS_UNAVAILABLE, "%s", ways[i][0]);
        ck_assert(!may);
        raw_number(desk.raw, ways[i][1]);
        redis_conn_new_request(desk.conn);
        while (desk_ping(&desk) != CHAT_OK) usleep(10000);
    }
}
END_TEST

static Suite *logs(const char *name, const char *tag, SFun open, SFun close)
{
    Suite *suite = suite_create(name);

    contract_fixture(CONTRACT_CASE(suite, "texts", a_whole_text_is_read_with_its_writer,
                                   an_answer_nobody_wrote_has_no_text_and_no_writer, pieces_are_appended,
                                   a_piece_after_a_hole_is_told_as_lost_and_the_whole_mends_it,
                                   a_shorter_whole_replaces_all, reads_begin_where_they_are_told, any_byte_is_kept,
                                   an_ended_answer_has_no_writer, how_an_answer_ended_is_known_until_its_row_is_written,
                                   several_answers_of_an_exchange_stay_apart),
                     tag, open, close);
    contract_fixture(CONTRACT_CASE(suite, "notes", a_stop_reaches_the_process_that_writes_once,
                                   nobody_is_asked_to_stop_an_answer_that_nobody_writes,
                                   the_writer_is_told_that_somebody_is_attached_elsewhere),
                     tag, open, close);
    return suite;
}

CONTRACT_SUITE(redis_answer_log)
{
    Suite *suite = logs("redis_answer_log", "real", open_redis, close_redis);

    contract_fixture(
        CONTRACT_CASE(suite, "keys", a_writer_lives_while_it_says_so, a_process_is_told_once_that_redis_forgot_it,
                      what_is_not_stored_yet_is_kept_for_a_day, life_is_said_for_some_seconds_and_anew,
                      a_piece_whose_beginning_was_lost_is_not_kept, every_key_goes_by_itself,
                      a_process_that_says_nothing_any_more_has_died_for_a_while,
                      a_key_that_a_piece_makes_goes_by_itself, a_failed_exchange_leaves_nothing_for_the_next_call,
                      what_the_log_forgot_is_told_as_lost, more_fits_into_one_exchange_than_into_one_trip,
                      notes_that_do_not_fit_wait_for_the_next_exchange, notes_of_no_form_are_passed_over,
                      an_end_that_an_earlier_version_wrote_is_read_without_the_cached_tokens,
                      a_key_of_another_kind_confuses_no_later_call),
        "real", open_redis, close_redis);
    contract_fixture(CONTRACT_CASE(suite, "own", all_pieces_of_a_trip_are_one_run_of_the_script,
                                   while_redis_is_away_every_call_says_so_in_time,
                                   a_history_that_began_lately_is_not_believed,
                                   one_that_another_redis_wrote_is_not_believed,
                                   who_has_never_said_that_it_lives_judges_nobody_and_doubts_nothing,
                                   whose_own_word_ran_out_or_nearly_did_waits_until_all_had_time,
                                   one_that_takes_no_writes_is_not_believed),
                     "real", open_own_redis, close_own_redis);
    return suite;
}
CONTRACT_SUITE(fake_answer_log)
{
    return logs("fake_answer_log", "fake", open_fake, close_fake);
}

/* Who was first with an Idempotency-Key: on Redis and on the fake. What only Redis has (keys that go by themselves, a
 * race, being away) stands at the end. */
#include "redis_fixture.h"

#include <stdatomic.h>

#include "redis/idempotency.h"
#include "tests/fakes/fake_idempotency.h"

#define OURS "0123456789abcdef"
#define OTHERS "fedcba9876543210"

static struct own_redis redis;
static struct desk desk;
static struct fake_idempotency fake;
static struct idempotency *keys;
static char user[64];

static void open_redis(void)
{
    desk_open(&desk, contract_env("REDIS_URL"), PATIENT_MS);
    keys = redis_idempotency_open(desk.conn, clock_system());
    contract_user(user);
}
static void close_redis(void)
{
    redis_idempotency_close(keys);
    desk_close(&desk);
}

static void open_own_redis(void)
{
    own_redis_open(&redis);
    desk_open(&desk, redis.url, REDIS_CALL_MS);
    keys = redis_idempotency_open(desk.conn, clock_system());
    contract_user(user);
}
static void close_own_redis(void)
{
    close_redis();
    own_redis_close(&redis);
}

static void open_fake(void)
{
    fake_idempotency_init(&fake);
    keys = &fake.idempotency;
    contract_user(user);
}
static void close_fake(void) {}

static void new_id(char out[UUID_TEXT_SIZE])
{
    uuid_v7(clock_wall_ms(clock_system()), out);
}

static struct key_claim claim_of(const char *key, const char *fingerprint, const char *our_id)
{
    return (struct key_claim){.user_id = user, .key = key, .fingerprint = fingerprint, .our_id = our_id};
}

static void expect_claim(const struct key_claim *claim, enum key_state state, const char *first_id)
{
    enum key_state got = KEY_OTHER;
    char first[UUID_TEXT_SIZE] = "";

    ck_assert_int_eq(idempotency_take(keys, claim, &got, first), CHAT_OK);
    ck_assert_int_eq(got, state);
    ck_assert_str_eq(first, first_id);
}

static void expect_take_as(const char *who, const char *key, const char *fingerprint, const char *our_id,
                           enum key_state state, const char *first_id)
{
    struct key_claim claim = claim_of(key, fingerprint, our_id);

    claim.user_id = who;
    expect_claim(&claim, state, first_id);
}

static void expect_take(const char *key, const char *fingerprint, const char *our_id, enum key_state state,
                        const char *first_id)
{
    expect_take_as(user, key, fingerprint, our_id, state, first_id);
}

static void expect_look(const char *key, const char *fingerprint, const char *our_id, enum key_state state)
{
    const struct key_claim claim = claim_of(key, fingerprint, our_id);
    enum key_state got = KEY_OTHER;
    char first[UUID_TEXT_SIZE] = "";

    ck_assert_int_eq(idempotency_look(keys, &claim, &got, first), CHAT_OK);
    ck_assert_int_eq(got, state);
}

static enum chat_error keep(const char *key, const char *our_id)
{
    const struct key_claim claim = claim_of(key, OURS, our_id);

    return idempotency_keep(keys, &claim);
}

static enum chat_error give_up(const char *key, const char *our_id)
{
    const struct key_claim claim = claim_of(key, OURS, our_id);

    return idempotency_give_up(keys, &claim);
}

START_TEST(the_first_takes_the_key_and_the_same_request_learns_its_id)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "", third[UUID_TEXT_SIZE] = "";

    new_id(first), new_id(second), new_id(third);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    expect_take("k", OURS, second, KEY_PENDING, first);
    expect_take("k", OURS, third, KEY_PENDING, first);
}
END_TEST

START_TEST(another_request_finds_the_key_used)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "";

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    expect_take("k", OTHERS, second, KEY_OTHER, first);
    expect_take("k", OURS, second, KEY_PENDING, first); /* and it stays the first one's */
}
END_TEST

/* A call that is repeated because its reply was lost. */
START_TEST(whoever_holds_the_key_takes_it_again)
{
    char first[UUID_TEXT_SIZE] = "";

    new_id(first);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    expect_take("k", OURS, first, KEY_TAKEN, first);
}
END_TEST

START_TEST(users_and_keys_stay_apart)
{
    static const char *const others[] = {"k2", "K", "k ", "", "k:k", "*", "%s", "{k}"};
    char longest[IDEMPOTENCY_KEY_MAX + 1], first[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE], else_user[80];

    new_id(first);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        new_id(other);
        expect_take(others[i], OURS, other, KEY_TAKEN, other);
    }
    memset(longest, '~', sizeof longest);
    longest[IDEMPOTENCY_KEY_MAX] = '\0';
    new_id(other);
    expect_take(longest, OURS, other, KEY_TAKEN, other);
    longest[IDEMPOTENCY_KEY_MAX - 1] = '-';
    new_id(other);
    expect_take(longest, OURS, other, KEY_TAKEN, other);
    snprintf(else_user, sizeof else_user, "%s-2", user);
    expect_take_as(else_user, "k", OURS, other, KEY_TAKEN, other);
}
END_TEST

/* A user id may hold a colon, and so may a key: "a:b" and "c" are not "a" and "b:c". */
START_TEST(where_the_user_ends_and_the_key_begins_is_clear)
{
    char first[UUID_TEXT_SIZE] = "", other[UUID_TEXT_SIZE] = "", longer[80];

    new_id(first), new_id(other);
    snprintf(longer, sizeof longer, "%s:b", user);
    expect_take("b:c", OURS, first, KEY_TAKEN, first);
    expect_take_as(longer, "c", OURS, other, KEY_TAKEN, other);
}
END_TEST

START_TEST(a_key_given_up_is_free)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "";

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_eq(give_up("k", first), CHAT_OK);
    expect_take("k", OTHERS, second, KEY_TAKEN, second);
}
END_TEST

START_TEST(only_the_holder_gives_it_up)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "";
    struct key_claim nobodys = claim_of("k", OURS, first);

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_eq(give_up("k", second), CHAT_OK);
    nobodys.user_id = "contract:nobody";
    ck_assert_int_eq(idempotency_give_up(keys, &nobodys), CHAT_OK);
    ck_assert_int_eq(give_up("other", first), CHAT_OK);
    expect_take("k", OURS, second, KEY_PENDING, first);
}
END_TEST

/* (A1) One whose first is on its way is told from one whose first is done, and may be gone by now. */
START_TEST(once_what_it_makes_is_stored_a_key_is_done)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "";

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_eq(keep("k", second), CHAT_OK); /* not its holder */
    expect_take("k", OURS, second, KEY_PENDING, first);
    ck_assert_int_eq(keep("k", first), CHAT_OK);
    expect_take("k", OURS, second, KEY_DONE, first);
    expect_take("k", OTHERS, second, KEY_OTHER, first);
    ck_assert_int_eq(give_up("k", second), CHAT_OK);
    expect_look("k", OURS, second, KEY_DONE);
    ck_assert_int_eq(give_up("k", first), CHAT_OK);
    expect_look("k", OURS, second, KEY_FREE);
    ck_assert_int_eq(keep("k", first), CHAT_OK); /* takes nothing */
    expect_look("k", OURS, second, KEY_FREE);
}
END_TEST

START_TEST(who_looks_takes_nothing)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "";

    new_id(first), new_id(second);
    expect_look("k", OURS, first, KEY_FREE);
    expect_look("k", OURS, first, KEY_FREE);
    expect_take("k", OURS, second, KEY_TAKEN, second);
    expect_look("k", OURS, first, KEY_PENDING);
    expect_look("k", OTHERS, first, KEY_OTHER);
    expect_look("k", OURS, second, KEY_TAKEN);
}
END_TEST

/* (A5) */
START_TEST(a_user_has_only_so_many_keys_and_the_oldest_leaves_for_one_more)
{
    char id[IDEMPOTENCY_KEYS_MAX + 2][UUID_TEXT_SIZE], key[16], other[UUID_TEXT_SIZE] = "";
    struct key_claim brief = claim_of("brief", OURS, other);

    brief.brief = true;
    new_id(other);
    expect_claim(&brief, KEY_TAKEN, other); /* the oldest of all, whichever life it has */
    clock_sleep_ms(clock_system(), 2);      /* "oldest" is told by milliseconds */
    for (int i = 0; i < IDEMPOTENCY_KEYS_MAX + 1; i++) {
        snprintf(key, sizeof key, "k%d", i);
        new_id(id[i]);
        expect_take(key, OURS, id[i], KEY_TAKEN, id[i]);
        if (i == 0) clock_sleep_ms(clock_system(), 2);
    }
    expect_look("brief", OURS, id[1], KEY_FREE);
    expect_look("k0", OURS, id[1], KEY_FREE);
    expect_look("k2", OURS, id[1], KEY_PENDING);
    snprintf(key, sizeof key, "k%d", IDEMPOTENCY_KEYS_MAX);
    expect_look(key, OURS, id[1], KEY_PENDING);
    ck_assert_int_eq(give_up(key, id[IDEMPOTENCY_KEYS_MAX]), CHAT_OK); /* makes room: nobody leaves for the next */
    new_id(other);
    expect_take("one more", OURS, other, KEY_TAKEN, other);
    expect_look("k2", OURS, id[1], KEY_PENDING);
    expect_take_as("contract:somebody-else", "k0", OURS, other, KEY_TAKEN, other);
}
END_TEST

/* ---- Redis alone ---- */

/* The only key of the user's. */
static void name_of_key(char out[256])
{
    redisReply *reply = redisCommand(desk.raw, "KEYS chat:idempotency:%s#*", user);

    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->elements, 1);
    snprintf(out, 256, "%s", reply->element[0]->str);
    freeReplyObject(reply);
}

START_TEST(a_key_goes_after_a_day_whoever_asks)
{
    char first[UUID_TEXT_SIZE] = "", second[UUID_TEXT_SIZE] = "", name[256];
    long long left_s;

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    name_of_key(name);
    left_s = raw_number(desk.raw, "TTL %s", name);
    ck_assert(left_s > IDEMPOTENCY_HOURS * 3600 - 60 && left_s <= IDEMPOTENCY_HOURS * 3600);
    ck_assert_int_gt(raw_number(desk.raw, "TTL chat:keys:day:%s", user), IDEMPOTENCY_HOURS * 3600 - 60);
    raw_number(desk.raw, "EXPIRE %s 100", name);
    expect_take("k", OURS, second, KEY_PENDING, first);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_eq(keep("k", first), CHAT_OK);
    left_s = raw_number(desk.raw, "TTL %s", name);
    ck_assert(left_s > 0 && left_s <= 100);
}
END_TEST

START_TEST(one_that_only_makes_a_session_goes_after_an_hour)
{
    char first[UUID_TEXT_SIZE] = "", name[256];
    struct key_claim claim = claim_of("k", OURS, first);
    long long left_s;

    new_id(first);
    claim.brief = true;
    expect_claim(&claim, KEY_TAKEN, first);
    name_of_key(name);
    left_s = raw_number(desk.raw, "TTL %s", name);
    ck_assert(left_s > 3600 - 60 && left_s <= 3600);
    left_s = raw_number(desk.raw, "TTL chat:keys:hour:%s", user);
    ck_assert(left_s > 3600 - 60 && left_s <= 3600);
    ck_assert_int_eq(idempotency_give_up(keys, &claim), CHAT_OK);
    ck_assert_int_eq(raw_number(desk.raw, "EXISTS %s chat:keys:hour:%s", name, user), 0);
}
END_TEST

START_TEST(nothing_of_a_keys_text_is_stored)
{
    static const char secret[] = "tell-nobody";
    char first[UUID_TEXT_SIZE] = "", name[256];
    redisReply *reply;

    new_id(first);
    expect_take(secret, OURS, first, KEY_TAKEN, first);
    name_of_key(name);
    ck_assert_ptr_null(strstr(name, "nobody"));
    reply = redisCommand(desk.raw, "GET %s", name);
    ck_assert_ptr_null(strstr(reply->str, "nobody"));
    ck_assert_uint_le(strlen(name) + reply->len, 180);
    freeReplyObject(reply);
    reply = redisCommand(desk.raw, "ZRANGE chat:keys:day:%s 0 -1", user);
    ck_assert_uint_eq(reply->elements, 1);
    ck_assert_ptr_null(strstr(reply->element[0]->str, "nobody"));
    freeReplyObject(reply);
}
END_TEST

/* Whose key has run out by itself counts no more. */
START_TEST(keys_that_have_run_out_are_none)
{
    char id[UUID_TEXT_SIZE] = "", key[16];
    long long now_ms = clock_wall_ms(clock_system());

    for (int i = 0; i < IDEMPOTENCY_KEYS_MAX; i++)
        raw_number(desk.raw, "ZADD chat:keys:hour:%s %lld old%d", user, now_ms - 3600001, i);
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "k%d", i);
        new_id(id);
        expect_take(key, OURS, id, KEY_TAKEN, id);
    }
    ck_assert_int_eq(raw_number(desk.raw, "EXISTS chat:keys:hour:%s", user), 0);
    ck_assert_int_eq(raw_number(desk.raw, "ZCARD chat:keys:day:%s", user), 3);
}
END_TEST

START_TEST(a_value_of_another_form_decides_nothing)
{
    char first[UUID_TEXT_SIZE] = "", told[UUID_TEXT_SIZE] = "", name[256];
    const struct key_claim claim = claim_of("k", OURS, first);
    enum key_state state;

    new_id(first);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    name_of_key(name);
    raw_number(desk.raw, "SET %s x", name);
    ck_assert_int_eq(idempotency_take(keys, &claim, &state, told), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(idempotency_look(keys, &claim, &state, told), CHAT_ERR_REDIS_UNAVAILABLE);
    raw_number(desk.raw, "DEL %s", name);
    raw_number(desk.raw, "LPUSH %s x", name);
    ck_assert_int_eq(idempotency_take(keys, &claim, &state, told), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert(!redis_server_is_away(desk.server));
    raw_number(desk.raw, "DEL %s", name);
    expect_take("k", OURS, first, KEY_TAKEN, first);
}
END_TEST

START_TEST(a_forgotten_script_is_brought_along)
{
    char first[UUID_TEXT_SIZE] = "";

    new_id(first);
    for (int i = 0; i < 3; i++) {
        raw_number(desk.raw, "SCRIPT FLUSH");
        expect_take("k", OURS, first, KEY_TAKEN, first);
        raw_number(desk.raw, "SCRIPT FLUSH");
        ck_assert_int_eq(give_up("k", first), CHAT_OK);
    }
}
END_TEST

enum { RACERS = 8, ROUNDS = 100 };

struct racer {
    pthread_t thread;
    pthread_barrier_t *barrier;
    struct redis_conn *conn;
    struct idempotency *keys;
    char id[ROUNDS][UUID_TEXT_SIZE], told[ROUNDS][UUID_TEXT_SIZE];
    enum key_state state[ROUNDS];
    enum chat_error error[ROUNDS];
};

static void *race(void *context)
{
    struct racer *racer = context;
    char key[16];

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        new_id(racer->id[i]);
        pthread_barrier_wait(racer->barrier);
        struct key_claim claim = claim_of(key, OURS, racer->id[i]);
        racer->error[i] = idempotency_take(racer->keys, &claim, &racer->state[i], racer->told[i]);
    }
    return NULL;
}

START_TEST(of_racing_requests_exactly_one_takes_the_key)
{
    static struct racer racers[RACERS];
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i].barrier = &barrier;
        racers[i].conn = redis_conn_open(desk.server);
        racers[i].keys = redis_idempotency_open(racers[i].conn, clock_system());
        ck_assert(redis_conn_begin(racers[i].conn));
    }
    for (int i = 0; i < RACERS; i++) pthread_create(&racers[i].thread, NULL, race, &racers[i]);
    for (int i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        const char *winner = NULL;
        for (int i = 0; i < RACERS; i++) {
            ck_assert_int_eq(racers[i].error[round], CHAT_OK);
            if (racers[i].state[round] != KEY_TAKEN) continue;
            ck_assert_ptr_null(winner);
            winner = racers[i].id[round];
        }
        ck_assert_ptr_nonnull(winner);
        for (int i = 0; i < RACERS; i++) {
            ck_assert_str_eq(racers[i].told[round], winner);
            if (racers[i].id[round] != winner) ck_assert_int_eq(racers[i].state[round], KEY_PENDING);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        redis_idempotency_close(racers[i].keys);
        redis_conn_close(racers[i].conn);
    }
    pthread_barrier_destroy(&barrier);
}
END_TEST

START_TEST(while_redis_is_away_nobody_can_tell)
{
    char first[UUID_TEXT_SIZE] = "", told[UUID_TEXT_SIZE] = "";
    enum key_state state;

    new_id(first);
    own_redis_kill(&redis);
    for (int i = 0; i < 10; i++) {
        int64_t began_ms = clock_mono_ms(clock_system());
        struct key_claim claim = claim_of("k", OURS, first);
        ck_assert_int_eq(idempotency_take(keys, &claim, &state, told), CHAT_ERR_REDIS_UNAVAILABLE);
        ck_assert_int_eq(give_up("k", first), CHAT_ERR_REDIS_UNAVAILABLE);
        ck_assert_int_lt(clock_mono_ms(clock_system()) - began_ms, 2 * DECIDED_MS);
    }
    own_redis_start(&redis);
    for (int i = 0; i < 300 && desk_ping(&desk) != CHAT_OK; i++) usleep(10000);
    expect_take("k", OURS, first, KEY_TAKEN, first);
}
END_TEST

static Suite *holders(const char *name, const char *tag, SFun open, SFun close)
{
    Suite *suite = suite_create(name);

    contract_fixture(CONTRACT_CASE(suite, "holders", the_first_takes_the_key_and_the_same_request_learns_its_id,
                                   another_request_finds_the_key_used, whoever_holds_the_key_takes_it_again,
                                   users_and_keys_stay_apart, where_the_user_ends_and_the_key_begins_is_clear,
                                   a_key_given_up_is_free, only_the_holder_gives_it_up,
                                   once_what_it_makes_is_stored_a_key_is_done, who_looks_takes_nothing,
                                   a_user_has_only_so_many_keys_and_the_oldest_leaves_for_one_more),
                     tag, open, close);
    return suite;
}

CONTRACT_SUITE(redis_idempotency)
{
    Suite *suite = holders("redis_idempotency", "real", open_redis, close_redis);

    contract_fixture(CONTRACT_CASE(suite, "keys", a_key_goes_after_a_day_whoever_asks,
                                   one_that_only_makes_a_session_goes_after_an_hour, nothing_of_a_keys_text_is_stored,
                                   keys_that_have_run_out_are_none, a_value_of_another_form_decides_nothing,
                                   a_forgotten_script_is_brought_along, of_racing_requests_exactly_one_takes_the_key),
                     "real", open_redis, close_redis);
    contract_fixture(CONTRACT_CASE(suite, "away", while_redis_is_away_nobody_can_tell), "real", open_own_redis,
                     close_own_redis);
    return suite;
}
CONTRACT_SUITE(fake_idempotency)
{
    return holders("fake_idempotency", "fake", open_fake, close_fake);
}

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
    keys = redis_idempotency_open(desk.conn);
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
    keys = redis_idempotency_open(desk.conn);
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

static void expect_take_as(const char *who, const char *key, const char *fingerprint, const char *our_id,
                           enum key_state state, const char *first_id)
{
    enum key_state got = KEY_OTHER;
    char first[UUID_TEXT_SIZE] = "";

    ck_assert_int_eq(keys->ops->take(keys, who, key, fingerprint, our_id, &got, first), CHAT_OK);
    ck_assert_int_eq(got, state);
    ck_assert_str_eq(first, first_id);
}

static void expect_take(const char *key, const char *fingerprint, const char *our_id, enum key_state state,
                        const char *first_id)
{
    expect_take_as(user, key, fingerprint, our_id, state, first_id);
}

static enum chat_error give_up(const char *key, const char *our_id)
{
    return keys->ops->give_up(keys, user, key, our_id);
}

START_TEST(the_first_takes_the_key_and_the_same_request_learns_its_id)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE], third[UUID_TEXT_SIZE];

    new_id(first), new_id(second), new_id(third);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    expect_take("k", OURS, second, KEY_SAME, first);
    expect_take("k", OURS, third, KEY_SAME, first);
}
END_TEST

START_TEST(another_request_finds_the_key_used)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    expect_take("k", OTHERS, second, KEY_OTHER, first);
    expect_take("k", OURS, second, KEY_SAME, first); /* and it stays the first one's */
}
END_TEST

/* A call that is repeated because its reply was lost. */
START_TEST(whoever_holds_the_key_takes_it_again)
{
    char first[UUID_TEXT_SIZE];

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
    char first[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE], longer[80];

    new_id(first), new_id(other);
    snprintf(longer, sizeof longer, "%s:b", user);
    expect_take("b:c", OURS, first, KEY_TAKEN, first);
    expect_take_as(longer, "c", OURS, other, KEY_TAKEN, other);
}
END_TEST

START_TEST(a_key_given_up_is_free)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_eq(give_up("k", first), CHAT_OK);
    expect_take("k", OTHERS, second, KEY_TAKEN, second);
}
END_TEST

START_TEST(only_the_holder_gives_it_up)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_eq(give_up("k", second), CHAT_OK);
    ck_assert_int_eq(keys->ops->give_up(keys, "contract:nobody", "k", first), CHAT_OK);
    ck_assert_int_eq(give_up("other", first), CHAT_OK);
    expect_take("k", OURS, second, KEY_SAME, first);
}
END_TEST

/* ---- Redis alone ---- */

START_TEST(a_key_goes_after_a_day_whoever_asks)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];
    long long left_s;

    new_id(first), new_id(second);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    left_s = raw_number(desk.raw, "TTL chat:idempotency:%s#k", user);
    ck_assert(left_s > IDEMPOTENCY_HOURS * 3600 - 60 && left_s <= IDEMPOTENCY_HOURS * 3600);
    raw_number(desk.raw, "EXPIRE chat:idempotency:%s#k 100", user);
    expect_take("k", OURS, second, KEY_SAME, first);
    expect_take("k", OURS, first, KEY_TAKEN, first);
    ck_assert_int_le(raw_number(desk.raw, "TTL chat:idempotency:%s#k", user), 100);
}
END_TEST

START_TEST(a_value_of_another_form_decides_nothing)
{
    char first[UUID_TEXT_SIZE], told[UUID_TEXT_SIZE];
    enum key_state state;

    new_id(first);
    raw_number(desk.raw, "SET chat:idempotency:%s#k x", user);
    ck_assert_int_eq(keys->ops->take(keys, user, "k", OURS, first, &state, told), CHAT_ERR_QUOTA_UNAVAILABLE);
    raw_number(desk.raw, "DEL chat:idempotency:%s#k", user);
    raw_number(desk.raw, "LPUSH chat:idempotency:%s#k x", user);
    ck_assert_int_eq(keys->ops->take(keys, user, "k", OURS, first, &state, told), CHAT_ERR_QUOTA_UNAVAILABLE);
    ck_assert(!redis_server_is_away(desk.server));
    raw_number(desk.raw, "DEL chat:idempotency:%s#k", user);
    expect_take("k", OURS, first, KEY_TAKEN, first);
}
END_TEST

START_TEST(a_forgotten_script_is_brought_along)
{
    char first[UUID_TEXT_SIZE];

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
        racer->error[i] =
            racer->keys->ops->take(racer->keys, user, key, OURS, racer->id[i], &racer->state[i], racer->told[i]);
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
        racers[i].keys = redis_idempotency_open(racers[i].conn);
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
            if (racers[i].id[round] != winner) ck_assert_int_eq(racers[i].state[round], KEY_SAME);
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
    char first[UUID_TEXT_SIZE], told[UUID_TEXT_SIZE];
    enum key_state state;

    new_id(first);
    own_redis_kill(&redis);
    for (int i = 0; i < 10; i++) {
        int64_t began_ms = clock_mono_ms(clock_system());
        ck_assert_int_eq(keys->ops->take(keys, user, "k", OURS, first, &state, told), CHAT_ERR_QUOTA_UNAVAILABLE);
        ck_assert_int_eq(give_up("k", first), CHAT_ERR_QUOTA_UNAVAILABLE);
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
                                   a_key_given_up_is_free, only_the_holder_gives_it_up),
                     tag, open, close);
    return suite;
}

CONTRACT_SUITE(redis_idempotency)
{
    Suite *suite = holders("redis_idempotency", "real", open_redis, close_redis);

    contract_fixture(CONTRACT_CASE(suite, "keys", a_key_goes_after_a_day_whoever_asks,
                                   a_value_of_another_form_decides_nothing, a_forgotten_script_is_brought_along,
                                   of_racing_requests_exactly_one_takes_the_key),
                     "real", open_redis, close_redis);
    contract_fixture(CONTRACT_CASE(suite, "away", while_redis_is_away_nobody_can_tell), "real", open_own_redis,
                     close_own_redis);
    return suite;
}
CONTRACT_SUITE(fake_idempotency)
{
    return holders("fake_idempotency", "fake", open_fake, close_fake);
}

#include "redis/admission.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis/keys.h"
#include "redis/local_rate.h"
#include "redis/owed.h"

#include "redis/admission.lua.h"
#include "redis/settle.lua.h"

enum {
    LEASE_MS = ADMISSION_LEASE_SECONDS * 1000,
    STREAMS_RETRY_AFTER_S = 5,  /* nobody knows when an answer ends */
    NEVER_RETRY_AFTER_S = 3600, /* none at all may be written: an operator has to change that */
    AWAY_RETRY_AFTER_S = 1,     /* about when Redis is looked for again */
    ASKED_AT_MOST = 10,         /* times, in the time of one call */
    RENEW_BATCH = 128,          /* tickets a round trip; each has a deadline of its own */
    KEY_SIZE = OWED_KEY_SIZE,
    NUMBER_SIZE = 24,
};

#define NEVER_REACHED INT64_C(9007199254740991) /* the largest number that Lua has to the unit */

struct redis_admission {
    struct admission base;
    struct redis_conn *conn;
    const struct chat_policy *policy;
    const struct clock *clock;
    int workers;
    int admit_script;
    int settle_script;
    struct owed owed;
};

/* As admission.lua numbers them. */
enum verdict { ADMITTED, OVER_MINUTE, OVER_DAY, OVER_STREAMS, TOO_LATE, NOT_AT_REST, UNKNOWN };

struct standing {
    enum verdict verdict;
    int64_t rate_used;
    int64_t daily_used;
};

static struct redis_admission *self_of(struct admission *admission)
{
    return (struct redis_admission *)admission;
}

/* ---- keys ---- */

static void rate_key(char out[KEY_SIZE], const char *user_id, int64_t now_ms)
{
    snprintf(out, KEY_SIZE, REDIS_RATE_KEY, user_id, quota_window(now_ms));
}

static void create_key(char out[KEY_SIZE], const char *user_id, int64_t now_ms)
{
    snprintf(out, KEY_SIZE, REDIS_CREATE_KEY, user_id, quota_window(now_ms));
}

static void daily_key(char out[KEY_SIZE], const char *user_id, const char *day)
{
    snprintf(out, KEY_SIZE, REDIS_DAILY_KEY, user_id, day);
}

static void streams_key(char out[KEY_SIZE], const char *user_id)
{
    snprintf(out, KEY_SIZE, REDIS_STREAMS_KEY, user_id);
}

static void settled_key(char out[KEY_SIZE], const char *answer_id)
{
    snprintf(out, KEY_SIZE, REDIS_SETTLED_KEY, answer_id);
}

/* ---- admit ---- */

/* In the script's order: see there. */
struct admit_args {
    char rate[KEY_SIZE], daily[KEY_SIZE], streams[KEY_SIZE];
    char deadline[NUMBER_SIZE], now[NUMBER_SIZE];
    char rate_limit[NUMBER_SIZE], rate_life[NUMBER_SIZE];
    char daily_limit[NUMBER_SIZE], daily_life[NUMBER_SIZE];
    char streams_limit[NUMBER_SIZE], lease[NUMBER_SIZE], units[NUMBER_SIZE];
};

static void put_number(char out[NUMBER_SIZE], int64_t number)
{
    snprintf(out, NUMBER_SIZE, "%" PRId64, number);
}

/* Lives are relative to our clock, which names the keys too, so that Redis' clock need not agree with it. */
static int64_t life_ms(int64_t now_ms, int64_t end_s)
{
    int64_t left_ms = end_s * 1000 - now_ms;
    return left_ms > 1000 ? left_ms : 1000;
}

static bool read_standing(struct redis_conn *conn, const redisReply *reply, struct standing *out)
{
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 4) return false;
    for (size_t i = 0; i < 4; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) return false;
    }
    redis_conn_learn_time(conn, reply->element[3]->integer);
    *out = (struct standing){(enum verdict)reply->element[0]->integer, reply->element[1]->integer,
                             reply->element[2]->integer};
    return true;
}

/* Whose breaker must be at rest. */
struct at_rest {
    const char *whose; /* in the script's words */
    const char *model;
};
static const struct at_rest no_breaker = {"", ""};

/* What is counted: the limits, and for how long a lease holds. */
struct question {
    const char *answer_id; /* "": nothing is leased */
    int units;
    int rate_limit, daily_limit, streams_limit;
    bool counts_day;
    struct at_rest rest;
    bool looks; /* nothing is counted */
};

static struct question question_of(const struct chat_policy *policy, const struct caller *caller, const char *answer_id)
{
    return (struct question){.answer_id = answer_id,
                             .units = 1,
                             .rate_limit = policy->rate_limit_per_minute,
                             .daily_limit = policy->daily_message_quota,
                             .streams_limit = policy->max_concurrent_streams,
                             .counts_day = !caller->is_admin,
                             .rest = no_breaker};
}

/* What is unlimited is counted all the same, for the limit that comes with the next settings. */
static int64_t ceiling(int limit)
{
    return limit == QUOTA_UNLIMITED ? NEVER_REACHED : limit;
}

static void put_args(struct admit_args *args, const struct caller *caller, const struct question *question,
                     int64_t now_ms)
{
    const bool is_answer = question->answer_id[0];
    char day[QUOTA_DAY_SIZE];
    quota_day(now_ms, day);
    if (is_answer)
        rate_key(args->rate, caller->user_id, now_ms);
    else
        create_key(args->rate, caller->user_id, now_ms);
    daily_key(args->daily, caller->user_id, day);
    streams_key(args->streams, caller->user_id);
    put_number(args->now, now_ms);
    put_number(args->rate_limit, ceiling(question->rate_limit));
    put_number(args->rate_life, life_ms(now_ms, quota_window_reset_s(now_ms)));
    put_number(args->daily_limit, question->counts_day ? ceiling(question->daily_limit) : -1);
    put_number(args->daily_life, life_ms(now_ms, quota_day_reset_s(now_ms)));
    put_number(args->streams_limit, ceiling(question->streams_limit));
    put_number(args->lease, is_answer ? LEASE_MS : 0);
    put_number(args->units, question->units);
}

static bool leases(const struct question *question)
{
    return question->answer_id[0] && !question->looks;
}

/* The answer never came. */
static void hold(struct redis_admission *self, const struct admit_args *args, const struct question *question)
{
    struct owed_count count = {.rate_units = question->units,
                               .daily_units = question->counts_day ? question->units : 0,
                               .deadline_ms = redis_conn_deadline_ms(self->conn)};
    memcpy(count.rate, args->rate, KEY_SIZE);
    memcpy(count.daily, args->daily, KEY_SIZE);
    memcpy(count.streams, args->streams, KEY_SIZE);
    snprintf(count.answer_id, sizeof count.answer_id, "%s", question->answer_id);
    owed_hold(&self->owed, &count);
}

/* Too late although we still wait: Redis or we got no processor, or its clock was set forward and is known now. */
static struct standing ask_until_in_time(struct redis_admission *self, struct admit_args *args,
                                         const struct question *question, const char *const *list, size_t len)
{
    struct standing standing = {.verdict = UNKNOWN};
    for (int attempt = 0; attempt < ASKED_AT_MOST; attempt++) {
        if (attempt > 0 && !redis_conn_renew_deadline(self->conn)) break;
        put_number(args->deadline, redis_conn_deadline_ms(self->conn));
        redisReply *reply = redis_conn_eval(self->conn, self->admit_script, 4, list, len);
        if (!read_standing(self->conn, reply, &standing)) standing.verdict = UNKNOWN;
        if (reply) freeReplyObject(reply);
        if (standing.verdict == UNKNOWN && leases(question)) hold(self, args, question);
        if (standing.verdict != TOO_LATE) return standing;
    }
    standing.verdict = UNKNOWN;
    return standing;
}

/* UNKNOWN: Redis didn't answer, or not in time. */
static struct standing ask_redis(struct redis_admission *self, const struct caller *caller,
                                 const struct question *question, int64_t now_ms)
{
    const struct standing unknown = {.verdict = UNKNOWN};
    struct admit_args args;
    const char *const list[] = {args.rate,
                                args.daily,
                                args.streams,
                                REDIS_BREAKER_KEY,
                                args.deadline,
                                args.now,
                                question->answer_id,
                                args.rate_limit,
                                args.rate_life,
                                args.daily_limit,
                                args.daily_life,
                                args.streams_limit,
                                args.lease,
                                question->rest.whose,
                                question->rest.model,
                                question->looks ? "1" : "0",
                                args.units};
    if (!redis_conn_begin(self->conn) || !owed_give_back(&self->owed, question->answer_id)) return unknown;
    put_args(&args, caller, question, now_ms);
    return ask_until_in_time(self, &args, question, list, sizeof list / sizeof list[0]);
}

static enum chat_error refuse(const struct chat_policy *policy, enum verdict verdict, int64_t now_ms,
                              int64_t *retry_after_s)
{
    switch (verdict) {
    case OVER_MINUTE:
        *retry_after_s = quota_retry_after_s(now_ms, quota_window_reset_s(now_ms));
        return CHAT_ERR_RATE_LIMITED;
    case OVER_DAY:
        *retry_after_s = quota_retry_after_s(now_ms, quota_day_reset_s(now_ms));
        return CHAT_ERR_QUOTA_EXCEEDED;
    case OVER_STREAMS:
        *retry_after_s = policy->max_concurrent_streams == 0 ? NEVER_RETRY_AFTER_S : STREAMS_RETRY_AFTER_S;
        return CHAT_ERR_TOO_MANY_STREAMS;
    case ADMITTED: return CHAT_OK;
    case NOT_AT_REST: return CHAT_ERR_UNDECIDED;
    case TOO_LATE:
    case UNKNOWN: break;
    }
    *retry_after_s = AWAY_RETRY_AFTER_S;
    return CHAT_ERR_QUOTA_UNAVAILABLE;
}

/* Without Redis: `units` more of `limit` by this process's share of it. false: there aren't as many left. */
static bool take_here(const struct redis_admission *self, const char *who, int64_t now_ms, int units, int limit,
                      int64_t *used)
{
    const int64_t share = local_rate_share(limit, self->workers);
    if (limit == QUOTA_UNLIMITED) return true;
    bool taken = true;
    taken = local_rate_take(who, quota_window(now_ms), units, share, used);
    *used += limit - share; /* what others may spend of the whole limit is spent for this process */
    return taken;
}

static bool is_used_up_here(const struct redis_admission *self, const char *who, int64_t now_ms, int units, int limit,
                            int64_t *used)
{
    const int64_t share = local_rate_share(limit, self->workers);
    const int64_t here = local_rate_used(who, quota_window(now_ms));
    *used = here + limit - share;
    return limit != QUOTA_UNLIMITED && here + units > share;
}

/* Without Redis: the minute by this process's share; the day only where nobody counts it or the policy lets it pass;
 * a limit of 0 needs no counting. Leases are nobody's then. */
static struct standing decide_here(const struct redis_admission *self, const struct caller *caller, int units,
                                   int64_t now_ms)
{
    const struct chat_policy *policy = self->policy;
    const int limit = policy->rate_limit_per_minute;
    const bool has_day = !caller->is_admin && policy->daily_message_quota != QUOTA_UNLIMITED;
    struct standing standing = {.verdict = UNKNOWN};
    if (is_used_up_here(self, caller->user_id, now_ms, units, limit, &standing.rate_used))
        standing.verdict = OVER_MINUTE;
    else if (has_day && policy->daily_message_quota == 0)
        standing.verdict = OVER_DAY;
    else if (has_day && !policy->quota_fail_open)
        standing.verdict = UNKNOWN;
    else if (policy->max_concurrent_streams == 0)
        standing.verdict = OVER_STREAMS;
    else
        standing.verdict =
            take_here(self, caller->user_id, now_ms, units, limit, &standing.rate_used) ? ADMITTED : OVER_MINUTE;
    return standing;
}

static enum chat_error decide(struct redis_admission *self, struct at_rest rest, const struct caller *caller, int units,
                              const char *answer_id, struct admission_ticket *ticket, struct quota *quota,
                              int64_t *retry_after_s)
{
    const int64_t now_ms = clock_wall_ms(self->clock);
    memset(ticket, 0, sizeof *ticket);
    snprintf(ticket->user_id, sizeof ticket->user_id, "%s", caller->user_id);
    snprintf(ticket->answer_id, sizeof ticket->answer_id, "%s", answer_id);
    ticket->units = units;
    ticket->is_admin = caller->is_admin;
    quota_day(now_ms, ticket->day);
    *retry_after_s = 0;

    struct question question = question_of(self->policy, caller, answer_id);
    question.rest = rest;
    question.units = units;
    struct standing standing = ask_redis(self, caller, &question, now_ms);
    bool by_redis = redis_conn_done(self->conn, "admit", standing.verdict != UNKNOWN);
    if (!by_redis && rest.whose[0]) return CHAT_ERR_UNDECIDED;
    if (!by_redis) owed_let_go(&self->owed);
    if (!by_redis) standing = decide_here(self, caller, units, now_ms);
    *quota = quota_of(now_ms, self->policy->rate_limit_per_minute, standing.rate_used,
                      self->policy->daily_message_quota, standing.daily_used, caller->is_admin);
    ticket->leased = by_redis && standing.verdict == ADMITTED;
    ticket->daily_counted = ticket->leased && !caller->is_admin;
    return refuse(self->policy, standing.verdict, now_ms, retry_after_s);
}

static enum chat_error admit(struct admission *admission, const struct caller *caller, int units, const char *answer_id,
                             struct admission_ticket *ticket, struct quota *quota, int64_t *retry_after_s)
{
    return decide(self_of(admission), no_breaker, caller, units, answer_id, ticket, quota, retry_after_s);
}

static enum chat_error admit_at_rest(struct admission *admission, const char *model, const struct caller *caller,
                                     int units, const char *answer_id, struct admission_ticket *ticket,
                                     struct quota *quota, int64_t *retry_after_s)
{
    const struct at_rest rest = {model ? "one" : "all", model ? model : ""};
    return decide(self_of(admission), rest, caller, units, answer_id, ticket, quota, retry_after_s);
}

static enum chat_error look(struct admission *admission, const struct caller *caller, struct quota *quota,
                            int64_t *retry_after_s)
{
    struct redis_admission *self = self_of(admission);
    const struct chat_policy *policy = self->policy;
    const int64_t now_ms = clock_wall_ms(self->clock);
    struct question question = question_of(policy, caller, "-");
    question.looks = true;
    struct standing standing = ask_redis(self, caller, &question, now_ms);
    if (!redis_conn_done(self->conn, "look", standing.verdict != UNKNOWN)) return CHAT_OK;
    *quota = quota_of(now_ms, policy->rate_limit_per_minute, standing.rate_used, policy->daily_message_quota,
                      standing.daily_used, caller->is_admin);
    return refuse(policy, standing.verdict, now_ms, retry_after_s);
}

/* ---- what is made and is no answer ---- */

static struct standing make_here(const struct redis_admission *self, const struct caller *caller, int64_t now_ms)
{
    struct standing standing = {.verdict = UNKNOWN};
    char who[USER_ID_SIZE + 8];
    snprintf(who, sizeof who, "create %s", caller->user_id); /* no user id has a blank in it */
    standing.verdict = take_here(self, who, now_ms, 1, self->policy->create_rate_per_minute, &standing.rate_used)
                           ? ADMITTED
                           : OVER_MINUTE;
    return standing;
}

static enum chat_error admit_making(struct admission *admission, const struct caller *caller, struct quota *quota,
                                    int64_t *retry_after_s)
{
    struct redis_admission *self = self_of(admission);
    const int64_t now_ms = clock_wall_ms(self->clock);
    const struct question question = {
        .answer_id = "", .units = 1, .rate_limit = self->policy->create_rate_per_minute, .rest = no_breaker};
    struct standing standing = ask_redis(self, caller, &question, now_ms);
    if (!redis_conn_done(self->conn, "admit_making", standing.verdict != UNKNOWN))
        standing = make_here(self, caller, now_ms);
    *quota = quota_of(now_ms, self->policy->create_rate_per_minute, standing.rate_used,
                      self->policy->daily_message_quota, standing.daily_used, caller->is_admin);
    *retry_after_s = 0;
    return refuse(self->policy, standing.verdict, now_ms, retry_after_s);
}

/* ---- the rest ---- */

static bool read_settled(const struct redis_admission *self, const redisReply *reply, int64_t now_ms, bool is_admin,
                         struct settled *out)
{
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) return false;
    for (size_t i = 0; i < 3; i++)
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) return false;
    *out = (struct settled){.known = true,
                            .quota = quota_of(now_ms, self->policy->rate_limit_per_minute, reply->element[0]->integer,
                                              self->policy->daily_message_quota, reply->element[1]->integer, is_admin),
                            .breaker_at_rest = reply->element[2]->integer == 1};
    return true;
}

static enum chat_error settle(struct admission *admission, const struct admission_ticket *ticket, bool refund,
                              struct settled *out)
{
    struct redis_admission *self = self_of(admission);
    const int64_t now_ms = clock_wall_ms(self->clock);
    char settled[KEY_SIZE], streams[KEY_SIZE], daily[KEY_SIZE], rate[KEY_SIZE], today[KEY_SIZE], day[QUOTA_DAY_SIZE];
    char units[NUMBER_SIZE];
    const char *const args[] = {settled,
                                streams,
                                daily,
                                rate,
                                today,
                                REDIS_BREAKER_KEY,
                                ticket->answer_id,
                                refund && ticket->daily_counted ? units : "0",
                                "86400"};
    struct settled stand = {.known = false};
    redisReply *reply;
    if (out) *out = stand;
    if (!ticket->leased && !ticket->daily_counted) return CHAT_OK;
    put_number(units, admission_units(ticket));
    settled_key(settled, ticket->answer_id);
    streams_key(streams, ticket->user_id);
    daily_key(daily, ticket->user_id, ticket->day);
    rate_key(rate, ticket->user_id, now_ms);
    quota_day(now_ms, day);
    daily_key(today, ticket->user_id, day);
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_REDIS_UNAVAILABLE;
    reply = redis_conn_eval(self->conn, self->settle_script, 6, args, sizeof args / sizeof args[0]);
    bool fine = read_settled(self, reply, now_ms, ticket->is_admin, &stand);
    if (reply) freeReplyObject(reply);
    if (!redis_conn_done(self->conn, "settle", fine)) return CHAT_ERR_REDIS_UNAVAILABLE;
    if (out) *out = stand;
    return CHAT_OK;
}

/* XX: a lease that was settled in between must not come back. */
static bool send_renewal(struct redis_conn *conn, const struct admission_ticket *ticket, const char *lease_end)
{
    char key[KEY_SIZE], lease[NUMBER_SIZE];
    streams_key(key, ticket->user_id);
    put_number(lease, LEASE_MS);
    return redis_conn_send(conn, (const char *const[]){"ZADD", key, "XX", lease_end, ticket->answer_id}, 5) &&
           redis_conn_send(conn, (const char *const[]){"PEXPIRE", key, lease}, 3);
}

static bool renew_once(struct redis_admission *self, const struct admission_ticket *const *tickets, size_t count)
{
    char lease_end[NUMBER_SIZE];
    put_number(lease_end, clock_wall_ms(self->clock) + LEASE_MS);
    size_t due = 0;
    for (size_t i = 0; i < count; i++) {
        if (!tickets[i]->leased) continue;
        if (!send_renewal(self->conn, tickets[i], lease_end)) return false;
        due += 2;
    }
    for (; due > 0; due--) {
        redisReply *reply = redis_conn_receive(self->conn);
        if (!reply) {
            redis_conn_abandon(self->conn);
            return false;
        }
        freeReplyObject(reply);
    }
    return true;
}

static bool renew_batch(struct redis_admission *self, const struct admission_ticket *const *tickets, size_t count)
{
    if (!redis_conn_begin(self->conn)) return false;
    return renew_once(self, tickets, count) || (redis_conn_again(self->conn) && renew_once(self, tickets, count));
}

static enum chat_error renew(struct admission *admission, const struct admission_ticket *const *tickets, size_t count)
{
    for (size_t at = 0; at < count; at += RENEW_BATCH) {
        size_t batch = count - at < RENEW_BATCH ? count - at : RENEW_BATCH;
        if (!renew_batch(self_of(admission), tickets + at, batch)) return CHAT_ERR_REDIS_UNAVAILABLE;
    }
    return CHAT_OK;
}

static int64_t age_of(const struct redis_admission *self, const redisReply *lease, const redisReply *settled)
{
    if (settled->type == REDIS_REPLY_INTEGER && settled->integer == 1) return LEASE_GIVEN_BACK;
    if (lease->type != REDIS_REPLY_STRING) return -1;
    int64_t taken_ms = strtoll(lease->str, NULL, 10) - LEASE_MS, now_ms = clock_wall_ms(self->clock);
    return now_ms > taken_ms ? now_ms - taken_ms : 0;
}

static enum chat_error lease_age(struct admission *admission, const struct admission_ticket *ticket, int64_t *age_ms)
{
    struct redis_admission *self = self_of(admission);
    *age_ms = -1;
    char streams[KEY_SIZE], settled[KEY_SIZE];
    streams_key(streams, ticket->user_id);
    settled_key(settled, ticket->answer_id);
    redis_conn_doubt(self->conn); /* who asks wants to judge */
    redisReply *lease = NULL, *settled_reply = NULL;
    if (redis_conn_begin(self->conn) &&
        redis_conn_send(self->conn, (const char *const[]){"ZSCORE", streams, ticket->answer_id}, 3) &&
        redis_conn_send(self->conn, (const char *const[]){"EXISTS", settled}, 2) &&
        (lease = redis_conn_receive(self->conn)) != NULL)
        settled_reply = redis_conn_receive(self->conn);
    bool fine = redis_conn_done(self->conn, "lease_age", settled_reply != NULL);
    if (fine)
        *age_ms = age_of(self, lease, settled_reply);
    else
        redis_conn_abandon(self->conn);
    if (lease) freeReplyObject(lease);
    if (settled_reply) freeReplyObject(settled_reply);
    return fine ? CHAT_OK : CHAT_ERR_REDIS_UNAVAILABLE;
}

/* nil where nothing has been counted */
static int64_t count_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
}

static enum chat_error peek(struct admission *admission, const struct caller *caller, struct quota *quota)
{
    struct redis_admission *self = self_of(admission);
    const int64_t now_ms = clock_wall_ms(self->clock);
    char rate[KEY_SIZE], daily[KEY_SIZE], day[QUOTA_DAY_SIZE];
    quota_day(now_ms, day);
    rate_key(rate, caller->user_id, now_ms);
    daily_key(daily, caller->user_id, day);
    redisReply *reply = NULL;
    if (redis_conn_begin(self->conn)) reply = redis_conn_ask(self->conn, (const char *const[]){"MGET", rate, daily}, 3);
    bool good = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2;
    if (good)
        *quota = quota_of(now_ms, self->policy->rate_limit_per_minute, count_of(reply->element[0]),
                          self->policy->daily_message_quota, count_of(reply->element[1]), caller->is_admin);
    if (reply) freeReplyObject(reply);
    return redis_conn_done(self->conn, "quota_peek", good) ? CHAT_OK : CHAT_ERR_REDIS_UNAVAILABLE;
}

static enum chat_error ping(struct admission *admission)
{
    struct redis_conn *conn = self_of(admission)->conn;
    redis_conn_doubt(conn);
    redisReply *reply = NULL;
    if (redis_conn_begin(conn)) reply = redis_conn_ask(conn, (const char *const[]){"PING"}, 1);
    if (!reply) return CHAT_ERR_REDIS_UNAVAILABLE;
    freeReplyObject(reply);
    return CHAT_OK;
}

struct admission *redis_admission_open(struct redis_conn *conn, const struct chat_policy *policy,
                                       const struct clock *clock, int workers)
{
    static const struct admission_ops ops = {.admit = admit,
                                             .admit_at_rest = admit_at_rest,
                                             .look = look,
                                             .admit_making = admit_making,
                                             .settle = settle,
                                             .renew = renew,
                                             .lease_age = lease_age,
                                             .peek = peek,
                                             .ping = ping};
    struct redis_admission *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    *self =
        (struct redis_admission){.base = {&ops}, .conn = conn, .policy = policy, .clock = clock, .workers = workers};
    self->admit_script = redis_conn_add_script(conn, admission_lua);
    self->settle_script = redis_conn_add_script(conn, settle_lua);
    owed_open(&self->owed, conn);
    return &self->base;
}

void redis_admission_close(struct admission *admission)
{
    if (!admission) return;
    owed_let_go(&self_of(admission)->owed);
    free(admission);
}

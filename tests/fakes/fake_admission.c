#include "tests/fakes/fake_admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_admission *of(struct admission *self)
{
    return (struct fake_admission *)self;
}

enum { LEASE_MS = ADMISSION_LEASE_SECONDS * 1000, STREAMS_RETRY_AFTER_S = 5, NEVER_RETRY_AFTER_S = 3600 };

/* What of the book counts for this user now. */
struct used {
    int64_t rate, daily, streams;
};

static struct used used_by(struct fake_admission *self, const char *user_id, int64_t now_ms)
{
    struct used used = {0};
    char day[QUOTA_DAY_SIZE];

    quota_day(now_ms, day);
    for (int i = 0; i < self->taken; i++) {
        const struct fake_taking *taking = &self->takings[i];

        if (strcmp(taking->user_id, user_id) != 0) continue;
        if (taking->window == quota_window(now_ms)) used.rate += taking->units;
        if (taking->daily_counted && strcmp(taking->day, day) == 0) used.daily += taking->units;
        used.streams += taking->leased && taking->lease_end_ms > now_ms;
    }
    return used;
}

static struct quota standing(struct fake_admission *self, const struct caller *caller, int64_t now_ms)
{
    struct used used = used_by(self, caller->user_id, now_ms);

    return quota_of(now_ms, self->policy->rate_limit_per_minute, used.rate, self->policy->daily_message_quota,
                    used.daily, caller->is_admin);
}

static bool is_over(int64_t used, int limit)
{
    return limit != QUOTA_UNLIMITED && used >= limit;
}

static enum chat_error decide(struct fake_admission *self, const struct caller *caller, int units, int64_t now_ms,
                              int64_t *retry_after_s)
{
    const struct used used = used_by(self, caller->user_id, now_ms);

    *retry_after_s = 0;
    if (is_over(used.rate + units - 1, self->policy->rate_limit_per_minute)) {
        *retry_after_s = quota_retry_after_s(now_ms, quota_window_reset_s(now_ms));
        return CHAT_ERR_RATE_LIMITED;
    }
    if (!caller->is_admin && is_over(used.daily + units - 1, self->policy->daily_message_quota)) {
        *retry_after_s = quota_retry_after_s(now_ms, quota_day_reset_s(now_ms));
        return CHAT_ERR_QUOTA_EXCEEDED;
    }
    if (is_over(used.streams, self->policy->max_concurrent_streams)) {
        *retry_after_s = self->policy->max_concurrent_streams == 0 ? NEVER_RETRY_AFTER_S : STREAMS_RETRY_AFTER_S;
        return CHAT_ERR_TOO_MANY_STREAMS;
    }
    return CHAT_OK;
}

/* A lease that ran out is gone once the user's are counted for an admission: it can't be renewed any more. */
static void drop_leases(struct fake_admission *self, const char *user_id, int64_t now_ms)
{
    for (int i = 0; i < self->taken; i++)
        if (strcmp(self->takings[i].user_id, user_id) == 0 && self->takings[i].lease_end_ms <= now_ms)
            self->takings[i].leased = false;
}

static void take(struct fake_admission *self, const struct caller *caller, int64_t now_ms,
                 struct admission_ticket *ticket)
{
    struct fake_taking *taking = &self->takings[self->taken++];

    if (self->taken > FAKE_TAKINGS) abort();
    ticket->leased = true;
    ticket->daily_counted = !caller->is_admin;
    *taking = (struct fake_taking){.window = quota_window(now_ms),
                                   .units = admission_units(ticket),
                                   .lease_end_ms = now_ms + LEASE_MS,
                                   .leased = true,
                                   .daily_counted = ticket->daily_counted};
    memcpy(taking->user_id, ticket->user_id, sizeof taking->user_id);
    memcpy(taking->answer_id, ticket->answer_id, sizeof taking->answer_id);
    memcpy(taking->day, ticket->day, sizeof taking->day);
}

static struct fake_taking *find(struct fake_admission *self, const char *answer_id)
{
    for (int i = 0; i < self->taken; i++)
        if (strcmp(self->takings[i].answer_id, answer_id) == 0) return &self->takings[i];
    return NULL;
}

static enum chat_error admit(struct admission *port, const struct caller *caller, int units, const char *answer_id,
                             struct admission_ticket *ticket, struct quota *quota, int64_t *retry_after_s)
{
    struct fake_admission *self = of(port);
    const int64_t now_ms = clock_wall_ms(self->clock);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    *ticket = (struct admission_ticket){.leased = false};
    snprintf(ticket->user_id, sizeof ticket->user_id, "%s", caller->user_id);
    snprintf(ticket->answer_id, sizeof ticket->answer_id, "%s", answer_id);
    ticket->units = units;
    ticket->is_admin = caller->is_admin;
    quota_day(now_ms, ticket->day);
    error = self->refuse;
    if (error != CHAT_OK) {
        *retry_after_s = self->retry_after_s;
    } else {
        drop_leases(self, caller->user_id, now_ms);
        error = decide(self, caller, units, now_ms, retry_after_s);
        if (error == CHAT_OK) take(self, caller, now_ms, ticket);
        self->quota = standing(self, caller, now_ms);
    }
    if (error == CHAT_OK) {
        self->admitted++;
        snprintf(self->last_answer_id, sizeof self->last_answer_id, "%s", answer_id);
    } else {
        self->refused++;
    }
    if (error != CHAT_ERR_QUOTA_UNAVAILABLE) *quota = self->quota;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error admit_at_rest(struct admission *port, const char *model, const struct caller *caller, int units,
                                     const char *answer_id, struct admission_ticket *ticket, struct quota *quota,
                                     int64_t *retry_after_s)
{
    const struct fake_breaker *breaker = of(port)->breaker;

    if (breaker && !fake_breaker_at_rest(breaker, model)) return CHAT_ERR_UNDECIDED;
    if (of(port)->refuse == CHAT_ERR_QUOTA_UNAVAILABLE) return CHAT_ERR_UNDECIDED;
    return admit(port, caller, units, answer_id, ticket, quota, retry_after_s);
}

static enum chat_error look(struct admission *port, const struct caller *caller, struct quota *quota,
                            int64_t *retry_after_s)
{
    struct fake_admission *self = of(port);
    const int64_t now_ms = clock_wall_ms(self->clock);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    self->looks++;
    error = decide(self, caller, 1, now_ms, retry_after_s);
    *quota = standing(self, caller, now_ms);
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error admit_making(struct admission *port, const struct caller *caller, struct quota *quota,
                                    int64_t *retry_after_s)
{
    struct fake_admission *self = of(port);
    const int64_t now_ms = clock_wall_ms(self->clock);
    bool over;

    fake_wait_lock(&self->wait);
    if (self->made_in != quota_window(now_ms)) self->made = 0;
    self->made_in = quota_window(now_ms);
    over = is_over(self->made, self->policy->create_rate_per_minute);
    if (!over) self->made++;
    *quota = quota_of(now_ms, self->policy->create_rate_per_minute, self->made, self->policy->daily_message_quota, 0,
                      caller->is_admin);
    fake_wait_unlock(&self->wait);
    *retry_after_s = over ? quota_retry_after_s(now_ms, quota_window_reset_s(now_ms)) : 0;
    return over ? CHAT_ERR_RATE_LIMITED : CHAT_OK;
}

static bool first_time(struct fake_admission *self, const char *answer_id)
{
    for (int i = 0; i < self->settled; i++)
        if (strcmp(self->done[i], answer_id) == 0) return false;
    if (self->settled == (int)(sizeof self->done / sizeof self->done[0])) abort();
    snprintf(self->done[self->settled++], UUID_TEXT_SIZE, "%s", answer_id);
    return true;
}

static enum chat_error settle(struct admission *port, const struct admission_ticket *ticket, bool refund,
                              struct settled *out)
{
    struct fake_admission *self = of(port);
    enum chat_error error = CHAT_OK;

    if (out) *out = (struct settled){.known = false};
    fake_wait_lock(&self->wait);
    self->settle_calls++;
    pthread_cond_broadcast(&self->wait.changed);
    while (self->settle_held) pthread_cond_wait(&self->wait.changed, &self->wait.lock);
    if (self->settle_error_times != 0) {
        error = self->settle_error;
        if (self->settle_error_times > 0) self->settle_error_times--;
    } else if (first_time(self, ticket->answer_id)) {
        struct fake_taking *taking = find(self, ticket->answer_id);

        if (refund) self->refunded++;
        if (taking) taking->leased = false;
        if (taking && taking->daily_counted && refund) {
            taking->daily_counted = false;
            taking->given_back = true;
            self->quota.daily_used -= taking->units;
            self->quota.daily_remaining += taking->units;
        }
    } else if (!refund) {
        struct fake_taking *taking = find(self, ticket->answer_id);

        if (taking && taking->given_back) {
            taking->given_back = false;
            taking->daily_counted = true;
            self->refunded--;
            self->quota.daily_used += taking->units;
            self->quota.daily_remaining -= taking->units;
        }
    }
    if (out && error == CHAT_OK && (ticket->leased || ticket->daily_counted)) {
        struct caller caller = {.is_admin = ticket->is_admin};
        snprintf(caller.user_id, sizeof caller.user_id, "%s", ticket->user_id);
        *out = (struct settled){.known = true,
                                .quota = standing(self, &caller, clock_wall_ms(self->clock)),
                                .breaker_at_rest = !self->breaker || fake_breaker_at_rest(self->breaker, NULL)};
    }
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error renew(struct admission *port, const struct admission_ticket *const *tickets, size_t count)
{
    struct fake_admission *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->renew_error;
    if (error == CHAT_OK) self->renewed += (int)count;
    for (size_t i = 0; error == CHAT_OK && i < count; i++) {
        struct fake_taking *taking = find(self, tickets[i]->answer_id);

        if (taking && taking->leased) taking->lease_end_ms = clock_wall_ms(self->clock) + LEASE_MS;
    }
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error lease_age(struct admission *port, const struct admission_ticket *ticket, int64_t *age_ms)
{
    struct fake_admission *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    const struct fake_taking *taking = find(self, ticket->answer_id);
    error = self->renew_error;
    *age_ms = !taking          ? -1
              : taking->leased ? clock_wall_ms(self->clock) - (taking->lease_end_ms - LEASE_MS)
                               : LEASE_GIVEN_BACK;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error peek(struct admission *port, const struct caller *caller, struct quota *quota)
{
    struct fake_admission *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->peek_error;
    if (error == CHAT_OK) *quota = standing(self, caller, clock_wall_ms(self->clock));
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error ping(struct admission *port)
{
    return of(port)->ping_error;
}

void fake_admission_init(struct fake_admission *self, const struct chat_policy *policy, const struct clock *clock)
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

    memset(self, 0, sizeof *self);
    self->admission.ops = &ops;
    self->policy = policy;
    self->clock = clock;
    self->quota =
        quota_of(clock_wall_ms(clock), policy->rate_limit_per_minute, 0, policy->daily_message_quota, 0, false);
    fake_wait_init(&self->wait);
}

void fake_admission_fini(struct fake_admission *self)
{
    fake_wait_fini(&self->wait);
}

bool fake_admission_has_ticket(const struct admission_ticket *tickets, size_t count, const char *answer_id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tickets[i].answer_id, answer_id) == 0) return true;
    return false;
}

bool fake_admission_wait_settled(struct fake_admission *self, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->settled >= count, came);
    return came;
}

int fake_admission_settled(struct fake_admission *self)
{
    int settled;

    fake_wait_lock(&self->wait);
    settled = self->settled;
    fake_wait_unlock(&self->wait);
    return settled;
}

int fake_admission_refunded(struct fake_admission *self)
{
    int refunded;

    fake_wait_lock(&self->wait);
    refunded = self->refunded;
    fake_wait_unlock(&self->wait);
    return refunded;
}

void fake_admission_fail_settle(struct fake_admission *self, enum chat_error error, int times)
{
    fake_wait_lock(&self->wait);
    self->settle_error = error;
    self->settle_error_times = error == CHAT_OK ? 0 : times;
    fake_wait_unlock(&self->wait);
}

void fake_admission_hold_settle(struct fake_admission *self, bool held)
{
    fake_wait_lock(&self->wait);
    self->settle_held = held;
    fake_wait_unlock(&self->wait);
}

int fake_admission_settle_calls(struct fake_admission *self)
{
    int calls;

    fake_wait_lock(&self->wait);
    calls = self->settle_calls;
    fake_wait_unlock(&self->wait);
    return calls;
}

bool fake_admission_wait_settle_calls(struct fake_admission *self, int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&self->wait, self->settle_calls >= count, came);
    return came;
}

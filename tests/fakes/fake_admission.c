#include "tests/fakes/fake_admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_admission *of(struct admission *self)
{
    return (struct fake_admission *)self;
}

static enum chat_error admit(struct admission *port, const struct caller *caller, const char *answer_id,
                             struct admission_ticket *ticket, struct quota *quota, int64_t *retry_after_s)
{
    struct fake_admission *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->refuse;
    if (error != CHAT_OK) {
        self->refused++;
        *retry_after_s = self->retry_after_s;
        if (error != CHAT_ERR_QUOTA_UNAVAILABLE) *quota = self->quota;
    } else {
        self->admitted++;
        self->quota.unlimited = caller->is_admin;
        self->quota.rate_remaining--;
        if (!caller->is_admin) {
            self->quota.daily_used++;
            self->quota.daily_remaining--;
        }
        *quota = self->quota;
        *ticket = (struct admission_ticket){.day = "2026-01-31", .daily_counted = !caller->is_admin, .leased = true};
        snprintf(ticket->user_id, sizeof ticket->user_id, "%s", caller->user_id);
        snprintf(ticket->answer_id, sizeof ticket->answer_id, "%s", answer_id);
        snprintf(self->last_answer_id, sizeof self->last_answer_id, "%s", answer_id);
    }
    fake_wait_unlock(&self->wait);
    return error;
}

static bool first_time(struct fake_admission *self, const char *answer_id)
{
    for (int i = 0; i < self->settled; i++)
        if (strcmp(self->done[i], answer_id) == 0) return false;
    if (self->settled == (int)(sizeof self->done / sizeof self->done[0])) abort();
    snprintf(self->done[self->settled++], UUID_TEXT_SIZE, "%s", answer_id);
    return true;
}

static enum chat_error settle(struct admission *port, const struct admission_ticket *ticket, bool refund)
{
    struct fake_admission *self = of(port);
    enum chat_error error = CHAT_OK;

    fake_wait_lock(&self->wait);
    self->settle_calls++;
    if (self->settle_error_times != 0) {
        error = self->settle_error;
        if (self->settle_error_times > 0) self->settle_error_times--;
    } else if (first_time(self, ticket->answer_id) && refund) {
        self->refunded++;
        if (ticket->daily_counted) {
            self->quota.daily_used--;
            self->quota.daily_remaining++;
        }
    }
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error renew(struct admission *port, const struct admission_ticket *const *tickets, size_t count)
{
    struct fake_admission *self = of(port);
    enum chat_error error;

    (void)tickets;
    fake_wait_lock(&self->wait);
    error = self->renew_error;
    if (error == CHAT_OK) self->renewed += (int)count;
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error peek(struct admission *port, const struct caller *caller, struct quota *quota)
{
    struct fake_admission *self = of(port);
    enum chat_error error;

    fake_wait_lock(&self->wait);
    error = self->peek_error;
    if (error == CHAT_OK) {
        *quota = self->quota;
        quota->unlimited = caller->is_admin;
    }
    fake_wait_unlock(&self->wait);
    return error;
}

static enum chat_error ping(struct admission *port)
{
    return of(port)->ping_error;
}

void fake_admission_init(struct fake_admission *self)
{
    static const struct admission_ops ops = {
        .admit = admit, .settle = settle, .renew = renew, .peek = peek, .ping = ping};

    memset(self, 0, sizeof *self);
    self->admission.ops = &ops;
    self->quota = (struct quota){.rate_limit = 10,
                                 .rate_remaining = 10,
                                 .rate_reset_s = 1769860860,
                                 .daily_limit = 100,
                                 .daily_remaining = 100,
                                 .daily_reset_s = 1769904000};
    fake_wait_init(&self->wait);
}

void fake_admission_fini(struct fake_admission *self)
{
    fake_wait_fini(&self->wait);
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

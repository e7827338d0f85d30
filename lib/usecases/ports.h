/* All that a use case may reach, one set a thread. Pointers are borrowed from the process's composition root. */
#ifndef USECASES_PORTS_H
#define USECASES_PORTS_H

#include "base/clock.h"
#include "domain/cost.h"
#include "domain/message_repo.h"
#include "domain/policy.h"
#include "domain/session_repo.h"
#include "domain/usage_repo.h"
#include "usecases/admission.h"
#include "usecases/answer_log.h"
#include "usecases/answers.h"
#include "usecases/idempotency.h"
#include "usecases/processes.h"
#include "usecases/provider.h"
#include "usecases/shared_breaker.h"

struct use_ledger;

struct chat_ports {
    const struct chat_policy *policy;
    const struct price_list *prices;
    const struct clock *clock;
    const struct provider *provider;
    struct session_repo *sessions;
    struct message_repo *messages;
    struct usage_repo *usage;
    struct use_ledger *ledger; /* the process's one */
    struct admission *admission;
    struct shared_breaker *breaker;
    struct idempotency *idempotency;
    struct answer_log *log;
    struct processes *processes;
    struct answers *answers;
};

#endif

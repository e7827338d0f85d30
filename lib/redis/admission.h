/* usecases/admission.h on Redis. Its keys are in keys.h. */
#ifndef REDIS_ADMISSION_H
#define REDIS_ADMISSION_H

#include "base/clock.h"
#include "base/error.h"
#include "redis/conn.h"
#include "usecases/admission.h"

/* All three are borrowed; the connection may be shared with other adapters of the same thread. `workers`: processes
 * that share the per-minute limit while Redis is away. NULL: no memory. */
struct admission *redis_admission_open(struct redis_conn *conn, const struct chat_policy *policy,
                                       const struct clock *clock, int workers);
void redis_admission_close(struct admission *admission);

#endif

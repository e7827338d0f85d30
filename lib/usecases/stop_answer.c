#include "usecases/stop_answer.h"

#include "base/log.h"

enum stop_asked stop_answer(const struct chat_ports *ports, const char *answer_id)
{
    bool asked = false;
    if (answers_stop(ports->answers, answer_id) == STOP_REQUESTED) return STOP_WAS_HERE;
    if (answer_log_ask_stop(ports->log, answer_id, &asked) != CHAT_OK)
        log_write(LOG_WARN, "stop_not_passed_on", LOG_STR("message_id", answer_id));
    return asked ? STOP_PASSED_ON : STOP_NOBODY;
}

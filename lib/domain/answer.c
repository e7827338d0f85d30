#include "domain/answer.h"

bool answer_next(enum message_status from, enum answer_event event, enum message_status *to)
{
    static const enum message_status after[] = {
        [ANSWER_FINISHED] = MESSAGE_COMPLETE,
        [ANSWER_STOPPED] = MESSAGE_STOPPED,
        [ANSWER_FAILED] = MESSAGE_FAILED,
        [ANSWER_LOST] = MESSAGE_INTERRUPTED,
    };

    if (from != MESSAGE_STREAMING && from != MESSAGE_INTERRUPTED) return false;
    if (after[event] == from) return false;
    *to = after[event];
    return true;
}

bool answer_is_final(enum message_status status)
{
    return status != MESSAGE_STREAMING;
}

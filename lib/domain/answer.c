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

enum chat_error answer_error(enum message_status status)
{
    switch (status) {
    case MESSAGE_INTERRUPTED: return CHAT_ERR_INTERRUPTED;
    case MESSAGE_FAILED: return CHAT_ERR_UPSTREAM_ERROR;
    case MESSAGE_STREAMING:
    case MESSAGE_COMPLETE:
    case MESSAGE_STOPPED: break;
    }
    return CHAT_OK;
}

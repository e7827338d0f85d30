#include "base/error.h"

const char *error_code(enum chat_error error)
{
    switch (error) {
    case CHAT_OK: return "ok";
#define CHAT_ERROR_CODE(name, code) \
    case CHAT_ERR_##name: return code;
        CHAT_ERRORS(CHAT_ERROR_CODE)
#undef CHAT_ERROR_CODE
#define CHAT_ERROR_CODE(name, told_as) \
    case CHAT_ERR_##name: return error_code(CHAT_ERR_##told_as);
        CHAT_INTERNAL_ERRORS(CHAT_ERROR_CODE)
#undef CHAT_ERROR_CODE
    }
    return "internal"; /* a value from outside the enum: a programmer's mistake that must not reach a client */
}

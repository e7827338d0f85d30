/* The user of a request, from its checked token. */
#ifndef DOMAIN_CALLER_H
#define DOMAIN_CALLER_H

#include <stdbool.h>

enum { USER_ID_SIZE = 256 }; /* 1-255 characters and NUL */

struct caller {
    char user_id[USER_ID_SIZE];
    bool is_admin;
    const char
        *groups; /* names, each ended by NUL, all of them by an empty one; NULL: none. Lives as long as the call */
};

#endif

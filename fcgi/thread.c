#include "fcgi/thread.h"

enum { STACK_BYTES = 512 << 10 }; /* cJSON and libpq need some of it */

bool thread_start(pthread_t *out, void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(out, &attributes, run, argument) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

/*
 * A session's title, written by a model beside the first answer. One thread of its own asks (lib/loop/jobs.h), the
 * plain blocking way: nobody waits for a title, and a slow one must not hold up what saves answers.
 */
#ifndef RELAY_TITLE_H
#define RELAY_TITLE_H

#include "loop/jobs.h"
#include "relay/registry.h"
#include "usecases/answers.h"

struct upstream;

/* What titles need. Borrowed until the pool's threads have ended and the loop too. */
struct titles {
    struct job_pool *jobs; /* with struct chat_ports as their context; NULL: no titles are asked */
    const struct upstream *upstream;
    struct loop *loop;
    struct registry *registry; /* of the answers; who reads one is told of the title */
};

/* Takes the two title bodies of the spec, and frees them. A job asks the model, stores the title, and then tells the
 * answer, if it still lives here. Without a body or a pool nothing is asked. Any thread. */
void title_start(const struct titles *titles, const struct answer_spec *spec);

#endif

/*
 * Finds an answer of this process by its id: one that is written here (struct answer), or one that another process
 * writes and that is followed from here (struct follower). It owns neither. exchanges.c adds and removes them. The
 * loop's thread.
 */
#ifndef RELAY_REGISTRY_H
#define RELAY_REGISTRY_H

enum { REGISTRY_BUCKETS = 4096 };

enum registered_kind { REGISTERED_ANSWER, REGISTERED_FOLLOWER };

/* Embedded in what is registered, as the first member of `struct logged` or `struct followed` (exchanges.h). The caller
 * sets kind and answer_id, which stay as long as it is registered. By the kind answer_of or follower_of is called. */
struct registered {
    struct registered *hash_next, *previous, *next;
    enum registered_kind kind;
    const char *answer_id;
};

/* All zero is an empty one. */
struct registry {
    struct registered *first; /* of all, the newest */
    struct registered *walk;  /* where the walk goes on; NULL: it is over */
    struct registered *buckets[REGISTRY_BUCKETS];
};

void registry_add(struct registry *registry, struct registered *registered);
void registry_remove(struct registry *registry, struct registered *registered);
/* Returns the one that was added last, if several have this id. NULL: none has. */
struct registered *registry_find(const struct registry *registry, const char *answer_id);

/* Begins a walk along all, which may go on in later turns: one that is removed meanwhile is left out, and so is one
 * that is added. There is one walk at a time. */
void registry_walk_begin(struct registry *registry);
/* Returns the next. NULL: the walk is over. */
struct registered *registry_walk(struct registry *registry);

#endif

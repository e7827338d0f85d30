/* The answers that somebody may ask for by their id: those written here, and those followed from here. Loop thread. */
#ifndef RELAY_REGISTRY_H
#define RELAY_REGISTRY_H

enum { REGISTRY_BUCKETS = 4096 };

enum registered_kind { REGISTERED_ANSWER, REGISTERED_FOLLOWER };

/* Embedded in what is registered; its kind and id stay as long as it is. */
struct registered {
    struct registered *hash_next, *previous, *next;
    enum registered_kind kind;
    const char *answer_id;
};

/* All zero is an empty one. */
struct registry {
    struct registered *first; /* of all, the newest */
    struct registered *buckets[REGISTRY_BUCKETS];
};

void registry_add(struct registry *registry, struct registered *registered);
void registry_remove(struct registry *registry, struct registered *registered);
/* NULL: it isn't there. Of several the newest. */
struct registered *registry_find(const struct registry *registry, const char *answer_id);

#endif

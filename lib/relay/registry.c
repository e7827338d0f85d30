#include "relay/registry.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static unsigned bucket_of(const char *answer_id)
{
    uint32_t hash = 2166136261u;
    for (const char *at = answer_id; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash % REGISTRY_BUCKETS;
}

void registry_add(struct registry *registry, struct registered *registered)
{
    struct registered **bucket = &registry->buckets[bucket_of(registered->answer_id)];
    registered->hash_next = *bucket;
    *bucket = registered;
    registered->previous = NULL;
    registered->next = registry->first;
    if (registered->next) registered->next->previous = registered;
    registry->first = registered;
}

void registry_remove(struct registry *registry, struct registered *registered)
{
    struct registered **place = &registry->buckets[bucket_of(registered->answer_id)];
    while (*place != registered) place = &(*place)->hash_next;
    *place = registered->hash_next;
    if (registry->walk == registered) registry->walk = registered->next;
    if (registered->previous)
        registered->previous->next = registered->next;
    else
        registry->first = registered->next;
    if (registered->next) registered->next->previous = registered->previous;
}

struct registered *registry_find(const struct registry *registry, const char *answer_id)
{
    struct registered *registered = registry->buckets[bucket_of(answer_id)];
    while (registered && strcmp(registered->answer_id, answer_id) != 0) registered = registered->hash_next;
    return registered;
}

void registry_walk_begin(struct registry *registry)
{
    registry->walk = registry->first;
}

struct registered *registry_walk(struct registry *registry)
{
    struct registered *next = registry->walk;
    if (next) registry->walk = next->next;
    return next;
}

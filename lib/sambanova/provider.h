/*
 * SambaNova Cloud behind usecases/provider.h: requests, streams and refusals of its OpenAI-compatible API.
 * provider.c checks the settings, compose.c writes the request, decode.c reads the stream of an answer, chunk.c one
 * chunk of it, errors.c refusals.
 */
#ifndef SAMBANOVA_PROVIDER_H
#define SAMBANOVA_PROVIDER_H

#include "usecases/provider.h"

struct sambanova_settings {
    const char *api_key; /* printable ASCII without blanks */
    const char
        *api_base;     /* https://host[:port][/path], or http:// for a loopback host; one trailing slash is dropped */
    const char *proxy; /* http://[user:password@]host:port; NULL: none */
    int connect_timeout_ms;
    int first_byte_timeout_ms;
    int idle_timeout_ms;
    int total_timeout_ms;
};

/* Takes settings, and copies what it needs. Returns the provider, for sambanova_close. NULL: a setting is wrong, and
 * *problem is a static sentence that never holds the key. */
struct provider *sambanova_open(const struct sambanova_settings *settings, const char **problem) MUST_CHECK;
/* Wipes the key, and frees the provider. NULL is fine. Decoders may outlive it. */
void sambanova_close(struct provider *provider);

#endif

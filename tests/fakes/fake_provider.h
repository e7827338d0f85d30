/*
 * A provider with a language of its own that a test can write by hand, one command a line:
 *
 *     c TEXT      content            usage 12 34   tokens, prompt and completion
 *     r TEXT      reasoning          stop          finish_reason "stop"
 *     bad         a broken stream    done          the end marker
 *
 * A whole answer has `stop` or `done`. It refuses as SambaNova does: 429, 502 and 503 are worth another try. Other
 * lines mean nothing, like comments.
 */
#ifndef FAKES_FAKE_PROVIDER_H
#define FAKES_FAKE_PROVIDER_H

#include "usecases/provider.h"

struct fake_provider {
    struct provider provider; /* first: the port; timeouts may be changed before it is used */
    bool compose_fails;
    bool takes_effort; /* who is to think little is told so: "effort=low" behind max_tokens */
    char url[64], models_url[64];
};

/* port: of a server on 127.0.0.1; 0: nobody is asked. */
void fake_provider_init(struct fake_provider *self, int port);

#endif

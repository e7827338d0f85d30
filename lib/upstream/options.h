/* How libcurl opens a connection to the provider: address, proxy, TLS, time to connect. */
#ifndef UPSTREAM_OPTIONS_H
#define UPSTREAM_OPTIONS_H

#include "upstream/internal.h"

/* Sets these options. What the provider's settings point to is borrowed until the handle is cleaned up. false: out of
 * memory. Any thread. */
bool upstream_set_options(const struct upstream *upstream, CURL *easy) MUST_CHECK;

#endif

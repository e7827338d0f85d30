#include "upstream/options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { DNS_CACHE_SECONDS = 300 };

/* CURLOPT_SOCKOPTFUNCTION. Chunks are small and many; as sockets are made, the reading of each sends an acknowledgement
 * of its own. Delayed, there is one for two chunks, or after 40 ms: at 50 chunks a second 0.7 packets fewer for each. A
 * provider whose sockets hold small packets back (Nagle's algorithm, off where streams are served) would send 25 times
 * a second. */
static int on_socket_made(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context;
    (void)purpose;
    int off = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off); /* only a hint */
    return CURL_SOCKOPT_OK;
}

bool upstream_set_options(const struct upstream *upstream, CURL *easy)
{
    const struct provider *provider = upstream->settings.provider;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_URL, provider->completions_url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https"); /* http only for loopback: lib/sambanova refuses others */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, provider->proxy ? provider->proxy : ""); /* never the environment's */
    SET(CURLOPT_HTTPPROXYTUNNEL, 1L); /* it sees none of our requests, so not the key either */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)provider->connect_timeout_ms);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_SECONDS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    if (upstream->settings.ca_file) SET(CURLOPT_CAINFO, upstream->settings.ca_file);
#undef SET
    return ok;
}

/*
 * FastCGI records on a connection that was taken out of libfcgi (FastCGI 1.0, §3.3): the way back of a stream.
 * Non-blocking by MSG_DONTWAIT on a blocking descriptor (O_NONBLOCK would break libfcgi). What the client doesn't take
 * at once waits in a bounded buffer.
 *
 *   record: version type requestId(2) contentLength(2) paddingLength reserved | content
 *   end:    STDOUT with no content, then END_REQUEST; nothing after it
 */
#ifndef FCGI_RECORDS_H
#define FCGI_RECORDS_H

#include <stdint.h>

#include "http/connection.h"

/* Takes the descriptor, which the connection's `close` closes. Returns the connection, which `close` frees too. NULL:
 * no memory (the descriptor is still the caller's). The request's thread makes it; then the loop has it, or one step at
 * a time (http/late.h). */
struct connection *records_open(int fd, uint16_t request_id);
/* Appends "Status: …" and the header lines, as CGI has them, with the blank line. Also for request.c's own responses.
 */
void records_head(struct buf *out, const struct http_response *response);

#endif

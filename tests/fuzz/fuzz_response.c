/*
 * Any bytes, cut anywhere, as a provider's HTTP response: the reader may not crash, must end, and must give the same
 * head, the same body and the same end whole, byte by byte, and in pieces of sizes that the input chooses. What it
 * hands on must lie in what it was fed.
 *
 *   input: four sizes of pieces, taken in turn, a byte each | the response
 */
#include "fuzz/fuzz.h"
#include "upstream/response.h"

enum { SIZES = 4 };

struct heard {
    struct response response;
    struct buf body;
    size_t heads;
    enum response_step fed, end; /* the last step, and what the connection's end made of it */
    size_t rest;                 /* bytes that it didn't take */
};

static void hear_body(struct heard *heard, const char *piece, size_t size, const char *body, size_t len)
{
    must(heard->heads == 1 && len > 0 && len <= size && body >= piece && body + len <= piece + size);
    must(buf_append(&heard->body, body, len));
}

static void feed(struct heard *heard, const uint8_t *bytes, size_t size)
{
    char *piece = fuzz_copy(bytes, size);
    const char *at = piece, *body;
    size_t len = size, body_len;
    do {
        const size_t before = len;
        heard->fed = response_next(&heard->response, &at, &len, &body, &body_len);
        must(len <= before && at + len == piece + size);
        if (heard->fed == RESPONSE_HEAD) must(len < before && heard->heads++ == 0);
        if (heard->fed == RESPONSE_BODY) {
            must(len < before);
            hear_body(heard, piece, size, body, body_len);
        }
    } while (heard->fed == RESPONSE_HEAD || heard->fed == RESPONSE_BODY);
    must(heard->fed != RESPONSE_MORE || len == 0);
    heard->rest += len;
    free(piece);
}

/* What must hold of any response. */
static void must_be_sound(const struct heard *heard)
{
    const struct response *response = &heard->response;
    must(heard->heads == 1 ? response->status >= 200 && response->status <= 999 : response->status == 0);
    must(memchr(response->type, '\0', sizeof response->type) != NULL);
    must(memchr(response->retry_after, '\0', sizeof response->retry_after) != NULL);
    must((heard->end == RESPONSE_BROKEN) == (response->problem != NULL));
    must(heard->end == RESPONSE_BROKEN || (heard->end == RESPONSE_OVER && heard->heads == 1));
    must(heard->fed == RESPONSE_MORE || heard->end == heard->fed);
    must(!response->reusable || heard->fed == RESPONSE_OVER);
}

static void hear(struct heard *heard, const uint8_t *bytes, size_t len, const size_t sizes[SIZES])
{
    *heard = (struct heard){.fed = RESPONSE_MORE};
    buf_init(&heard->body, len + 1);
    response_begin(&heard->response);
    for (size_t at = 0, i = 0; at < len; at += sizes[i++ % SIZES]) {
        const size_t size = sizes[i % SIZES];
        feed(heard, bytes + at, size < len - at ? size : len - at);
    }
    heard->end = response_end(&heard->response);
    response_fini(&heard->response);
    must_be_sound(heard);
}

static void must_agree(const struct heard *whole, const uint8_t *bytes, size_t len, const size_t sizes[SIZES])
{
    struct heard cut;
    hear(&cut, bytes, len, sizes);
    const struct response *a = &whole->response, *b = &cut.response;
    must(whole->fed == cut.fed && whole->end == cut.end && whole->heads == cut.heads);
    must(whole->fed != RESPONSE_OVER || whole->rest == cut.rest);
    must(a->status == b->status && a->reusable == b->reusable && a->encoded == b->encoded && a->problem == b->problem);
    must(strcmp(a->type, b->type) == 0 && strcmp(a->retry_after, b->retry_after) == 0);
    must(whole->body.len == cut.body.len);
    must(cut.body.len == 0 || memcmp(whole->body.data, cut.body.data, cut.body.len) == 0);
    buf_fini(&cut.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct heard whole;
    size_t sizes[SIZES];
    if (len <= SIZES) return 0;
    for (size_t i = 0; i < SIZES; i++) sizes[i] = 1u + data[i];
    data += SIZES;
    len -= SIZES;
    hear(&whole, data, len, (const size_t[SIZES]){len, len, len, len});
    must_agree(&whole, data, len, (const size_t[SIZES]){1, 1, 1, 1});
    must_agree(&whole, data, len, sizes);
    buf_fini(&whole.body);
    return 0;
}

#include "sambanova/decode.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "unit.h"

/* ---- what a decoder gave ---- */

struct heard {
    struct buf content;
    struct buf reasoning;
    struct provider_end end;
    bool done;
};

static void hear(struct buf *buf, const char *text, size_t len)
{
    ck_assert_uint_gt(len, 0);
    ck_assert_msg(utf8_valid(text, len), "invalid UTF-8 handed on");
    ck_assert_msg(!memchr(text, '\0', len), "NUL handed on");
    ck_assert(buf_append(buf, text, len));
}

static void hear_content(void *context, const char *text, size_t len)
{
    hear(&((struct heard *)context)->content, text, len);
}

static void hear_reasoning(void *context, const char *text, size_t len)
{
    hear(&((struct heard *)context)->reasoning, text, len);
}

static void heard_fini(struct heard *heard)
{
    buf_fini(&heard->content);
    buf_fini(&heard->reasoning);
}

/* In pieces of `first` and then `next` bytes, each in memory of its own size, so that a sanitizer sees a step too far.
 */
static struct heard decode(const char *stream, size_t len, size_t first, size_t next)
{
    struct heard heard = {0};
    struct delta_sink sink = {.content = hear_content, .reasoning = hear_reasoning, .context = &heard};
    struct decoder *decoder = decode_new(NULL);
    enum chat_error error = CHAT_OK;

    buf_init(&heard.content, 4 << 20);
    buf_init(&heard.reasoning, 4 << 20);
    ck_assert_ptr_nonnull(decoder);
    for (size_t at = 0, size = first; at < len; at += size, size = next) {
        char *piece;

        if (size > len - at) size = len - at;
        piece = malloc(size);
        memcpy(piece, stream + at, size);
        error = decode_feed(decoder, piece, size, &sink);
        free(piece);
    }
    heard.done = decode_done(decoder);
    decode_end(decoder, &sink, &heard.end);
    if (error) ck_assert_int_eq(heard.end.error, error);
    decode_free(decoder);
    return heard;
}

static void must_be_same(const char *name, const struct buf *a, const struct buf *b)
{
    ck_assert_msg(a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0),
                  "%s: another cut, another text: '%.*s' and '%.*s'", name, (int)a->len, a->data, (int)b->len, b->data);
}

static void must_agree(const char *name, const struct heard *a, struct heard b)
{
    must_be_same(name, &a->content, &b.content);
    must_be_same(name, &a->reasoning, &b.reasoning);
    ck_assert_msg(a->end.error == b.end.error && a->end.finish_reason == b.end.finish_reason &&
                      a->end.problem == b.end.problem && a->done == b.done &&
                      memcmp(&a->end.usage, &b.end.usage, sizeof b.end.usage) == 0,
                  "%s: another cut, another end", name);
    heard_fini(&b);
}

/* ---- streams ---- */

#define CHOICE(delta, finish) "data: {\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}\n\n"
#define SAY(text) CHOICE("{\"content\":\"" text "\"}", "null")
#define THINK(text) CHOICE("{\"reasoning\":\"" text "\"}", "null")
#define STOP CHOICE("{\"content\":\"\"}", "\"stop\"")
#define DONE "data: [DONE]\n\n"
#define BROKEN CHAT_ERR_UPSTREAM_INVALID_RESPONSE

struct row {
    const char *name;
    const char *stream;
    const char *content; /* NULL: none */
    const char *reasoning;
    enum chat_error error;
    const char *finish_reason;
    const char *problem; /* NULL: not looked at */
    size_t len;          /* of a stream with NUL in it; 0: strlen */
};

static const struct row streams[] = {
    {.name = "the stream as it was captured",
     .stream =
         "data: {\"choices\":[{\"delta\":{\"content\":\"Tesla\",\"role\":\"assistant\"},\"finish_reason\":null,"
         "\"index\":0,\"logprobs\":null}],\"created\":1771518114.25,\"id\":\"283f\",\"model\":\"Meta-Llama-3.3-70B-"
         "Instruct\",\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fastcoe\"}\n\n"
         "data: {\"choices\":[{\"delta\":{\"content\":\" was\",\"role\":\"assistant\"},\"finish_reason\":null,"
         "\"index\":0,\"logprobs\":null}],\"created\":1771518114.5}\n\n"
         "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\",\"index\":0,\"logprobs\":null}]}"
         "\n\ndata: "
         "{\"choices\":[],\"usage\":{\"prompt_tokens\":43,\"completion_tokens\":100,\"total_tokens\":143}}\n\n"
         "data: [DONE]\n\n",
     .content = "Tesla was",
     .finish_reason = "stop"},

    /* lines and events */
    {.name = "CRLF",
     .stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n",
     .content = "a"},
    {.name = "CR",
     .stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\rdata: [DONE]\r\r",
     .content = "a"},
    {.name = "one leading BOM", .stream = "\xef\xbb\xbf" SAY("a") DONE, .content = "a"},
    {.name = "comments and comment blocks",
     .stream = ": keep-alive\n\n" SAY("a") ":\n\n: x\n\n" SAY("b") DONE,
     .content = "ab"},
    {.name = "data without a space",
     .stream = "data:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata:[DONE]\n\n",
     .content = "a"},
    {.name = "several data lines",
     .stream = "data: {\"choices\":[\ndata: {\"delta\":{\"content\":\"a\"}}\ndata: ]}\n\n" DONE,
     .content = "a"},
    {.name = "a line end within a string",
     .stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\ndata: b\"}}]}\n\n" DONE,
     .content = "a\nb"},
    {.name = "id and retry fields", .stream = "id: 7\nretry: 10\n" SAY("a") DONE, .content = "a"},
    {.name = "U+2028 and U+0085 are no line ends",
     .stream = SAY("a\xe2\x80\xa8"
                   "b\xc2\x85"
                   "c") DONE,
     .content = "a\xe2\x80\xa8"
                "b\xc2\x85"
                "c"},
    {.name = "characters of 2, 3 and 4 bytes cut anywhere",
     .stream = SAY("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") DONE,
     .content = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {.name = "escapes",
     .stream = SAY("\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00") DONE,
     .content = "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {.name = "an event without its blank line is dropped",
     .stream = SAY("a") STOP "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n",
     .content = "a",
     .finish_reason = "stop"},
    {.name = "the finish in an event without its blank line",
     .stream = SAY("a") "data: [DONE]\n",
     .content = "a",
     .error = BROKEN,
     .problem = "no finish_reason and no [DONE]"},
    {.name = "empty data", .stream = "data:\n\ndata: \n\n" SAY("a") DONE, .content = "a"},
    {.name = "[DONE] among blanks", .stream = SAY("a") "data:  [DONE] \n\n", .content = "a"},
    {.name = "what comes after [DONE]",
     .stream = SAY("a") DONE SAY("b") "data: {broken\n\ndata: {\"error\":{}}\n\n",
     .content = "a"},
    {.name = "named events",
     .stream = "event: message\n" SAY("a") "event: ping\ndata: now\n\nevent: chunk\n" SAY("b") "event: done\n" DONE,
     .content = "ab"},

    /* shapes of a chunk */
    {.name = "choices empty, null, missing, no array",
     .stream = "data: {\"choices\":[]}\n\ndata: {\"choices\":null}\n\ndata: {}\n\ndata: {\"choices\":{}}\n\n"
               "data: {\"choices\":[null]}\n\ndata: {\"choices\":[3]}\n\n" SAY("a") DONE,
     .content = "a"},
    {.name = "delta null, missing, no object",
     .stream = CHOICE("null", "null") "data: {\"choices\":[{}]}\n\n" CHOICE("\"x\"", "null") SAY("a") DONE,
     .content = "a"},
    {.name = "finish_reason empty is none",
     .stream = CHOICE("{\"content\":\"a\"}", "\"\""),
     .content = "a",
     .error = BROKEN,
     .problem = "no finish_reason and no [DONE]"},
    {.name = "content null, a number, an object",
     .stream = CHOICE("{\"content\":null}", "null") CHOICE("{\"content\":1}", "null")
         CHOICE("{\"content\":{\"a\":[]}}", "null") SAY("a") DONE,
     .content = "a"},
    {.name = "content as parts",
     .stream =
         CHOICE("{\"content\":[{\"type\":\"thinking\",\"text\":\"hm\"},{\"text\":\"a\\u0062\",\"type\":\"text\"},\"c\","
                "{\"type\":\"image_url\",\"image_url\":{}},null,7]}",
                "null") DONE,
     .content = "abc",
     .reasoning = "hm"},
    {.name = "error null, false, empty",
     .stream = "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
               "data: {\"error\":false}\n\ndata: {\"error\":\"\"}\n\n" DONE,
     .content = "a"},
    {.name = "n > 1: only index 0 counts",
     .stream = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"length\"},"
               "{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
               "data: {\"choices\":[{\"delta\":{\"content\":\"y\"},\"finish_reason\":\"stop\",\"index\":1}]}\n\n"
               "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}},{\"delta\":{\"content\":\"z\"}}]}\n\n" DONE,
     .content = "ab"},
    {.name = "keys spelled with escapes",
     .stream = "data: {\"c\\u0068oices\":[{\"delta\":{\"\\u0063ontent\":\"a\"}}]}\n\n" DONE,
     .content = "a"},
    {.name = "keys in other letters are other keys",
     .stream = "data: {\"Choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n" SAY("a") DONE,
     .content = "a"},
    {.name = "a key twice: the last counts",
     .stream =
         "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"delta\":{\"content\":\"y\",\"content\":\"a\"}}]}\n\n"
         "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n" DONE,
     .content = "ab"},
    {.name = "NaN, Infinity and numbers out of range",
     .stream = "data: "
               "{\"a\":NaN,\"b\":Infinity,\"c\":-Infinity,\"d\":1e999,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"
               "\n\n" DONE,
     .content = "a"},
    {.name = "the role on a chunk of its own",
     .stream = CHOICE("{\"role\":\"assistant\",\"content\":\"\"}", "null") SAY("a") DONE,
     .content = "a"},
    {.name = "text in the finish chunk and after it",
     .stream = CHOICE("{\"content\":\"a\"}", "\"stop\"") SAY("b") DONE,
     .content = "ab",
     .finish_reason = "stop"},
    {.name = "tool calls beside text are not for us",
     .stream =
         SAY("a") CHOICE("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]}", "\"tool_calls\"") DONE,
     .content = "a",
     .finish_reason = "tool_calls"},

    /* bytes that are no text */
    {.name = "bad UTF-8 becomes U+FFFD",
     .stream = SAY("a\xff\xc3z\xed\xa0\x80") DONE,
     .content = "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {.name = "bad UTF-8 before an escape", .stream = SAY("\xe2\x82\\n") DONE, .content = "\xef\xbf\xbd\n"},
    {.name = "an escaped NUL becomes U+FFFD",
     .stream = SAY("a\\u0000b") DONE,
     .content = "a\xef\xbf\xbd"
                "b"},
    {.name = "lone surrogates become U+FFFD",
     .stream = SAY("\\ud83d|\\ude00|\\ud83d\\u0041|\\ud83d\\ud83d\\ude00") DONE,
     .content = "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd"
                "A|\xef\xbf\xbd\xf0\x9f\x98\x80"},
    {.name = "a raw NUL becomes U+FFFD",
     .stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\0b\"}}]}\n\ndata: [DONE]\n\n",
     .len = sizeof "data: {\"choices\":[{\"delta\":{\"content\":\"a\0b\"}}]}\n\ndata: [DONE]\n\n" - 1,
     .content = "a\xef\xbf\xbd"
                "b"},
    {.name = "raw control characters are kept", .stream = SAY("a\tb\x01") DONE, .content = "a\tb\x01"},

    /* reasoning */
    {.name = "delta.reasoning", .stream = THINK("hm ") THINK("so") SAY("a") DONE, .content = "a", .reasoning = "hm so"},
    {.name = "delta.reasoning_content",
     .stream = CHOICE("{\"content\":null,\"reasoning_content\":\"hm\"}", "null") SAY("a") DONE,
     .content = "a",
     .reasoning = "hm"},
    {.name = "both spellings are one text",
     .stream = CHOICE("{\"reasoning\":\"hm\",\"reasoning_content\":\"hm\"}", "null") SAY("a") DONE,
     .content = "a",
     .reasoning = "hm"},
    {.name = "the other spelling where one is empty",
     .stream = CHOICE("{\"reasoning\":\"\",\"reasoning_content\":\"hm\"}", "null") SAY("a") DONE,
     .content = "a",
     .reasoning = "hm"},
    {.name = "channels of gpt-oss",
     .stream = CHOICE("{\"channel\":\"analysis\",\"content\":\"hm\"}", "null")
         CHOICE("{\"content\":\" <think>\",\"channel\":\"analysis\"}", "null")
             CHOICE("{\"channel\":\"analysis\",\"reasoning\":\"!\"}", "null")
                 CHOICE("{\"channel\":\"final\",\"content\":\"a\"}", "null") SAY("b") DONE,
     .content = "ab",
     .reasoning = "hm <think>!"},
    {.name = "reasoning and content in one chunk",
     .stream = CHOICE("{\"content\":\"a\",\"reasoning\":\"hm\"}", "null") DONE,
     .content = "a",
     .reasoning = "hm"},
    {.name = "tags in one chunk",
     .stream = SAY("<think>\\nhm\\n</think>\\n\\na <b> </think>") DONE,
     .content = "a <b> </think>",
     .reasoning = "hm\n"},
    {.name = "tags cut across chunks",
     .stream = SAY(" \\n<th") SAY("in") SAY("k>") SAY("\\n") SAY("hm<") SAY("/thi") SAY("nk> ") SAY("\\n a") DONE,
     .content = "a",
     .reasoning = "hm"},
    {.name = "what only looks like a closing tag",
     .stream = SAY("<think>a<") SAY("/t") SAY("b<<") SAY("/</thin</") SAY("think>c") DONE,
     .content = "c",
     .reasoning = "a</tb<</</thin"},
    {.name = "what only looks like an opening tag",
     .stream = SAY("<t") SAY("able> <think>a") DONE,
     .content = "<table> <think>a"},
    {.name = "a doubled bracket before the tag", .stream = SAY(" <<think>a") DONE, .content = " <<think>a"},
    {.name = "a half tag is the whole answer",
     .stream = SAY("<thi") STOP DONE,
     .content = "<thi",
     .finish_reason = "stop"},
    {.name = "half a closing tag is the whole answer",
     .stream = SAY(" </thi") STOP,
     .content = " </thi",
     .finish_reason = "stop"},
    {.name = "a half tag ends the answer",
     .stream = SAY("a</thin") STOP,
     .content = "a</thin",
     .finish_reason = "stop"},
    {.name = "a half tag after a half tag",
     .stream = SAY("</th") SAY("x</think") STOP,
     .content = "</thx</think",
     .finish_reason = "stop"},
    {.name = "only the closing tag: it alone is dropped",
     .stream = SAY("hm\\n</thi") SAY("nk>\\n\\na </think>") DONE,
     .content = "hm\n\n\na </think>"},
    {.name = "a closing tag at the very start", .stream = SAY(" </") SAY("think>\\n\\n") SAY("a") DONE, .content = "a"},
    {.name = "a later opening tag is text", .stream = SAY("a <think>b") DONE, .content = "a <think>b"},
    {.name = "an empty block", .stream = SAY("<think>\\n\\n</think>\\n\\na") DONE, .content = "a"},
    {.name = "only the opening tag: no answer",
     .stream = SAY("<think>hm") SAY("so</thin") STOP DONE,
     .reasoning = "hmso</thin",
     .error = BROKEN,
     .finish_reason = "stop",
     .problem = "no answer text"},
    {.name = "only the opening tag, cut by length",
     .stream = SAY("<think>hm") CHOICE("{}", "\"length\"") DONE,
     .reasoning = "hm",
     .finish_reason = "length"},
    {.name = "white space before an answer stays", .stream = SAY("  \\n") SAY("a") DONE, .content = "  \na"},
    {.name = "more white space than is held back",
     .stream =
         SAY("                                        ") SAY("                                        <think>a") DONE,
     .content = "                                                                                <think>a"},

    /* ends */
    {.name = "finish_reason without [DONE]", .stream = SAY("a") STOP, .content = "a", .finish_reason = "stop"},
    {.name = "[DONE] without finish_reason", .stream = SAY("a") DONE, .content = "a"},
    {.name = "length", .stream = SAY("a") CHOICE("{}", "\"length\"") DONE, .content = "a", .finish_reason = "length"},
    {.name = "content_filter",
     .stream = SAY("a") CHOICE("{}", "\"content_filter\"") DONE,
     .content = "a",
     .finish_reason = "content_filter"},
    {.name = "other words for the end",
     .stream = SAY("a") CHOICE("{}", "\"eos\"") DONE,
     .content = "a",
     .finish_reason = "stop"},
    {.name = "finish_reason error",
     .stream = SAY("a") CHOICE("{}", "\"error\"") DONE,
     .content = "a",
     .error = CHAT_ERR_UPSTREAM_ERROR,
     NULL},
    {.name = "neither finish_reason nor [DONE]",
     .stream = SAY("a"),
     .content = "a",
     .error = BROKEN,
     .problem = "no finish_reason and no [DONE]"},
    {.name = "an empty body", .stream = "", .error = BROKEN, .problem = "an empty body"},
    {.name = "comments alone", .stream = ": a\n\n: b\n\n", .error = BROKEN, .problem = "no event in the body"},
    {.name = "[DONE] alone", .stream = DONE, .error = BROKEN, .problem = "no answer text"},
    {.name = "finish_reason without text",
     .stream = STOP DONE,
     .error = BROKEN,
     .finish_reason = "stop",
     .problem = "no answer text"},
    {.name = "white space alone",
     .stream = SAY(" \\n") STOP DONE,
     .error = BROKEN,
     .finish_reason = "stop",
     .problem = "no answer text"},
    {.name = "reasoning alone",
     .stream = THINK("hm") STOP DONE,
     .reasoning = "hm",
     .error = BROKEN,
     .finish_reason = "stop",
     .problem = "no answer text"},
    {.name = "length without any text",
     .stream = CHOICE("{}", "\"length\"") DONE,
     .error = BROKEN,
     .finish_reason = "length",
     .problem = "no answer text"},
    {.name = "tool calls without text",
     .stream = CHOICE("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]}", "null")
         CHOICE("{}", "\"tool_calls\"") DONE,
     .error = BROKEN,
     .finish_reason = "tool_calls",
     .problem = "no answer text"},

    /* errors after 200 */
    {.name = "an error object",
     .stream = "data: {\"error\":{\"message\":\"boom\"}}\n\n" DONE,
     .error = CHAT_ERR_UPSTREAM_ERROR,
     .problem = "an error object in the stream"},
    {.name = "an error object after text",
     .stream = SAY("a") "data: {\"error\":{}}\n\n" SAY("b") DONE,
     .content = "a",
     .error = CHAT_ERR_UPSTREAM_ERROR,
     NULL},
    {.name = "an error of text",
     .stream = "data: {\"error\":\"boom\"}\n\n" STOP,
     .error = CHAT_ERR_UPSTREAM_ERROR,
     NULL},
    {.name = "an error in the choice",
     .stream = "data: {\"choices\":[{\"error\":{\"code\":502}}],\"error\":null}\n\n" DONE,
     .error = CHAT_ERR_UPSTREAM_ERROR,
     NULL},
    {.name = "an object that is an error",
     .stream = "data: {\"object\":\"error\",\"message\":\"m\",\"code\":429}\n\n",
     .error = CHAT_ERR_UPSTREAM_RATE_LIMITED},
    {.name = "an event named error",
     .stream = SAY("a") "event: error\ndata: {\"code\":\"x\"}\n\n" DONE,
     .content = "a",
     .error = CHAT_ERR_UPSTREAM_ERROR,
     .problem = "an event named error"},
    {.name = "an event named error with text",
     .stream = "event: error\ndata: boom\n\n",
     .error = CHAT_ERR_UPSTREAM_ERROR,
     NULL},
    {.name = "an event named error with a code",
     .stream = "event: error\ndata: {\"error\":{\"type\":\"rate_limit_error\"}}\n\n",
     .error = CHAT_ERR_UPSTREAM_RATE_LIMITED},
    {.name = "rate limit",
     .stream = "data: {\"error\":{\"code\":\"rate_limit_exceeded\"}}\n\n",
     .error = CHAT_ERR_UPSTREAM_RATE_LIMITED},
    {.name = "queue full",
     .stream = "data: {\"error\":{\"code\":\"queue_full\"}}\n\n",
     .error = CHAT_ERR_UPSTREAM_RATE_LIMITED},
    {.name = "code 429", .stream = "data: {\"error\":{\"code\":429}}\n\n", .error = CHAT_ERR_UPSTREAM_RATE_LIMITED},
    {.name = "context length by code",
     .stream = "data: {\"error\":{\"code\":\"context_length_exceeded\"}}\n\n",
     .error = CHAT_ERR_CONTEXT_LENGTH_EXCEEDED},
    {.name = "context length by message",
     .stream = "data: {\"error\":{\"code\":null,\"message\":\"The maximum context length of X is 8192\"}}\n\n",
     .error = CHAT_ERR_CONTEXT_LENGTH_EXCEEDED},
    {.name = "timeout",
     .stream = "data: {\"error\":{\"type\":\"Timeout_error\"}}\n\n",
     .error = CHAT_ERR_UPSTREAM_TIMEOUT},

    /* no stream at all */
    {.name = "malformed JSON",
     .stream = SAY("a") "data: {\"choices\":[{]}\n\n" DONE,
     .content = "a",
     .error = BROKEN,
     .problem = "a chunk that is no JSON object"},
    {.name = "cut JSON",
     .stream = SAY("a") "data: {\"choices\":[{\"delta\":{\"content\":\"b\n\n" DONE,
     .content = "a",
     .error = BROKEN},
    {.name = "a malformed escape", .stream = SAY("\\x") DONE, .error = BROKEN},
    {.name = "a malformed unicode escape", .stream = SAY("\\u12g4") DONE, .error = BROKEN},
    {.name = "text after the value", .stream = "data: {} {}\n\n" DONE, .error = BROKEN},
    {.name = "a chunk that is null", .stream = "data: null\n\n" DONE, .error = BROKEN},
    {.name = "a chunk that is an array", .stream = "data: []\n\n" DONE, .error = BROKEN},
    {.name = "a chunk that is text", .stream = "data: hello\n\n" DONE, .error = BROKEN},
    {.name = "an HTML page",
     .stream = "\n <!DOCTYPE html><html><body>502</body></html>\n",
     .error = BROKEN,
     .problem = "an HTML page instead of a stream"},
    {.name = "an answer that is not streamed",
     .stream =
         "{\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
     .error = BROKEN,
     .problem = "JSON instead of a stream"},
    {.name = "an answer that is not streamed, as an event",
     .stream = "data: "
               "{\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":"
               "\"stop\"}]}\n\n",
     .error = BROKEN,
     .finish_reason = "stop",
     .problem = "no answer text"},
    {.name = "gzip", .stream = "\x1f\x8b\x08\x01\xff", .error = BROKEN, .problem = "gzip that was not asked for"},
    {.name = "plain text", .stream = "upstream connect error\n\n", .error = BROKEN, .problem = "no event in the body"},
};

static void must_equal(const struct row *row, const struct buf *got, const char *wanted, const char *what)
{
    size_t len = wanted ? strlen(wanted) : 0;

    ck_assert_msg(got->len == len && (len == 0 || memcmp(got->data, wanted, len) == 0), "%s: %s is '%.*s', not '%s'",
                  row->name, what, (int)got->len, got->data, wanted ? wanted : "");
}

static void must_be_text(const struct row *row, const char *got, const char *wanted, const char *what)
{
    ck_assert_msg(got == wanted || (got && wanted && strcmp(got, wanted) == 0), "%s: %s is %s, not %s", row->name, what,
                  got ? got : "NULL", wanted ? wanted : "NULL");
}

START_TEST(a_stream_means_the_same_however_it_is_cut)
{
    const struct row *row = &streams[_i];
    const size_t len = row->len ? row->len : strlen(row->stream);
    struct heard whole = decode(row->stream, len, len, len);

    must_equal(row, &whole.content, row->content, "content");
    must_equal(row, &whole.reasoning, row->reasoning, "reasoning");
    ck_assert_msg(whole.end.error == row->error, "%s: %s, not %s", row->name, error_code(whole.end.error),
                  error_code(row->error));
    must_be_text(row, whole.end.finish_reason, row->finish_reason, "finish_reason");
    if (row->problem) must_be_text(row, whole.end.problem, row->problem, "problem");
    ck_assert_msg((whole.end.error != CHAT_OK) == (whole.end.problem != NULL), "%s: error and problem disagree",
                  row->name);
    must_agree(row->name, &whole, decode(row->stream, len, 1, 1));
    for (size_t at = 1; at < len; at++) must_agree(row->name, &whole, decode(row->stream, len, at, len));
    heard_fini(&whole);
}
END_TEST

/* ---- usage ---- */

static const struct {
    const char *usage;
    int64_t prompt, completion, total, cached;
} usages[] = {
    {"{\"prompt_tokens\":43,\"completion_tokens\":100,\"total_tokens\":143,\"is_last_response\":true,"
     "\"time_to_first_token\":0.084,\"completion_tokens_details\":{\"reasoning_tokens\":55}}",
     43, 100, 143, 0},
    {"{}", -1, -1, -1, 0},
    {"null", -1, -1, -1, 0},
    {"[1]", -1, -1, -1, 0},
    {"{\"prompt_tokens\":0}", 0, -1, -1, 0},
    {"{\"prompt_tokens\":-1,\"completion_tokens\":1000000001,\"total_tokens\":1000000000}", -1, -1, 1000000000, 0},
    {"{\"prompt_tokens\":43.0,\"completion_tokens\":1e2,\"total_tokens\":1.5}", 43, 100, -1, 0},
    {"{\"prompt_tokens\":\"43\",\"completion_tokens\":null,\"total_tokens\":1e400}", -1, -1, -1, 0},
    {"{\"prompt_tokens\":1},\"usage\":{\"prompt_tokens\":2}", 2, -1, -1, 0},
    {"{\"prompt_tokens\":9500,\"completion_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":9000,\"audio\":[1]}"
     "}",
     9500, 10, -1, 9000},
    {"{\"prompt_tokens_details\":{\"cached_tokens\":9000},\"prompt_tokens\":9500}", 9500, -1, -1, 9000},
    {"{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":9000}}", 5, -1, -1, 5},
    {"{\"prompt_tokens_details\":{\"cached_tokens\":9000}}", -1, -1, -1, 0},
    {"{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":-1}}", 5, -1, -1, 0},
    {"{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":\"4\"}}", 5, -1, -1, 0},
    {"{\"prompt_tokens\":5,\"prompt_tokens_details\":null}", 5, -1, -1, 0},
    {"{\"prompt_tokens\":5,\"prompt_tokens_details\":[4]}", 5, -1, -1, 0},
};

START_TEST(usage_is_what_was_told_and_can_be)
{
    char stream[1024];
    struct heard heard;
    int len = snprintf(stream, sizeof stream, "%sdata: {\"choices\":[],\"usage\":%s}\n\n%s", SAY("a"), usages[_i].usage,
                       DONE);

    heard = decode(stream, (size_t)len, (size_t)len, 1);
    ck_assert_int_eq(heard.end.error, CHAT_OK);
    ck_assert_int_eq(heard.end.usage.prompt_tokens, usages[_i].prompt);
    ck_assert_int_eq(heard.end.usage.completion_tokens, usages[_i].completion);
    ck_assert_int_eq(heard.end.usage.total_tokens, usages[_i].total);
    ck_assert_int_eq(heard.end.usage.cached_tokens, usages[_i].cached);
    heard_fini(&heard);
}
END_TEST

START_TEST(the_last_usage_wins)
{
    static const char stream[] =
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":"
        "{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n"
        "data: {\"choices\":[],\"usage\":{\"completion_tokens\":2,\"prompt_tokens\":-3}}\n\n"
        "data: {\"choices\":[],\"usage\":null}\n\n" DONE;
    struct heard heard = decode(stream, sizeof stream - 1, 7, 7);

    ck_assert_int_eq(heard.end.error, CHAT_OK);
    ck_assert_int_eq(heard.end.usage.prompt_tokens, 9);
    ck_assert_int_eq(heard.end.usage.completion_tokens, 2);
    ck_assert_int_eq(heard.end.usage.total_tokens, -1);
    heard_fini(&heard);
}
END_TEST

/* ---- bounds ---- */

/* The same piece of text again and again, up to len bytes. */
static char *repeat(const char *piece, size_t count, size_t *len)
{
    size_t piece_len = strlen(piece);
    char *text = malloc(piece_len * count + 1);

    *len = piece_len * count;
    for (size_t i = 0; i < count; i++) memcpy(text + i * piece_len, piece, piece_len);
    text[*len] = '\0';
    return text;
}

static void must_break(const char *stream, size_t len, const char *problem)
{
    struct heard whole = decode(stream, len, len, len);

    ck_assert_int_eq(whole.end.error, BROKEN);
    ck_assert_str_eq(whole.end.problem, problem);
    ck_assert_int_eq(whole.end.outcome, BREAKER_NEITHER); /* (A3) */
    must_agree(problem, &whole, decode(stream, len, 1, 1));
    must_agree(problem, &whole, decode(stream, len, 4096, 1000));
    heard_fini(&whole);
}

START_TEST(a_line_or_event_over_its_bound_is_an_error)
{
    size_t len;
    char *letters = repeat("a", DECODE_MAX_EVENT + 1, &len);
    char *lines;

    must_break(letters, len, "a line or event over 256 KiB");
    memcpy(letters, "data: ", 6);
    must_break(letters, len, "a line or event over 256 KiB");
    free(letters);
    lines = repeat("data: 0123456789\n", DECODE_MAX_EVENT / 10, &len);
    must_break(lines, len, "a line or event over 256 KiB");
    free(lines);
}
END_TEST

START_TEST(text_over_its_bound_is_an_error)
{
    size_t len, letters_len;
    char *letters = repeat("a", 65536, &letters_len);
    struct buf stream;

    buf_init(&stream, 8 << 20);
    for (int i = 0; i < 16; i++)
        buf_printf(&stream, "data: {\"choices\":[{\"delta\":{\"%s\":\"%s\"}}]}\n\n", i % 2 ? "content" : "reasoning",
                   letters);
    len = stream.len;
    buf_append_str(&stream, DONE);
    struct heard heard = decode(stream.data, stream.len, stream.len, 1);
    ck_assert_int_eq(heard.end.error, CHAT_OK);
    ck_assert_uint_eq(heard.content.len + heard.reasoning.len, DECODE_MAX_TEXT);
    heard_fini(&heard);

    stream.len = len;
    buf_append_str(&stream, SAY("b") DONE);
    must_break(stream.data, stream.len, "more than 1 MiB of text");
    buf_fini(&stream);
    free(letters);
}
END_TEST

START_TEST(a_body_without_an_end_is_an_error)
{
    size_t len;
    char *comments = repeat(": nothing yet\n\n", 4096, &len);
    struct heard heard = {0};
    struct delta_sink sink = {.content = hear_content, .reasoning = hear_reasoning, .context = &heard};
    struct decoder *decoder = decode_new(NULL);
    size_t fed = 0;

    while (decode_feed(decoder, comments, len, &sink) == CHAT_OK && fed <= 2u * DECODE_MAX_BODY) fed += len;
    ck_assert_uint_le(fed, DECODE_MAX_BODY);
    decode_end(decoder, &sink, &heard.end);
    ck_assert_str_eq(heard.end.problem, "more than 64 MiB of stream");
    decode_free(decoder);
    free(comments);
}
END_TEST

START_TEST(nesting_over_its_bound_is_an_error)
{
    static const struct {
        size_t depth;
        bool fine;
    } rows[] = {{31, true}, {32, false}, {100000, false}}; /* of arrays, in an object */
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        size_t len;
        char *open = repeat("[", rows[i].depth, &len), *close = repeat("]", rows[i].depth, &len);
        struct buf stream;

        buf_init(&stream, 1 << 20);
        buf_printf(&stream, "data: {\"a\":%s%s}\n\n%s%s", open, close, SAY("a"), DONE);
        if (rows[i].fine) {
            struct heard heard = decode(stream.data, stream.len, stream.len, 1);
            ck_assert_int_eq(heard.end.error, CHAT_OK);
            heard_fini(&heard);
        } else {
            must_break(stream.data, stream.len, "a chunk nested deeper than 32");
        }
        buf_fini(&stream);
        free(open);
        free(close);
    }
}
END_TEST

/* ---- the rest of the interface ---- */

START_TEST(done_is_known_once_it_came)
{
    struct heard heard = {0};
    struct delta_sink sink = {.content = hear_content, .reasoning = hear_reasoning, .context = &heard};
    struct decoder *decoder = decode_new(NULL);

    buf_init(&heard.content, 100);
    ck_assert_int_eq(decode_feed(decoder, SAY("a"), strlen(SAY("a")), &sink), CHAT_OK);
    ck_assert(!decode_done(decoder));
    ck_assert_int_eq(decode_feed(decoder, DONE, strlen(DONE), &sink), CHAT_OK);
    ck_assert(decode_done(decoder));
    ck_assert_int_eq(decode_feed(decoder, "<html>", 6, &sink), CHAT_OK);
    decode_end(decoder, &sink, &heard.end);
    ck_assert_int_eq(heard.end.error, CHAT_OK);
    decode_free(decoder);
    buf_fini(&heard.content);
}
END_TEST

START_TEST(an_idle_decoder_is_small)
{
    struct decoder *decoder = decode_new(NULL);

    ck_assert_uint_lt(malloc_usable_size(decoder), 1024);
    decode_free(decoder);
    decode_free(NULL);
}
END_TEST

START_TEST(only_a_type_that_can_be_a_stream_is_one)
{
    static const struct {
        const char *type;
        bool stream;
    } rows[] = {
        {NULL, true},
        {"", true},
        {"text/event-stream", true},
        {"text/event-stream; charset=utf-8", true},
        {"Text/Event-Stream ;charset=UTF-8", true},
        {"text/plain", true},
        {"application/octet-stream", true},
        {"text/html", false},
        {"text/html; charset=utf-8", false},
        {"application/json", false},
        {"text/event-streams", false},
        {"text/event", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(decode_is_stream(NULL, rows[i].type) == rows[i].stream, "%s",
                      rows[i].type ? rows[i].type : "none");
}
END_TEST

START_TEST(an_answer_that_is_not_streamed_is_whole_or_an_error)
{
    static const struct {
        const char *body;
        enum chat_error error;
        const char *mended; /* NULL: as it is */
    } rows[] = {
        {"{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hi\"}}],\"usage\":{\"prompt_tokens\":3,"
         "\"completion_tokens\":1}}",
         CHAT_OK, NULL},
        {"{\"created\":1732111111.25,\"choices\":[{\"message\":{\"content\":\"\xc3\xbc\"}}],"
         "\"usage\":{\"completion_tokens\":1}}",
         CHAT_OK,
         "{\"created\":1732111111,\"choices\":[{\"message\":{\"content\":\"\xc3\xbc\"}}],"
         "\"usage\":{\"completion_tokens\":1}}"},
        {"{\"choices\":[{\"message\":{\"content\":\"Hi\"}}],\"usage\":{\"completion_tokens\":1},\"created\": 1.7e9 }",
         CHAT_OK,
         "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}],\"usage\":{\"completion_tokens\":1},\"created\": "
         "1700000000 }"},
        {"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NULL},
        {"{\"choices\":[{\"message\":{\"content\":\"\t\"}}]}", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NULL},
        {"{\"choices\":[{\"message\":{\"content\":\"\"},\"x\":NaN}]}", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NULL},
        {"{\"error\":{\"message\":\"no\"}}", CHAT_ERR_UPSTREAM_ERROR, NULL},
        {"{\"choices\":[]}", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NULL},
        {"<html>", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NULL},
        {"", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NULL},
    };
    struct provider_end end;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct buf body;
        buf_init(&body, 4096);
        buf_append_str(&body, rows[i].body);
        decode_whole(NULL, &body, &end);
        ck_assert_msg(end.error == rows[i].error, "%s", rows[i].body);
        ck_assert_int_eq(end.usage.completion_tokens, rows[i].error ? -1 : 1);
        buf_append_char(&body, '\0');
        ck_assert_str_eq(body.data, rows[i].mended ? rows[i].mended : rows[i].body);
        buf_fini(&body);
    }
}
END_TEST

/* What the end says of the model (A3): nothing that a caller can bring about is a failure. */
#define TEXT "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
#define STOPPED_BY(reason) "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
static const struct {
    const char *stream;
    enum breaker_outcome outcome;
} says[] = {
    {TEXT STOPPED_BY("stop"), BREAKER_SUCCESS},
    {TEXT "data: [DONE]\n\n", BREAKER_SUCCESS},
    {STOPPED_BY("content_filter"), BREAKER_SUCCESS},
    {STOPPED_BY("length") "data: [DONE]\n\n", BREAKER_SUCCESS},
    {"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \\n\"}}]}\n\ndata: [DONE]\n\n", BREAKER_SUCCESS},
    {"data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"a\"}}]}\n\n" STOPPED_BY("stop"), BREAKER_SUCCESS},
    {"data: [DONE]\n\n", BREAKER_SUCCESS},
    {TEXT, BREAKER_FAILURE},
    {"", BREAKER_FAILURE},
    {": comment\n\n", BREAKER_FAILURE},
    {"<html>", BREAKER_FAILURE},
    {"data: nonsense\n\n", BREAKER_FAILURE},
    {STOPPED_BY("error"), BREAKER_NEITHER},
    {"{\"error\":{\"message\":\"no\"}}", BREAKER_NEITHER},
    {"data: {\"error\":{\"code\":\"never_heard_of\"}}\n\n", BREAKER_NEITHER},
    {"event: error\ndata: {\"error\":{\"code\":\"never_heard_of\"}}\n\n", BREAKER_NEITHER},
    {TEXT "data: {\"error\":{\"code\":\"server_error\"}}\n\n", BREAKER_FAILURE},
    {"data: {\"error\":{\"code\":\"queue_full\"}}\n\n", BREAKER_BUSY},
};

START_TEST(an_end_says_what_it_does_of_the_model)
{
    struct heard heard = decode(says[_i].stream, strlen(says[_i].stream), 4096, 4096);
    ck_assert_msg(heard.end.outcome == says[_i].outcome, "%s: %d", says[_i].stream, (int)heard.end.outcome);
    heard_fini(&heard);
}
END_TEST

UNIT_SUITE(sambanova_decode)
{
    Suite *suite = suite_create("sambanova_decode");
    TCase *tables = tcase_create("tables");

    tcase_add_loop_test(tables, a_stream_means_the_same_however_it_is_cut, 0, UNIT_COUNT(streams));
    tcase_add_loop_test(tables, an_end_says_what_it_does_of_the_model, 0, UNIT_COUNT(says));
    tcase_add_loop_test(tables, usage_is_what_was_told_and_can_be, 0, UNIT_COUNT(usages));
    suite_add_tcase(suite, tables);
    UNIT_CASE(suite, "usage", the_last_usage_wins);
    tcase_set_timeout(UNIT_CASE(suite, "bounds", a_line_or_event_over_its_bound_is_an_error,
                                text_over_its_bound_is_an_error, a_body_without_an_end_is_an_error,
                                nesting_over_its_bound_is_an_error),
                      60);
    UNIT_CASE(suite, "interface", done_is_known_once_it_came, an_idle_decoder_is_small,
              only_a_type_that_can_be_a_stream_is_one, an_answer_that_is_not_streamed_is_whole_or_an_error);
    return suite;
}

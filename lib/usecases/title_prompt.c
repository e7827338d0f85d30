#include "usecases/title_prompt.h"

#include <string.h>

#include "base/utf8.h"
#include "domain/plain_text.h"

enum {
    TITLE_MAX_TOKENS = 512,    /* of which a title takes 20: a reasoning model thinks before it writes */
    TITLE_QUESTION_MAX = 2000, /* code points of the question that the model gets to see */
    TITLE_BODY_MAX_BYTES = 64 << 10,
};

static const char instruction[] = "Write a title of at most six words for a conversation that begins with the message "
                                  "below, in its language. Answer with the title alone, without quotes.";

bool title_wanted(const struct chat_policy *policy, const struct session *session, const struct message *question)
{
    return policy->title_model && question->seq == 1 && session->title_source == TITLE_FIRST_MESSAGE;
}

char *title_prompt(const struct chat_ports *ports, const struct message *question, bool low_effort, size_t *len)
{
    size_t shown = utf8_prefix(question->content, question->content_len, TITLE_QUESTION_MAX);
    const struct turn turns[] = {
        {.role = ROLE_SYSTEM, .content = instruction, .content_len = sizeof instruction - 1},
        {.role = ROLE_USER, .content = question->content, .content_len = shown},
    };
    struct prompt prompt = {.model = ports->policy->title_model,
                            .max_tokens = TITLE_MAX_TOKENS,
                            .low_effort = low_effort,
                            .turns = turns,
                            .turn_count = 2};
    struct body_cut cut;
    struct buf body;
    buf_init(&body, TITLE_BODY_MAX_BYTES);
    if (provider_compose(ports->provider, &prompt, &body, &cut) && !body.failed) return buf_take(&body, len);
    buf_fini(&body);
    return NULL;
}

static bool is_trimmed(char c)
{
    return strchr(" \t\r\n\"'", c) != NULL;
}

const char *title_from_answer(const char *text, size_t len, struct arena *arena)
{
    text = plain_text(text, len, arena, &len);
    while (len && is_trimmed(*text)) {
        text++;
        len--;
    }
    while (len && is_trimmed(text[len - 1])) len--;
    if (!len) return NULL;
    const char *title = session_title_from(text, len, arena);
    return session_title_problem(title, strlen(title)) ? NULL : title;
}

#include "usecases/set_feedback.h"

#include "base/utf8.h"
#include "metrics/metrics.h"

static bool has_ink(const char *text, size_t len)
{
    uint32_t code_point = 0;
    for (size_t at = 0; at < len;) {
        size_t bytes = utf8_decode(text + at, len - at, &code_point);
        if (bytes == 0 || !utf8_is_space(code_point)) return true;
        at += bytes;
    }
    return false;
}

enum chat_error set_feedback(const struct chat_ports *ports, const struct set_feedback *in, struct arena *arena,
                             struct problem *problem, struct message *out)
{
    struct message_repo *messages = ports->messages;
    enum message_feedback rating = FEEDBACK_NONE;
    bool fine = true;
    if (!in->rating || !message_feedback_parse(in->rating, &rating)) {
        problem_field(problem, "rating", "takes up, down or none");
        fine = false;
    }
    if (in->comment && utf8_count(in->comment, in->comment_len) > FEEDBACK_COMMENT_MAX) {
        problem_field(problem, "comment", "takes at most 2000 characters");
        fine = false;
    }
    if (!fine) return problem->error;

    enum chat_error error = message_repo_get(messages, in->caller->user_id, in->message_id, arena, out);
    if (error != CHAT_OK) return problem_set(problem, error, NULL);
    if (out->role != ROLE_ASSISTANT) {
        problem_field(problem, "id", "takes the id of an answer");
        return problem_set(problem, CHAT_ERR_VALIDATION_FAILED, "Only answers can be rated.");
    }
    const char *comment = NULL;
    if (rating != FEEDBACK_NONE && in->comment && has_ink(in->comment, in->comment_len))
        comment = arena_strndup(arena, in->comment, in->comment_len);
    error = message_repo_rate(messages, in->caller->user_id, in->message_id, rating, comment, arena, out);
    if (error == CHAT_OK)
        metrics_add(&metrics->counters.feedback[rating == FEEDBACK_UP     ? RATED_UP
                                                : rating == FEEDBACK_DOWN ? RATED_DOWN
                                                                          : RATED_NONE],
                    1);
    return problem_set(problem, error, NULL);
}

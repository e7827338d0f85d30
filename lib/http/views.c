#include "http/views.h"

static void field_id(struct json_writer *json, const char *key, const char *id)
{
    json_field_string(json, key, id[0] ? id : NULL);
}

void view_session_fields(struct json_writer *json, const struct session *session)
{
    json_field_string(json, "id", session->id);
    json_field_string(json, "title", session->title);
    json_field_string(json, "model", session->model);
    json_field_time(json, "created_at", session->created_at_ms);
    json_field_time(json, "updated_at", session->updated_at_ms);
    json_field_int(json, "message_count", session->message_count);
    json_field_time(json, "last_message_at", session->last_message_at_ms);
    json_field_bool(json, "pinned", session->pinned);
    json_field_bool(json, "archived", session->archived);
    field_id(json, "context_starts_at", session->context_starts_at);
}

void view_session(struct json_writer *json, const struct session *session)
{
    view_session_item(json, session, NULL);
}

void view_session_item(struct json_writer *json, const struct session *session, const struct session_match *match)
{
    json_begin_object(json);
    view_session_fields(json, session);
    if (match) {
        json_put_key(json, "match");
        json_begin_object(json);
        field_id(json, "message_id", match->message_id);
        json_field_string(json, "snippet", match->snippet);
        json_end_object(json);
    }
    json_end_object(json);
}

static void write_usage(struct json_writer *json, const struct token_usage *usage)
{
    json_put_key(json, "usage");
    if (usage->prompt_tokens < 0 && usage->completion_tokens < 0) {
        json_put_null(json);
        return;
    }
    int64_t prompt = usage->prompt_tokens > 0 ? usage->prompt_tokens : 0;
    int64_t completion = usage->completion_tokens > 0 ? usage->completion_tokens : 0;
    json_begin_object(json);
    json_field_int(json, "prompt_tokens", prompt);
    json_field_int(json, "completion_tokens", completion);
    json_field_int(json, "total_tokens", usage->total_tokens >= 0 ? usage->total_tokens : prompt + completion);
    if (usage->cached_tokens > 0) { /* as OpenAI's interface has it */
        json_put_key(json, "prompt_tokens_details");
        json_begin_object(json);
        json_field_int(json, "cached_tokens", usage->cached_tokens);
        json_end_object(json);
    }
    json_end_object(json);
}

void view_message_fields(struct json_writer *json, const struct message *message, enum message_view view)
{
    json_field_string(json, "id", message->id);
    json_field_string(json, "session_id", message->session_id);
    json_field_int(json, "seq", message->seq);
    field_id(json, "parent_id", message->parent_id);
    json_field_string(json, "role", message_role_name(message->role));
    if (view == MESSAGE_WHOLE) json_field_string_len(json, "content", message->content, message->content_len);
    json_field_int(json, "content_bytes", (int64_t)message->content_len);
    if (view == MESSAGE_WHOLE) json_field_string_len(json, "reasoning", message->reasoning, message->reasoning_len);
    json_field_string(json, "status", message_status_name(message->status));
    json_field_string(json, "model", message->model);
    json_field_string(json, "finish_reason", message->finish_reason);
    json_field_int(json, "token_count", message->token_count);
    json_field_bool(json, "tokens_estimated", message->tokens_estimated);
    write_usage(json, &message->usage);
    json_field_string(json, "feedback",
                      message->feedback == FEEDBACK_NONE ? NULL : message_feedback_name(message->feedback));
    json_field_time(json, "created_at", message->created_at_ms);
    field_id(json, "superseded_by", message->superseded_by);
}

void view_message(struct json_writer *json, const struct message *message, enum message_view view)
{
    json_begin_object(json);
    view_message_fields(json, message, view);
    json_end_object(json);
}

static void field_figure(struct json_writer *json, const char *key, int64_t figure)
{
    if (figure == QUOTA_UNLIMITED)
        json_field_null(json, key);
    else
        json_field_int(json, key, figure);
}

void view_quota(struct json_writer *json, const struct quota *quota)
{
    json_begin_object(json);
    json_field_bool(json, "unlimited", quota->unlimited);
    json_put_key(json, "rate_limit");
    json_begin_object(json);
    field_figure(json, "limit", quota->rate_limit);
    field_figure(json, "remaining", quota->rate_remaining);
    json_field_time(json, "reset_at", quota->rate_reset_s * 1000);
    json_field_int(json, "window_seconds", RATE_WINDOW_SECONDS);
    json_end_object(json);
    json_put_key(json, "daily");
    json_begin_object(json);
    field_figure(json, "limit", quota->daily_limit);
    json_field_int(json, "used", quota->daily_used);
    field_figure(json, "remaining", quota->daily_remaining);
    json_field_time(json, "reset_at", quota->daily_reset_s * 1000);
    json_end_object(json);
    json_end_object(json);
}

void view_usage(struct json_writer *json, const struct usage_row *row)
{
    const struct usage_counts *counts = &row->counts;
    json_begin_object(json);
    field_id(json, "day", row->key.day);
    field_id(json, "user_id", row->key.user_id);
    field_id(json, "model", row->key.model);
    json_field_int(json, "answers", counts->answers);
    json_field_int(json, "completions", counts->completions);
    json_field_int(json, "prompt_tokens", counts->prompt_tokens);
    if (counts->cached_tokens > 0) json_field_int(json, "cached_tokens", counts->cached_tokens);
    json_field_int(json, "completion_tokens", counts->completion_tokens);
    json_field_int(json, "total_tokens", counts->prompt_tokens + counts->completion_tokens);
    json_field_int(json, "cost_micro_usd", counts->cost_micro_usd);
    json_end_object(json);
}

/* Writes null if there is nothing to divide by. */
static void field_ratio(struct json_writer *json, const char *key, int64_t part, int64_t whole)
{
    enum { DECIMALS = 10000 };
    json_put_key(json, key);
    if (whole > 0)
        json_put_double(json, (double)((part * DECIMALS + whole / 2) / whole) / DECIMALS);
    else
        json_put_null(json);
}

void view_engagement(struct json_writer *json, const struct engagement_day *day)
{
    const struct usage_counts *counts = &day->counts;
    int64_t sent = counts->answers - counts->regenerated, rated = counts->rated_up + counts->rated_down;
    json_begin_object(json);
    json_field_string(json, "day", day->day);
    json_field_int(json, "daily_active_users", day->active_users);
    json_field_int(json, "weekly_active_users", day->weekly_users);
    json_field_int(json, "sessions", counts->sessions);
    json_field_int(json, "messages", sent);
    json_field_int(json, "answers", counts->answers);
    json_field_int(json, "completions", counts->completions);
    field_ratio(json, "messages_per_session", sent, counts->sessions);
    field_ratio(json, "stop_rate", counts->stopped, counts->answers);
    field_ratio(json, "regenerate_rate", counts->regenerated, counts->answers);
    field_ratio(json, "interrupted_rate", counts->interrupted, counts->answers);
    field_ratio(json, "failed_rate", counts->failed, counts->answers);
    field_ratio(json, "feedback_rate", rated, counts->answers);
    field_ratio(json, "positive_feedback_rate", counts->rated_up, rated);
    json_end_object(json);
}

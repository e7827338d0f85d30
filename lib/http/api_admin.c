/* The administrators' reports: use and cost by day, and how people use the service. */
#include <stdlib.h>
#include <string.h>

#include "http/api.h"
#include "http/cursor.h"
#include "http/views.h"
#include "usecases/list_usage.h"

enum { USAGE_LIMIT_DEFAULT = 50 };

/* NULL: not there. false: given twice, or malformed. */
static bool one_parameter(struct http_call *call, const char *name, const char **out)
{
    int count;
    *out = call_query(call, name, &count);
    if (count == 0 || count == 1) return true;
    problem_field(&call->problem, name, "takes one value");
    return false;
}

static const struct {
    const char *name;
    enum usage_group group;
} groups[] = {{"day", USAGE_BY_DAY}, {"user", USAGE_BY_USER}, {"model", USAGE_BY_MODEL}};
enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

/* "day,model". 0: something else, or one twice. */
static unsigned group_named(const char *text)
{
    unsigned group = 0;
    for (const char *at = text, *next; at; at = next) {
        size_t len = strcspn(at, ","), i = 0;
        next = at[len] ? at + len + 1 : NULL;
        while (i < GROUP_COUNT && (strlen(groups[i].name) != len || strncmp(groups[i].name, at, len) != 0)) i++;
        if (i == GROUP_COUNT || (group & groups[i].group)) return 0;
        group |= groups[i].group;
    }
    return group;
}

static enum chat_error read_query(struct http_call *call, struct usage_query *query)
{
    const char *from, *to, *group, *cursor;
    bool fine = call_query_limit(call, USAGE_LIMIT_DEFAULT, &query->limit);
    fine = one_parameter(call, "from", &from) && fine;
    fine = one_parameter(call, "to", &to) && fine;
    fine = one_parameter(call, "user", &query->user_id) && fine;
    fine = one_parameter(call, "model", &query->model) && fine;
    fine = one_parameter(call, "group_by", &group) && fine;
    query->group = group ? group_named(group) : USAGE_BY_DAY | USAGE_BY_USER | USAGE_BY_MODEL;
    if (fine && query->group == 0) {
        problem_field(&call->problem, "group_by", "takes some of day, user and model, with commas between");
        fine = false;
    }
    if (!fine) return call->problem.error;
    int count;
    cursor = call_query(call, "cursor", &count);
    query->has_after = count != 0;
    if (count && (!cursor || count > 1 || !cursor_decode_usage(cursor, query->group, &query->after))) {
        call->problem.param = "cursor";
        return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST,
                           "`cursor` must be a `next_cursor` of this list, unchanged.");
    }
    return usage_range(call->ports, from, to, USAGE_DAYS_MAX, &call->problem, query->from, query->to);
}

enum chat_error api_list_usage(struct http_call *call)
{
    struct usage_query query = {0};
    struct usage_page page;
    enum chat_error error = read_query(call, &query);
    if (error == CHAT_OK) error = list_usage(call->ports, &query, call->arena, &call->problem, &page);
    if (error != CHAT_OK) return error;
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_field_string(&json, "from", query.from);
    json_field_string(&json, "to", query.to);
    json_put_key(&json, "group_by");
    json_begin_array(&json);
    for (int i = 0; i < GROUP_COUNT; i++)
        if (query.group & groups[i].group) json_put_string(&json, groups[i].name);
    json_end_array(&json);
    json_put_key(&json, "items");
    json_begin_array(&json);
    for (size_t i = 0; i < page.count; i++) view_usage(&json, &page.items[i]);
    json_end_array(&json);
    json_field_string(&json, "next_cursor",
                      page.has_more ? cursor_encode_usage(query.group, &page.items[page.count - 1].key, call->arena)
                                    : NULL);
    json_end_object(&json);
    return call_send_json(call, 200);
}

enum chat_error api_get_engagement(struct http_call *call)
{
    const char *from, *to;
    char first[QUOTA_DAY_SIZE], last[QUOTA_DAY_SIZE];
    struct engagement_day *days;
    size_t count;
    bool fine = one_parameter(call, "from", &from);
    fine = one_parameter(call, "to", &to) && fine;
    if (!fine) return call->problem.error;
    enum chat_error error = usage_range(call->ports, from, to, ENGAGEMENT_DAYS_MAX, &call->problem, first, last);
    if (error != CHAT_OK) return error;
    struct usage_repo *usage = call->ports->usage;
    error = usage_repo_engagement(usage, first, last, call->arena, &days, &count);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_field_string(&json, "from", first);
    json_field_string(&json, "to", last);
    json_put_key(&json, "days");
    json_begin_array(&json);
    for (size_t i = 0; i < count; i++) view_engagement(&json, &days[i]);
    json_end_array(&json);
    json_end_object(&json);
    return call_send_json(call, 200);
}

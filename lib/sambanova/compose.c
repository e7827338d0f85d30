#include "sambanova/compose.h"

#include "base/json.h"

bool compose_request(const struct provider *self, const struct prompt *prompt, struct buf *out)
{
    struct json_writer writer;

    (void)self;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_field_string(&writer, "model", prompt->model);
    json_put_key(&writer, "messages");
    json_begin_array(&writer);
    for (size_t i = 0; i < prompt->turn_count; i++) {
        const struct turn *turn = &prompt->turns[i];

        json_begin_object(&writer);
        json_field_string(&writer, "role", message_role_name(turn->role));
        json_field_string_len(&writer, "content", turn->content, turn->content_len);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    if (prompt->max_tokens > 0) json_field_int(&writer, "max_tokens", prompt->max_tokens);
    json_field_bool(&writer, "stream", true);
    json_put_key(&writer, "stream_options");
    json_begin_object(&writer);
    json_field_bool(&writer, "include_usage", true);
    json_end_object(&writer);
    json_end_object(&writer);
    return !out->failed;
}

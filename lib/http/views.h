/* The domain as JSON: the one place that defines how a session, a message or a quota looks to clients. */
#ifndef HTTP_VIEWS_H
#define HTTP_VIEWS_H

#include "base/json.h"
#include "domain/message.h"
#include "domain/quota.h"
#include "domain/session.h"
#include "domain/session_repo.h"
#include "domain/usage_repo.h"

/* These write whole objects. */
void view_session(struct json_writer *json, const struct session *session);
/* match may be NULL. */
void view_session_item(struct json_writer *json, const struct session *session, const struct session_match *match);
/* Writes the fields alone, for an object that goes on. */
void view_session_fields(struct json_writer *json, const struct session *session);
enum message_view { MESSAGE_WHOLE, MESSAGE_WITHOUT_TEXT };
void view_message_fields(struct json_writer *json, const struct message *message, enum message_view view);
void view_message(struct json_writer *json, const struct message *message, enum message_view view);
void view_quota(struct json_writer *json, const struct quota *quota);
void view_usage(struct json_writer *json, const struct usage_row *row);
void view_engagement(struct json_writer *json, const struct engagement_day *day);

#endif

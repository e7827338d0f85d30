/* The handlers, one for each route (routes.c), and one file for each resource. http/serve.c calls them, on the
 * request's thread. */
#ifndef HTTP_API_H
#define HTTP_API_H

#include "http/call.h"

/* Returns CHAT_OK with the response in the call, or with the connection handed over. Otherwise call->problem says why.
 */
typedef enum chat_error route_handler(struct http_call *call);

/* api_sessions.c */
route_handler api_create_session, api_list_sessions, api_open_session, api_update_session, api_delete_session,
    api_restore_session, api_export_session;
/* api_messages.c */
route_handler api_send_message, api_send_first_message, api_get_message, api_regenerate_message, api_stop_message,
    api_set_feedback;
/* api_stream.c */
route_handler api_attach_stream;
/* api_account.c */
route_handler api_get_quota, api_get_features, api_sign_in, api_sign_out;
/* api_completions.c */
route_handler api_create_completion;
/* api_models.c */
route_handler api_list_models, api_get_model;
/* api_admin.c */
route_handler api_list_usage, api_get_engagement;
/* api_health.c */
route_handler api_health, api_ready;
/* api_metrics.c */
route_handler api_metrics;

#endif

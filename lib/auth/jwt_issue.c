#include <jwt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "auth/values.h"
#include "base/buf.h"
#include "base/json.h"

enum { ROLE_MAX_BYTES = 4096 };

/* Returns the first of the list that is not among the others (NULL: none of these). Empty: there is no such value. */
static struct value_span first_of(const char *list, const char *others)
{
    struct value_span value;
    for (const char *at = list; values_next(&at, &value);)
        if (!others || !values_have(others, value.at, value.len)) return value;
    return (struct value_span){"", 0};
}

/* Chooses values in the policy's own words: for an admin or a user, and one that the policy requires. */
static void put_roles(struct json_writer *json, const struct jwt_policy *policy, bool is_admin)
{
    const char *admins = policy->admin_values ? policy->admin_values : "admin", *required = policy->required_values;
    struct value_span role = is_admin ? first_of(admins, NULL) : (struct value_span){"user", 4};
    json_begin_array(json);
    json_put_string_len(json, role.at, role.len);
    if (required && !values_have(required, role.at, role.len)) {
        role = first_of(required, is_admin ? NULL : admins);
        if (role.len) json_put_string_len(json, role.at, role.len);
    }
    json_end_array(json);
}

/* The whole name of the claim is tried first, so a path needs no nesting. */
static bool add_role(jwt_t *jwt, const struct jwt_policy *policy, bool is_admin)
{
    if (!policy->role_claim && !policy->admin_values && !policy->required_values)
        return jwt_add_grant(jwt, "role", is_admin ? "admin" : "user") == 0;
    struct buf text;
    buf_init(&text, ROLE_MAX_BYTES);
    struct json_writer json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_put_key(&json, policy->role_claim ? policy->role_claim : "role");
    put_roles(&json, policy, is_admin);
    json_end_object(&json);
    buf_append_char(&text, '\0');
    bool added = !text.failed && jwt_add_grants_json(jwt, text.data) == 0;
    buf_fini(&text);
    return added;
}

static bool add_claims(jwt_t *jwt, const struct jwt_policy *policy, const struct jwt_claims *claims, int64_t now_s)
{
    return jwt_add_grant(jwt, "sub", claims->subject) == 0 && add_role(jwt, policy, claims->is_admin) &&
           jwt_add_grant_int(jwt, "iat", (long)now_s) == 0 &&
           jwt_add_grant_int(jwt, "exp", (long)claims->expires_at_s) == 0 &&
           (!policy->issuer || jwt_add_grant(jwt, "iss", policy->issuer) == 0) &&
           (!policy->audience || jwt_add_grant(jwt, "aud", policy->audience) == 0);
}

/* If the token means something else than was asked for, gives none. */
static bool is_as_claimed(const struct jwt_policy *policy, const struct clock *clock, const char *token,
                          const struct jwt_claims *claims)
{
    struct jwt_claims read;
    return jwt_verify(policy, clock, token, strlen(token), &read) == CHAT_OK && read.is_admin == claims->is_admin;
}

char *jwt_issue(const struct jwt_policy *policy, const struct clock *clock, const struct jwt_claims *claims)
{
    if (policy->algorithm != JWT_HS256 || policy->key_len > INT_MAX || !jwt_is_subject(claims->subject)) return NULL;
    jwt_t *jwt = NULL;
    if (jwt_new(&jwt) != 0) return NULL;
    char *token = NULL;
    if (add_claims(jwt, policy, claims, clock_wall_ms(clock) / 1000) &&
        jwt_set_alg(jwt, JWT_ALG_HS256, policy->key, (int)policy->key_len) == 0)
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    if (token && !is_as_claimed(policy, clock, token, claims)) {
        free(token);
        return NULL;
    }
    return token;
}

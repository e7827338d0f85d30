#include <jwt.h>
#include <limits.h>

#include "auth/jwt.h"

static bool add_claims(jwt_t *jwt, const struct jwt_policy *policy, const struct jwt_claims *claims, int64_t now_s)
{
    return jwt_add_grant(jwt, "sub", claims->subject) == 0 &&
           jwt_add_grant(jwt, "role", claims->is_admin ? "admin" : "user") == 0 &&
           jwt_add_grant_int(jwt, "iat", (long)now_s) == 0 &&
           jwt_add_grant_int(jwt, "exp", (long)claims->expires_at_s) == 0 &&
           (!policy->issuer || jwt_add_grant(jwt, "iss", policy->issuer) == 0) &&
           (!policy->audience || jwt_add_grant(jwt, "aud", policy->audience) == 0);
}

char *jwt_issue(const struct jwt_policy *policy, const struct clock *clock, const struct jwt_claims *claims)
{
    char *token = NULL;
    jwt_t *jwt = NULL;

    if (policy->algorithm != JWT_HS256 || policy->key_len > INT_MAX || !jwt_is_subject(claims->subject)) return NULL;
    if (jwt_new(&jwt) != 0) return NULL;
    if (add_claims(jwt, policy, claims, clock_wall_ms(clock) / 1000) &&
        jwt_set_alg(jwt, JWT_ALG_HS256, policy->key, (int)policy->key_len) == 0)
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    return token;
}

#include "domain/problem.h"

#include <string.h>

static bool has_field(const struct problem *problem, const char *name)
{
    for (size_t i = 0; i < problem->field_count; i++) {
        if (strcmp(problem->fields[i].name, name) == 0) return true;
    }
    return false;
}

enum chat_error problem_field(struct problem *problem, const char *name, const char *message)
{
    if (problem->field_count < PROBLEM_MAX_FIELDS && !has_field(problem, name))
        problem->fields[problem->field_count++] = (struct problem_field){name, message};
    if (!problem->param) problem->param = name;
    problem->error = CHAT_ERR_VALIDATION_FAILED;
    return problem->error;
}

enum chat_error problem_set(struct problem *problem, enum chat_error error, const char *message)
{
    problem->error = error;
    problem->message = message;
    return error;
}

#pragma once
/* The rules of a job's policies: SPEC is the job's, PATH its path. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"

/* podFailurePolicy, when there is one. */
void job_check_failure_policy(const json_t *spec, const char *path, FieldErrors *errors);

/* successPolicy, of an indexed job that has one. */
void job_check_success_policy(const json_t *spec, const char *path, FieldErrors *errors);

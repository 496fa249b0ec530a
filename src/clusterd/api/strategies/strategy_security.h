#pragma once
/* Security contexts. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"

/* What the pod's spec at PATH shares with its node, and its kernel parameters. */
void security_check_pod(const json_t *spec, const char *path, FieldErrors *errors);

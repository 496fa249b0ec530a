#pragma once
/* Where pods may go. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"

/* Node selector, scheduling gates and spread constraints of the pod's spec at PATH, as far as they concern the whole.
 */
void placement_check_pod(const json_t *spec, const char *path, FieldErrors *errors);

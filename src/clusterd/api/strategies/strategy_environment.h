#pragma once
/* What containers and volumes share of the members of pods that can be shown to programs. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/field_errors.h"

/* An ObjectFieldSelector whose path must be among SUPPORTED (NULL-terminated, sorted) or one label or annotation. */
void environment_check_field(const json_t *reference, const char *const *supported, const char *path,
                             FieldErrors *errors);

/* A ResourceFieldSelector; in a volume it must name its container. */
void environment_check_resource(const json_t *reference, bool in_volume, const char *path, FieldErrors *errors);

/* The envFrom of a container at PATH. */
void environment_check_from(const json_t *container, const char *path, FieldErrors *errors);

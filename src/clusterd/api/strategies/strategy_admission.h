#pragma once
/* What the rules of webhooks and of admission policies share. PATH is that of the object given first. */
#include "clusterd/api/field_errors.h"

extern const char *const admission_failure_policies[], *const admission_match_policies[];

/* The member, when it is there, is one of SUPPORTED (NULL-terminated). */
void admission_check_supported(const json_t *object, const char *member, const char *const *supported, const char *path,
                               FieldErrors *errors);

/* The rules of OWNER's matchConditions that need no CEL. */
void admission_check_conditions(const json_t *owner, const char *path, FieldErrors *errors);

#pragma once
/* Services: what their defaults and their rules share. SPEC is a service's. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/field_errors.h"
#include "clusterd/api/kind.h"

/* Whether the type is TYPE, and whether services of this type have cluster IPs. */
bool service_has_type(const json_t *spec, const char *type);
bool service_needs_cluster_ip(const json_t *spec);

/* Whether it can be reached from outside of the cluster. */
bool service_is_external(const json_t *spec);

/* The rules of a new service, and of one that takes the place of OLD. */
void service_validate_create(const json_t *object, FieldErrors *errors);
void service_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                             FieldErrors *errors);

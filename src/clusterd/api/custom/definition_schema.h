#pragma once
/* Whether a schema is structural: what a CustomResourceDefinition may say of its objects. Source: KEP-1002,
 * k8s.io/apiextensions-apiserver/pkg/apiserver/schema/validation.go. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/field_errors.h"

/* Adds what is wrong with SCHEMA (a JSONSchemaProps, may be NULL) at PATH. HAS_STATUS: the status subresource is on,
 * which leaves the root less to say. */
void definition_schema_validate(const json_t *schema, const char *path, bool has_status, FieldErrors *errors);

/* True when SCHEMA holds rules in CEL, at any depth. */
bool definition_schema_has_rules(const json_t *schema);

#pragma once
/* The versions of a CustomResourceDefinition: schema, subresources, columns and selectable fields of each. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"

/* Adds what is wrong with SPEC's versions. What all versions have in common is told of once, as upstream has it: at
 * spec.validation, spec.subresources, spec.additionalPrinterColumns or spec.selectableFields. */
void definition_versions_validate(const json_t *spec, FieldErrors *errors);

/* The version NAME of SPEC, borrowed, or NULL. */
const json_t *definition_version(const json_t *spec, const char *name);

#pragma once
/* The rules of metadata, which all kinds share. Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"
#include "clusterd/api/kind.h"

/* Checks VALUE's metadata; OLD is NULL on create. */
void validate_metadata(const ApiKind *kind, const json_t *value, const json_t *old, FieldErrors *errors);

/* A map of labels at PATH: keys are qualified names, values label values. LABELS may be NULL. */
void validate_labels(const json_t *labels, const char *path, FieldErrors *errors);

/* The metadata of a template (labels, annotations, finalizers), at PATH ("spec.template.metadata"). */
void validate_template_metadata(const json_t *metadata, const char *path, FieldErrors *errors);

#pragma once
/* The parts of the pod strategy. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"
#include "clusterd/api/kind.h"

/* "Guaranteed", "Burstable" or "BestEffort": the quality of service that the containers' resources ask for.
 * Source: kubernetes.io/docs/concepts/workloads/pods/pod-qos. */
const char *pod_qos_class(const json_t *spec);

/* No image of the containers has blanks around it. */
void pod_check_images(const json_t *spec, FieldErrors *errors);

/* strategy_pod_annotations.c: the annotations, at PATH, of a pod or of a template; and what an update may not change of
 * them. Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePodSpecificAnnotations and its updates. */
void pod_check_annotations(const json_t *object, const char *path, FieldErrors *errors);
void pod_check_annotation_changes(const json_t *object, const json_t *old, FieldErrors *errors);

/* strategy_pod_update.c */
void pod_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context);
void pod_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context, FieldErrors *errors);

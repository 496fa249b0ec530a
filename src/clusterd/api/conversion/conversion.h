#pragma once
/* Conversion between the version a client speaks and the one that is stored, for the kinds where more than apiVersion
 * differs; see ApiKind.convert_to_storage. Each returns a new reference and leaves OBJECT alone. */
#include <jansson.h>

/* events.k8s.io/v1 Event, stored as core/v1 Event. Source: k8s.io/kubernetes/pkg/apis/events/v1/conversion.go. */
json_t *convert_events_v1_to_storage(const json_t *object);
json_t *convert_events_v1_from_storage(const json_t *object);

/* autoscaling/v1 HorizontalPodAutoscaler, stored as autoscaling/v2. What v1 cannot say (metrics besides CPU, behavior,
 * conditions) travels in annotations autoscaling.alpha.kubernetes.io/NAME, so that a v1 client that writes back what it
 * read loses nothing. Source: k8s.io/kubernetes/pkg/apis/autoscaling/v1/conversion.go. */
json_t *convert_autoscaling_v1_to_storage(const json_t *object);
json_t *convert_autoscaling_v1_from_storage(const json_t *object);

/* autoscaling/v2beta1 HorizontalPodAutoscaler, stored as autoscaling/v2; behavior travels in an annotation. Source:
 * k8s.io/kubernetes/pkg/apis/autoscaling/v2beta1/conversion.go. */
json_t *convert_autoscaling_v2beta1_to_storage(const json_t *object);
json_t *convert_autoscaling_v2beta1_from_storage(const json_t *object);

/* extensions/v1beta1 and apps/v1beta1 Deployment: spec.rollbackTo is an annotation in apps/v1. */
json_t *convert_rollback_to_storage(const json_t *object);
json_t *convert_rollback_from_storage(const json_t *object);

/* extensions/v1beta1 DaemonSet: spec.templateGeneration is an annotation in apps/v1. */
json_t *convert_extensions_daemon_set_to_storage(const json_t *object);
json_t *convert_extensions_daemon_set_from_storage(const json_t *object);

/* extensions/v1beta1 and networking.k8s.io/v1beta1 Ingress, stored as networking.k8s.io/v1. */
json_t *convert_ingress_v1beta1_to_storage(const json_t *object);
json_t *convert_ingress_v1beta1_from_storage(const json_t *object);

/* discovery.k8s.io/v1beta1 EndpointSlice. Source: k8s.io/kubernetes/pkg/apis/discovery/v1beta1/conversion.go. */
json_t *convert_endpoint_slice_v1beta1_to_storage(const json_t *object);
json_t *convert_endpoint_slice_v1beta1_from_storage(const json_t *object);

/* policy/v1beta1 PodDisruptionBudget. Source: k8s.io/kubernetes/pkg/apis/policy/v1beta1/conversion.go. */
json_t *convert_pod_disruption_budget_v1beta1_to_storage(const json_t *object);
json_t *convert_pod_disruption_budget_v1beta1_from_storage(const json_t *object);

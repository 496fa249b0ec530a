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

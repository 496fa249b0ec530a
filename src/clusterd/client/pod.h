#pragma once
/* What components ask of a Pod's value. Source: k8s.io/kubernetes pkg/api/v1/pod. All results are borrowed. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *pod_phase(const json_t *pod); /* "" when there is none */
const char *pod_node(const json_t *pod);  /* spec.nodeName, "" while unscheduled */
bool pod_is_finished(const json_t *pod);  /* Succeeded or Failed: no container will run again */
bool pod_is_deleting(const json_t *pod);  /* metadata.deletionTimestamp is set */
bool pod_is_active(const json_t *pod);    /* neither of the two: counts as a replica */
bool pod_is_ready(const json_t *pod);     /* condition Ready is True */

/* True when the pod has been ready for MIN_READY_SECONDS. When it is ready but not that long yet, *WAIT_US gets what is
 * missing (else it is left alone). */
bool pod_is_available(const json_t *pod, int64_t min_ready_seconds, int64_t now_us, int64_t *wait_us);

/* The sum of its containers' restarts. */
int64_t pod_restarts(const json_t *pod);

/* The number of the container port that TARGET_PORT (an integer or a name) means in this pod for PROTOCOL; 0 when the
 * pod has no port of that name. */
int pod_find_port(const json_t *pod, const json_t *target_port, const char *protocol);

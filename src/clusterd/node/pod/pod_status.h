#pragma once
/* From what the node sees to what the API shows: a pure function. Source: pkg/kubelet/kubelet_pods.go (phases),
 * pkg/kubelet/status/generate.go (conditions), Kubernetes "Pod Lifecycle". */
#include <glib.h>
#include <jansson.h>
#include <stdint.h>

#include "clusterd/node/pod/pod_state.h"

/* The PodStatus of STATE; OLD is what the API has (may be NULL): conditions keep their times, and those that are not
 * ours, their places. New reference. */
json_t *pod_status_build(const PodState *state, const json_t *old, int64_t now_us);

/* "Pending", "Running", "Succeeded" or "Failed", from the containers alone. */
const char *pod_status_phase(const PodState *state);

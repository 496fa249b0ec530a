#pragma once
/* Which claims a pod uses. Source: k8s.io/kubernetes pkg/controller/volume/common, component-helpers storage/ephemeral.
 */
#include "clusterd/client/informer.h"

/* Of pods: "namespace/name" of each claim among their volumes, the claims of generic ephemeral volumes included. */
#define PODS_BY_CLAIM "pod-claims"
char **pod_claims_index(const Object *pod);

/* The name of the claim of a generic ephemeral volume: pod and volume. The caller frees. */
char *pod_claims_ephemeral_name(const json_t *pod, const json_t *volume);

/* True when CLAIM was made for POD: the pod controls it. */
bool pod_claims_is_owner(const json_t *pod, const json_t *claim);

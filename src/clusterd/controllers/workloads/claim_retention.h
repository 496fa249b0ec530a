#pragma once
/* Pure: who owns the claims of a stateful set's pods, which is how spec.persistentVolumeClaimRetentionPolicy works:
 * what the owner's end takes along, the garbage collector deletes.
 *
 *   whenScaled  whenDeleted  owner
 *   Retain      Retain       none
 *   Retain      Delete       the set
 *   Delete      Retain       the pod, once it is beyond the set's range
 *   Delete      Delete       the set; the pod instead, once it is beyond the set's range
 *
 * Source: k8s.io/kubernetes pkg/controller/statefulset/stateful_set_utils.go. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/object.h"

/* The owner references CLAIM should have for POD of SET, SURPLUS telling whether the pod is beyond the set's range. New
 * reference; NULL when it has them, or when it is in other hands: owned by an earlier set or pod of the same name, or
 * by another controller. */
json_t *claim_retention_owners(const json_t *claim, const json_t *set, const json_t *pod, bool surplus);

/* True when CLAIM belongs to a pod POD_NAME that is gone: it will be deleted, and a new pod must wait for that. */
bool claim_retention_is_stale(const json_t *claim, const json_t *set, const char *pod_name);

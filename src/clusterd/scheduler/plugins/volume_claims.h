#pragma once
/* What persistent volume claims and volumes say that bears on placing pods. Pure.
 * Source: k8s.io/component-helpers storage/volume. */
#include "clusterd/scheduler/cluster_state.h"

#define SELECTED_NODE "volume.kubernetes.io/selected-node"
#define BIND_COMPLETED "pv.kubernetes.io/bind-completed"
#define BOUND_BY_CONTROLLER "pv.kubernetes.io/bound-by-controller"
#define NO_PROVISIONER "kubernetes.io/no-provisioner"

/* An annotation; NULL: there is none. */
const char *claim_annotation(const json_t *object, const char *name);

/* The volume is chosen and both sides know. */
bool claim_is_bound(const json_t *claim);

/* The class CLAIM asks for, "" for none. */
const char *claim_class_name(const json_t *claim);

/* The class of CLAIM, borrowed; NULL: there is none. */
const json_t *claim_class(const ClusterState *state, const json_t *claim);

/* A volume is chosen only once a pod that uses the claim has been placed. */
bool claim_waits_for_pod(const ClusterState *state, const json_t *claim);

/* The bytes CLAIM asks for, VOLUME has. */
int64_t claim_size(const json_t *claim);
int64_t volume_size(const json_t *volume);

/* VOLUME, which nobody has, would do for CLAIM on some node; one that is reserved for CLAIM counts as free. */
bool volume_would_do(const json_t *volume, const json_t *claim);

/* VOLUME can be used on NODE. */
bool volume_reaches(const json_t *volume, const json_t *node);

/* A volume of CLASS can be made for use on NODE. */
bool class_provisions_for(const json_t *storage_class, const json_t *node);

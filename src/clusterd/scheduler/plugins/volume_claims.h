#pragma once
/* What claims say that bears on placing pods, besides what the binder asks as well (client/volume_match.h). Pure.
 * Source: k8s.io/component-helpers storage/volume. */
#include "clusterd/client/volume_match.h"
#include "clusterd/scheduler/cluster_state.h"

/* The volume is chosen and both sides know. */
bool claim_is_bound(const json_t *claim);

/* The class of CLAIM, borrowed; NULL: there is none. */
const json_t *claim_class(const ClusterState *state, const json_t *claim);

/* VOLUME is nobody's, or reserved for CLAIM, and would do for it on some node. */
bool claim_may_have(const json_t *claim, const json_t *volume);

/* A volume of CLASS can be made for use on NODE. */
bool class_provisions_for(const json_t *storage_class, const json_t *node);

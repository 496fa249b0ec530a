#pragma once
/* Which nodes a pod may use by its own words: node selectors, affinity, tolerations. Pure.
 * Source: k8s.io/component-helpers scheduling/corev1. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* True when any term of a NodeSelector (nodeSelectorTerms) matches NODE. */
bool node_match_selector(const json_t *selector, const json_t *node);

/* spec.nodeSelector and the required node affinity of POD against NODE. */
bool node_match_required(const json_t *pod, const json_t *node);

/* The sum of the weights of the preferred terms that match. */
int64_t node_match_preferred(const json_t *pod, const json_t *node);

/* The first taint of NODE with one of the NULL-terminated EFFECTS that POD does not tolerate; NULL: none. */
const json_t *node_match_untolerated(const json_t *pod, const json_t *node, const char *const *effects);

/* How many taints with the effect PreferNoSchedule POD does not tolerate. */
int node_match_count_disliked(const json_t *pod, const json_t *node);

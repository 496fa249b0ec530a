#pragma once
/* Taints of nodes and the tolerations of pods. Source: k8s.io/api core/v1 Toleration.ToleratesTaint. */
#include <jansson.h>
#include <stdbool.h>

/* True when TOLERATION tolerates TAINT. */
bool taint_is_tolerated_by(const json_t *taint, const json_t *toleration);

/* True when any toleration of POD does. */
bool taint_is_tolerated(const json_t *taint, const json_t *pod);

/* The taint KEY with EFFECT in a node's spec.taints; borrowed, or NULL. */
json_t *taint_find(const json_t *node, const char *key, const char *effect);

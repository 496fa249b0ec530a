#pragma once
/* Whether a pod that was bound to this node, by whomever, may begin on it. The scheduler has asked the same; who writes
 * spec.nodeName has not. Pure. Source: pkg/kubelet/lifecycle, predicate.go. */
#include <glib.h>
#include <jansson.h>

/* Looks whether POD fits on NODE (its object; NULL: it is not known yet) beside OTHERS (json_t*), of which ALLOCATABLE
 * ({resource: quantity}) is for pods. NULL: it does; else what its status says ("Node didn't have enough resource: …"),
 * which the caller frees, and *REASON gets why ("OutOfcpu", "NodeAffinity", "NodePorts"), static. */
char *pod_fit_refusal(const json_t *pod, const json_t *node, const json_t *allocatable, const GPtrArray *others,
                      const char **reason);

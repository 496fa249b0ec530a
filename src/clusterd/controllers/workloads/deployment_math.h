#pragma once
/* The arithmetic of a rollout, without any API. Source: k8s.io/kubernetes pkg/controller/deployment/util. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What one replica set of a deployment is and has. */
typedef struct SetSize {
  int64_t replicas;     /* spec.replicas */
  int64_t available;    /* status.availableReplicas */
  int64_t max_replicas; /* annotation deployment.kubernetes.io/max-replicas; 0: absent */
  int64_t target;       /* result */
} SetSize;

/* An integer or a percentage ("25%") of TOTAL, rounded up or down; FALLBACK when it is neither. */
int64_t int_or_percent(const json_t *value, int64_t total, bool round_up, int64_t fallback);

/* How many pods above and below spec.replicas a rolling update of this deployment SPEC may go; 0 for other strategies.
 */
int64_t deployment_max_surge(const json_t *spec);
int64_t deployment_max_unavailable(const json_t *spec);

/* The size the new replica set may grow to while all sets together have TOTAL pods. */
int64_t deployment_new_set_size(const json_t *spec, int64_t new_size, int64_t total);

/* Chooses the targets of the old sets (oldest first) so that never fewer pods are available than the strategy allows:
 * first pods that are not available go, then others. True when any target is below replicas. */
bool deployment_shrink_old(const json_t *spec, const SetSize *new_set, SetSize *old, unsigned n_old);

/* Shares a change of spec.replicas among all SETS in proportion to their sizes; what rounding leaves goes to the first.
 * SETS must be sorted: when growing, larger first, then newer; when shrinking, larger first, then older. */
void deployment_share(const json_t *spec, int64_t status_replicas, SetSize *sets, unsigned n_sets);

/* The value of the label pod-template-hash for TEMPLATE: safe characters only, as upstream makes it. The caller frees.
 */
char *deployment_template_hash(const json_t *template, int64_t collision_count);

/* True when two pod templates are the same but for the label pod-template-hash. */
bool deployment_same_template(const json_t *a, const json_t *b);

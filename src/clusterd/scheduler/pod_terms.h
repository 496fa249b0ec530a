#pragma once
/* A pod's rules about other pods: topology spread, affinity and anti-affinity, and the anti-affinity of pods that run
 * already. Counted once over the cluster, then asked for each node.
 * Source: k8s.io/kubernetes pkg/scheduler/framework/plugins/{interpodaffinity,podtopologyspread}. */
#include "clusterd/client/informer.h"
#include "clusterd/scheduler/cluster_state.h"

typedef struct PodTerms PodTerms;

typedef enum PodTermsResult { POD_TERMS_OK, POD_TERMS_MISSING_LABEL, POD_TERMS_TOO_MANY } PodTermsResult;

/* NULL when no rule of POD or of any pod concerns it. NAMESPACES serves namespace selectors. */
PodTerms *pod_terms_new(const ClusterState *state, const PodInfo *pod, Informer *namespaces);
void pod_terms_free(PodTerms *terms);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PodTerms, pod_terms_free)

PodTermsResult pod_terms_check_spread(const PodTerms *terms, const NodeState *node);
bool pod_terms_check_affinity(const PodTerms *terms, const NodeState *node);
bool pod_terms_check_anti_affinity(const PodTerms *terms, const NodeState *node);
bool pod_terms_check_others(const PodTerms *terms, const NodeState *node);

/* What the preferred terms and ScheduleAnyway constraints make of NODE: higher is better, not normalized. */
int64_t pod_terms_score(const PodTerms *terms, const NodeState *node);

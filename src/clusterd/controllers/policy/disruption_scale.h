#pragma once
/* How many pods a PodDisruptionBudget is about. */
#include "clusterd/client/informer.h"

typedef struct DisruptionScale {
  int64_t expected; /* pods there should be */
  int64_t desired;  /* of them healthy */
  bool unmanaged;   /* some pods have no controller whose scale would tell */
} DisruptionScale;

/* Counts for BUDGET (the value) and the PODS (Object*) it selects: with a whole minAvailable the pods themselves, else
 * the replicas that their controllers are asked for. False when a controller is not there or has no scale. */
bool disruption_scale_count(Client *client, const json_t *budget, GPtrArray *pods, DisruptionScale *scale,
                            GError **error);

/* How many of PODS are ready, stay, and are not in DISRUPTED (name → time) for less than TIMEOUT_US at NOW_US. */
int64_t disruption_count_healthy(GPtrArray *pods, const json_t *disrupted, int64_t timeout_us, int64_t now_us);

/* LabelSelector SELECTOR as Go prints it: events show it so. The caller frees. */
char *disruption_selector_text(const json_t *selector);

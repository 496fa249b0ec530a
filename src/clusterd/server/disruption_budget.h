#pragma once
/* What the eviction subresource and the controller of disruption budgets both write.
 * Source: k8s.io/component-helpers apps/poddisruptionbudget. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define DISRUPTION_CONDITION "DisruptionAllowed"
#define DISRUPTION_SYNC_FAILED "SyncFailed"

/* Sets the condition DisruptionAllowed in a PodDisruptionBudget's STATUS to what its disruptionsAllowed says, for its
 * observedGeneration. True when anything changed. */
bool disruption_budget_set_condition(json_t *status);

/* The same condition as False with reason SyncFailed and MESSAGE. */
bool disruption_budget_set_failed(json_t *status, const char *message);

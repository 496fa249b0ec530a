#pragma once
/* Which pods each autoscaler looks after: two that work on the same pods would undo each other's work, and both stop.
 * Thread-safe. Source: k8s.io/kubernetes pkg/controller/podautoscaler (ambiguous selectors). */
#include <glib.h>

#include "clusterd/api/selector/selector.h"

typedef struct HorizontalClaims HorizontalClaims;

HorizontalClaims *horizontal_claims_new(void);
void horizontal_claims_free(HorizontalClaims *claims);

/* Notes that the autoscaler KEY ("namespace/name") looks after the pods that SELECTOR (taken) matches. When others of
 * its namespace look after any of PODS (Object*), too: "ns/a ns/b", all of them with KEY, in the order of their names,
 * which the caller frees; else NULL. */
char *horizontal_claims_put(HorizontalClaims *claims, const char *key, LabelSelector *selector, const GPtrArray *pods);

/* KEY is gone. */
void horizontal_claims_drop(HorizontalClaims *claims, const char *key);

#pragma once
/* What objects count for in quotas. Source: pkg/quota/v1/evaluator/core and apiserver/pkg/quota/v1. */
#include "clusterd/api/kind.h"
#include "clusterd/api/resource_list.h"

/* Whether NAME of a quota ("requests.cpu", "count/jobs.batch") is measured on objects of KIND (a storage version). */
bool quota_measures(const ApiKind *kind, const char *name);

/* Whether a write may make an object of KIND count for more: others are only looked at when they are created. */
bool quota_measures_updates(const ApiKind *kind);

/* What OBJECT counts for at the time NOW_US, under all names it counts for. The caller clears. */
ResourceList quota_usage(const ApiKind *kind, const json_t *object, int64_t now_us);

/* Whether the quota with this SPEC is about OBJECT: it names something measured on its kind, and its scopes fit. */
bool quota_matches(const json_t *spec, const ApiKind *kind, const json_t *object);

/* What the containers of POD must say because HARD limits it ("must specify limits.cpu for: c; …"); NULL: nothing. The
 * caller frees. */
char *quota_missing(const json_t *pod, const ResourceList *hard);

/* When a pod that is being deleted stops to count although it is still there, in µs since the epoch; 0: it is not being
 * deleted. */
int64_t quota_pod_expiry(const json_t *pod);

/* Whether OBJECT, changed from OLD, may count for less than before. */
bool quota_may_shrink(const ApiKind *kind, const json_t *old, const json_t *object);

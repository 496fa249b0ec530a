#pragma once
/* The part of ResourceQuota that the quota controller drives: recounting what a namespace uses. The admission plugin
 * (admission/resource_quota.c) charges quotas when objects are created; only a recount gives back what deleted objects
 * used. */
#include "clusterd/server/registry/registry.h"

/* Counts anew what is used of all quotas of NAMESPACE (of quota NAME alone when it is not NULL) and writes their status
 * where it differs. Objects that are just being created count already. Thread-safe; blocks on the disk. */
bool resource_quota_recount(Registry *registry, const char *namespace_, const char *name, GError **error);

/* Calls STALE whenever a recount of the quota NAME may change its status: it is new or wants something else, or an
 * object it counts is gone or smaller. DELAY_US is 0, or the time until that is so. On the store's thread: STALE must
 * not block nor call the registry. One listener a registry; NULL ends it, after which STALE is not running. */
typedef void (*ResourceQuotaStale)(const char *namespace_, const char *name, int64_t delay_us, void *data);
void resource_quota_listen(Registry *registry, ResourceQuotaStale stale, void *data);

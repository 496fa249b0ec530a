#pragma once
/* A ResourceList ("cpu": "500m", …) with exact amounts: what quotas and limit ranges count in. Kept sorted by name. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/quantity.h"

typedef struct ResourceEntry {
  char *name;
  Quantity amount;
} ResourceEntry;

/* All zero is an empty list. Not thread-safe. */
typedef struct ResourceList {
  ResourceEntry *entries; /* sorted by name, byte order */
  guint n, allocated;
} ResourceList;

void resource_list_clear(ResourceList *list);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ResourceList, resource_list_clear)

/* From a JSON object of quantities (NULL: empty); what is no quantity is left out. The caller clears. */
ResourceList resource_list_from_json(const json_t *map);

/* The JSON object. New reference. */
json_t *resource_list_json(const ResourceList *list);

/* The amount of NAME, borrowed until the list changes; NULL when it is not in the list. */
const Quantity *resource_list_get(const ResourceList *list, const char *name);

/* Makes AMOUNT the amount of NAME. */
void resource_list_set(ResourceList *list, const char *name, Quantity amount);

/* Adds FROM to TO name by name; subtracts it. */
void resource_list_add(ResourceList *to, const ResourceList *from);
void resource_list_subtract(ResourceList *to, const ResourceList *from);

/* True when both name the same resources with the same amounts. */
bool resource_list_equal(const ResourceList *a, const ResourceList *b);

/* A quantity of COUNT whole things. */
Quantity resource_count(int64_t count);

/* What a pod asks for as the scheduler and quotas count it: the sum of its containers and sidecars, or of what runs
 * while one of its init containers does, whichever is more. MEMBER is "requests" or "limits". With OVERHEAD the pod's
 * overhead is added: to all requests, but only to limits that are there. The caller clears.
 * Source: pkg/api/v1/resource, PodRequests and PodLimits. */
ResourceList resource_list_of_pod(const json_t *pod, const char *member, bool overhead);

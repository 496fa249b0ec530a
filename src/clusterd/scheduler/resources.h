#pragma once
/* Amounts of resources by name: cpu in thousandths, everything else in whole units. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ResourceAmount {
  const char *name; /* interned */
  int64_t amount;
} ResourceAmount;

typedef struct Resources {
  GArray *amounts; /* ResourceAmount; NULL: nothing */
} Resources;

void resources_clear(Resources *resources);

/* From a map of quantities (requests, allocatable). Names and texts that are not valid count as nothing. */
Resources resources_from_json(const json_t *map);
int64_t resources_get(const Resources *resources, const char *name);

/* TO += SIGN · FROM */
void resources_add(Resources *to, const Resources *from, int sign);
/* Each amount of TO becomes at least that of FROM. */
void resources_raise(Resources *to, const Resources *from);

/* What a pod asks for: the larger of its containers together and any init container at its time, sidecars and overhead
 * included. Source: k8s.io/component-helpers resource.PodRequests. */
Resources resources_of_pod(const json_t *pod);

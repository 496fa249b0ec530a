#pragma once
/* Pure: the endpoints a service has, from the service and the pods its selector matches.
 * Source: k8s.io/kubernetes pkg/controller/endpoint, staging/src/k8s.io/endpointslice. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define ENDPOINTS_ADDRESSES_MAX 1000
#define ENDPOINT_SLICE_SIZE_MAX 100

/* Endpoints.subsets of SERVICE, in its first address family, with PODS (Object*). *TRUNCATED tells that there were more
 * than ENDPOINTS_ADDRESSES_MAX; then those that are ready come first. New reference, in a stable order. */
json_t *endpoint_sets_subsets(const json_t *service, GPtrArray *pods, bool *truncated);

/* The same for EndpointSlices: an array of {addressType, ports, endpoints}, one for each list of ports the pods resolve
 * the service's to, for each of the service's address families, endpoints unlimited; a family without any has one with
 * neither ports nor endpoints. ZONES has the zone of every node there is ("" without one): a pod whose node is not
 * there is left out, unless the service publishes all. New reference. */
json_t *endpoint_sets_slices(const json_t *service, GPtrArray *pods, GHashTable *zones);

/* The same for hand-made Endpoints, of each subset at most ENDPOINTS_ADDRESSES_MAX, those that are ready first;
 * *SKIPPED tells how many more there were. New reference. */
json_t *endpoint_sets_mirror(const json_t *endpoints, size_t *skipped);

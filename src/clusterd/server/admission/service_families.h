#pragma once
/* Which IP families a Service has: spec.ipFamilies and spec.ipFamilyPolicy as the cluster's own families, the request
 * and what was there before make them. Source: Kubernetes "IPv4/IPv6 dual-stack", KEP-563,
 * k8s.io/kubernetes/pkg/registry/core/service/storage. */
#include <jansson.h>
#include <stdbool.h>

#include "base/ip_address.h"
#include "clusterd/api/field_errors.h"

typedef struct ServiceFamilies {
  unsigned count; /* of families that services of this cluster can have, 1 or 2 */
  IpFamily of[IP_FAMILIES];
} ServiceFamilies;

/* Completes SPEC, not of an ExternalName service; OLD is the stored one's spec, NULL when there is none. A second
 * address or family that the request gives up is taken out of SPEC. What cannot be is told to ERRORS. */
void service_families_complete(json_t *spec, const json_t *old, const ServiceFamilies *cluster, FieldErrors *errors);

/* The family at INDEX of SPEC's ipFamilies; false when there is none. */
bool service_family_at(const json_t *spec, size_t index, IpFamily *family);

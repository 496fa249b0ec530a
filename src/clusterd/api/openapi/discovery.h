#pragma once
/* Discovery documents, legacy and aggregated (KEP-3352). New references. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/scheme.h"

json_t *discovery_api_versions(const char *server_address);          /* GET /api */
json_t *discovery_group_list(const ApiScheme *scheme);               /* GET /apis */
json_t *discovery_group(const ApiScheme *scheme, const char *group); /* GET /apis/GROUP, or NULL */
json_t *discovery_resource_list(const ApiScheme *scheme, const char *group, const char *version); /* or NULL */
/* APIGroupDiscoveryList in apidiscovery.k8s.io/VERSION ("v2", "v2beta1"); CORE: only the legacy group (/api). */
json_t *discovery_aggregated(const ApiScheme *scheme, bool core, const char *version);

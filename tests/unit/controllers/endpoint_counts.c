#include "endpoint_counts.h"

#include <string.h>

#include "base/json.h"

size_t endpoints_count_addresses(Cluster *cluster, const char *name, const char *list)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, name);
  size_t count = 0, i;
  json_t *subset;
  json_array_foreach (json_object_get(value, "subsets"), i, subset)
    count += json_array_size(json_object_get(subset, list));
  return count;
}

size_t endpoints_count_sliced(Cluster *cluster, const char *service, bool ready)
{
  g_autoptr(GPtrArray) slices = cluster_list(cluster, "discovery.k8s.io/v1", "endpointslices", NULL);
  size_t count = 0, k;
  json_t *endpoint;
  for (unsigned i = 0; i < slices->len; i++) {
    const json_t *slice = object_json(g_ptr_array_index(slices, i));
    const json_t *labels = json_at(slice, "metadata", "labels", NULL);
    if (strcmp(json_str(labels, "kubernetes.io/service-name", ""), service) == 0)
      json_array_foreach (json_object_get(slice, "endpoints"), k, endpoint)
        count += json_flag(json_object_get(endpoint, "conditions"), "ready", true) == ready;
  }
  return count;
}

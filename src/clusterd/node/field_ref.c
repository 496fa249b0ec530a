#include "clusterd/node/field_ref.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "clusterd/node/pod_spec.h"

/* A label or annotation map as files hold it: KEY="ESCAPED VALUE", sorted, a line each. */
static char *map_text(json_t *map)
{
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  const char *key;
  json_t *value;
  json_object_foreach (map, key, value) {
    g_autofree char *escaped = g_strescape(json_string_value(value) ? json_string_value(value) : "", NULL);
    g_ptr_array_add(lines, g_strdup_printf("%s=\"%s\"", key, escaped));
  }
  g_ptr_array_sort(lines, pod_spec_compare_strings);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}

/* The KEY of "metadata.labels['KEY']"; NULL when PATH is not of this form. The caller frees. */
static char *subscript(const char *path, const char *prefix)
{
  gsize length = strlen(prefix);
  if (!g_str_has_prefix(path, prefix) || !g_str_has_prefix(path + length, "['") || !g_str_has_suffix(path, "']"))
    return NULL;
  return g_strndup(path + length + 2, strlen(path) - length - 4);
}

static char *from_map(const json_t *map, const char *key)
{
  return g_strdup(json_str(map, key, ""));
}

char *field_ref_text(const json_t *pod, const char *path, AddressPair pod_ips, const NodeFacts *node, GError **error)
{
  const json_t *metadata = json_object_get(pod, "metadata"), *spec = json_object_get(pod, "spec");
  g_autofree char *label = subscript(path, "metadata.labels");
  g_autofree char *all_of_pod = address_pair_text(pod_ips);
  g_autofree char *all_of_host = address_pair_text((AddressPair){ node->ip, node->other_ip });
  g_autofree char *annotation = subscript(path, "metadata.annotations");
  const struct {
    const char *path, *value;
  } plain[] = { { "metadata.name", json_str(metadata, "name", "") },
                { "metadata.namespace", json_str(metadata, "namespace", "") },
                { "metadata.uid", json_str(metadata, "uid", "") },
                { "spec.nodeName", json_str(spec, "nodeName", "") },
                { "spec.serviceAccountName", json_str(spec, "serviceAccountName", "") },
                { "status.hostIP", node->ip },
                { "status.hostIPs", all_of_host },
                { "status.podIP", pod_ips.ip ? pod_ips.ip : "" },
                { "status.podIPs", all_of_pod } };
  for (gsize i = 0; i < G_N_ELEMENTS(plain); i++)
    if (g_str_equal(path, plain[i].path))
      return g_strdup(plain[i].value);
  if (label)
    return from_map(json_object_get(metadata, "labels"), label);
  if (annotation)
    return from_map(json_object_get(metadata, "annotations"), annotation);
  if (g_str_equal(path, "metadata.labels") || g_str_equal(path, "metadata.annotations"))
    return map_text(json_object_get(metadata, path + strlen("metadata.")));
  reason_set(error, REASON_INVALID, "unsupported fieldPath: %s", path);
  return NULL;
}

char *field_ref_resource(const json_t *pod, const json_t *container, const json_t *ref, const NodeFacts *node,
                         GError **error)
{
  const char *resource = json_str(ref, "resource", ""), *name = json_str(ref, "containerName", NULL);
  g_auto(GStrv) parts = g_strsplit(resource, ".", 2);
  Quantity quantity = { 0 }, divisor = { .nano = 1000000000 };
  if (name)
    container = pod_spec_container(pod, name);
  const char *text = json_string_value(json_at(container, "resources", parts[0], parts[0] ? parts[1] : NULL, NULL));
  bool is_cpu = g_str_has_suffix(resource, ".cpu"), is_memory = g_str_has_suffix(resource, ".memory");
  if (!parts[0] || !parts[1] || !container) {
    reason_set(error, REASON_INVALID, "unsupported container resource: %s", resource);
    return NULL;
  }
  if (!text || !quantity_parse(text, &quantity, NULL)) {
    quantity.nano = 0;
    const char *most = g_str_equal(parts[0], "limits") ? json_str(node->allocatable, parts[1], NULL) : NULL;
    bool known = most && quantity_parse(most, &quantity, NULL);
    if (!known && g_str_equal(parts[0], "limits") && is_cpu)
      quantity.nano = (__int128)node->cpu_milli * 1000000;
    else if (!known && g_str_equal(parts[0], "limits") && is_memory)
      quantity.nano = (__int128)node->memory_bytes * 1000000000;
  }
  const char *divisor_text = json_str(ref, "divisor", "1");
  if (!quantity_parse(divisor_text, &divisor, NULL) || divisor.nano <= 0)
    divisor.nano = 1000000000; /* "0" is what the API stores where none is given */
  __int128 whole = (quantity.nano + divisor.nano - 1) / divisor.nano;
  return g_strdup_printf("%" G_GINT64_FORMAT, (gint64)whole);
}

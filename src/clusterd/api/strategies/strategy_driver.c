/* What storage drivers say of themselves, and what is attached where.
 * Source: k8s.io/kubernetes/pkg/apis/storage/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define NODE_ID_MAX 256

static void driver_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                   FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  strategy_check_immutable(json_object_get(spec, "attachRequired"), json_object_get(old_spec, "attachRequired"),
                           "spec.attachedRequired", errors); /* so upstream calls it */
  strategy_check_immutable(json_object_get(spec, "volumeLifecycleModes"),
                           json_object_get(old_spec, "volumeLifecycleModes"), "spec.volumeLifecycleModes", errors);
}

const ApiStrategy strategy_csi_driver = {
  .validate_update = driver_validate_update,
};

static void check_topology_keys(const json_t *driver, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *key;
  json_array_foreach (json_object_get(driver, "topologyKeys"), index, key) {
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_string_value(key)))
      field_errors_add(errors, FIELD_DUPLICATE, path, key, NULL);
    api_validate_format("qualifiedName", key, path, errors);
  }
}

static void node_validate_create(const json_t *object, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *driver;
  json_array_foreach (json_at(object, "spec", "drivers", NULL), index, driver) {
    const json_t *id = json_object_get(driver, "nodeID");
    g_autofree char *path = field_path_index("spec.drivers", index), *name_path = field_path_child(path, "name");
    g_autoptr(json_t) name = json_string(json_str(driver, "name", ""));
    if (json_string_length(name) == 0)
      field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
    else
      api_validate_format("dns1123subdomain", name, name_path, errors);
    if (json_string_length(id) == 0)
      field_errors_add_at(errors, FIELD_REQUIRED, path, "nodeID", NULL, NULL);
    else if (json_string_length(id) > NODE_ID_MAX)
      field_errors_add_at(errors, FIELD_INVALID, path, "nodeID", id, "must be %d characters or less", NODE_ID_MAX);
    if (!g_hash_table_add(names, (gpointer)(uintptr_t)json_str(driver, "name", "")))
      field_errors_add(errors, FIELD_DUPLICATE, name_path, name, NULL);
    check_topology_keys(driver, path, errors);
  }
}

static void node_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                 FieldErrors *errors)
{
  size_t i, j;
  json_t *before, *after;
  node_validate_create(object, errors);
  json_array_foreach (json_at(old, "spec", "drivers", NULL), i, before) {
    json_array_foreach (json_at(object, "spec", "drivers", NULL), j, after) {
      if (strcmp(json_str(before, "name", ""), json_str(after, "name", "")) == 0)
        strategy_check_immutable(after, before, "spec.drivers", errors);
    }
  }
}

const ApiStrategy strategy_csi_node = {
  .validate_create = node_validate_create,
  .validate_update = node_validate_update,
};

static void attachment_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *source = json_object_get(spec, "source");
  const json_t *name = json_object_get(source, "persistentVolumeName");
  const json_t *inside = json_object_get(source, "inlineVolumeSpec");
  g_autoptr(json_t) node = json_string(json_str(spec, "nodeName", ""));
  if (!*json_str(spec, "attacher", ""))
    field_errors_add(errors, FIELD_REQUIRED, "spec.attacher", NULL, NULL);
  if (!name && !inside)
    field_errors_add(errors, FIELD_REQUIRED, "spec.source", NULL,
                     "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
  else if (name && inside)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.source", NULL,
                     "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
  else if (name && json_string_length(name) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.source.persistentVolumeName", NULL,
                     "must specify non empty persistentVolumeName");
  api_validate_format("dns1123subdomain", node, "spec.nodeName", errors);
}

static void attachment_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                       FieldErrors *errors)
{
  attachment_validate_create(object, errors);
  strategy_check_immutable(json_object_get(object, "spec"), json_object_get(old, "spec"), "spec", errors);
}

const ApiStrategy strategy_volume_attachment = {
  .prepare_create = strategy_reset_status,
  .prepare_update = strategy_split_status,
  .validate_create = attachment_validate_create,
  .validate_update = attachment_validate_update,
};

/* Persistent volumes, claims, and the objects of storage drivers.
 * Source: k8s.io/kubernetes/pkg/apis/{core,storage}/validation. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/timestamp.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_resources.h"
#include "clusterd/api/validation.h"

#define PARAMETERS_MAX 512
#define PARAMETERS_BYTES_MAX (256 * 1024)
#define NODE_ID_MAX 256

static void check_access_modes(const json_t *spec, const char *path, const char *missing, FieldErrors *errors)
{
  static const char *const modes[] = { "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", NULL };
  const json_t *list = json_object_get(spec, "accessModes");
  g_autofree char *list_path = field_path_child(path, "accessModes");
  bool alone = false, others = false;
  size_t index;
  json_t *mode;
  if (json_array_size(list) == 0)
    field_errors_add(errors, FIELD_REQUIRED, list_path, NULL, "%s", missing);
  json_array_foreach ((json_t *)(uintptr_t)list, index, mode) {
    bool pod = strcmp(json_string_value(mode), "ReadWriteOncePod") == 0;
    bool known = g_strv_contains(modes, json_string_value(mode));
    if (!known)
      field_errors_add_unsupported(errors, list_path, mode, modes);
    alone = alone || pod;
    others = others || (known && !pod);
  }
  if (alone && others)
    field_errors_add(errors, FIELD_FORBIDDEN, list_path, NULL, "may not use ReadWriteOncePod with other access modes");
}

static void check_positive(const json_t *value, const char *path, FieldErrors *errors)
{
  Quantity amount;
  if (json_is_string(value) && quantity_parse(json_string_value(value), &amount, NULL) && amount.nano <= 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be greater than zero");
}

static void check_capacity(const json_t *spec, FieldErrors *errors)
{
  static const char *const names[] = { "storage", NULL };
  const json_t *capacity = json_object_get(spec, "capacity");
  const char *name;
  json_t *amount;
  g_autoptr(json_t) none = json_object();
  if (json_object_size(capacity) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec.capacity", NULL, NULL);
  if (!json_object_get(capacity, "storage") || json_object_size(capacity) > 1)
    field_errors_add_unsupported(errors, "spec.capacity", capacity ? capacity : none, names);
  json_object_foreach ((json_t *)(uintptr_t)capacity, name, amount) {
    g_autofree char *path = field_path_key("spec.capacity", name);
    check_positive(amount, path, errors);
  }
}

static const char *const volume_sources[] = { "hostPath",
                                              "gcePersistentDisk",
                                              "awsElasticBlockStore",
                                              "glusterfs",
                                              "flocker",
                                              "nfs",
                                              "rbd",
                                              "quobyte",
                                              "cephfs",
                                              "iscsi",
                                              "cinder",
                                              "fc",
                                              "flexVolume",
                                              "azureFile",
                                              "vsphereVolume",
                                              "photonPersistentDisk",
                                              "portworxVolume",
                                              "azureDisk",
                                              "scaleIO",
                                              "local",
                                              "storageos",
                                              "csi" };

static void check_sources(const json_t *spec, FieldErrors *errors)
{
  unsigned found = 0;
  for (size_t i = 0; i < G_N_ELEMENTS(volume_sources); i++) {
    if (json_object_get(spec, volume_sources[i]) && found++ > 0)
      field_errors_add_at(errors, FIELD_FORBIDDEN, "spec", volume_sources[i], NULL,
                          "may not specify more than 1 volume type");
  }
  if (json_object_get(spec, "local") && !json_object_get(spec, "nodeAffinity"))
    field_errors_add(errors, FIELD_REQUIRED, "spec.nodeAffinity", NULL, "Local volume requires node affinity");
  if (found == 0)
    field_errors_add(errors, FIELD_REQUIRED, "spec", NULL, "must specify a volume type");
  if (strcmp(json_str(json_object_get(spec, "hostPath"), "path", ""), "/") == 0 &&
      strcmp(json_str(spec, "persistentVolumeReclaimPolicy", ""), "Recycle") == 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.persistentVolumeReclaimPolicy", NULL,
                     "may not be 'recycle' for a hostPath mount of '/'");
}

static void volume_validate_create(const json_t *object, FieldErrors *errors)
{
  static const char *const policies[] = { "Delete", "Recycle", "Retain", NULL };
  static const char *const modes[] = { "Block", "Filesystem", NULL };
  const json_t *spec = json_object_get(object, "spec");
  const json_t *policy = json_object_get(spec, "persistentVolumeReclaimPolicy");
  const json_t *mode = json_object_get(spec, "volumeMode");
  check_access_modes(spec, "spec", "", errors);
  check_capacity(spec, errors);
  if (json_string_length(policy) > 0 && !g_strv_contains(policies, json_string_value(policy)))
    field_errors_add_unsupported(errors, "spec.persistentVolumeReclaimPolicy", policy, policies);
  if (json_object_get(spec, "nodeAffinity") && !json_at(spec, "nodeAffinity", "required", NULL))
    field_errors_add(errors, FIELD_REQUIRED, "spec.nodeAffinity.required", NULL,
                     "must specify required node constraints");
  check_sources(spec, errors);
  if (*json_str(spec, "storageClassName", ""))
    api_validate_format("dns1123subdomain", json_object_get(spec, "storageClassName"), "spec.storageClassName", errors);
  if (mode && !g_strv_contains(modes, json_string_value(mode)))
    field_errors_add_unsupported(errors, "spec.volumeMode", mode, modes);
}

static void volume_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                   FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  bool same = true;
  if (context && context->subresource)
    return;
  volume_validate_create(object, errors);
  for (size_t i = 0; i < G_N_ELEMENTS(volume_sources); i++)
    same = same && json_same(json_object_get(spec, volume_sources[i]), json_object_get(old_spec, volume_sources[i]));
  if (!same)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.persistentvolumesource", NULL,
                     "spec.persistentvolumesource is immutable after creation\n");
  strategy_check_immutable(json_object_get(spec, "volumeMode"), json_object_get(old_spec, "volumeMode"), "volumeMode",
                           errors);
  if (json_object_get(old_spec, "nodeAffinity"))
    strategy_check_immutable(json_object_get(spec, "nodeAffinity"), json_object_get(old_spec, "nodeAffinity"),
                             "nodeAffinity", errors);
}

static void volume_prepare_create(json_t *object)
{
  g_autofree char *now = timestamp_now();
  json_object_set_new(object, "status", json_pack("{s:s, s:s}", "phase", "Pending", "lastPhaseTransitionTime", now));
}

/* Whoever changes the phase may say when that was. */
static void volume_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  strategy_split_status(object, old, context);
  json_t *status = json_object_get(object, "status");
  const json_t *old_status = json_object_get(old, "status");
  if (!status || json_same(json_object_get(status, "phase"), json_object_get(old_status, "phase")) ||
      !json_same(json_object_get(status, "lastPhaseTransitionTime"),
                 json_object_get(old_status, "lastPhaseTransitionTime")))
    return;
  g_autofree char *now = timestamp_now();
  json_object_set_new(status, "lastPhaseTransitionTime", json_string(now));
}

const ApiStrategy strategy_persistent_volume = {
  .prepare_create = volume_prepare_create,
  .prepare_update = volume_prepare_update,
  .validate_create = volume_validate_create,
  .validate_update = volume_validate_update,
};

static void check_data_source(const json_t *source, const char *path, FieldErrors *errors)
{
  const char *group = json_str(source, "apiGroup", "");
  const json_t *kind = json_object_get(source, "kind");
  g_autofree char *group_path = field_path_child(path, "apiGroup");
  g_autofree char *namespace_path = field_path_child(path, "namespace");
  if (!*json_str(source, "name", ""))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "name", NULL, NULL);
  if (json_string_length(kind) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "kind", NULL, NULL);
  if (!*group && strcmp(json_str(source, "kind", ""), "PersistentVolumeClaim") != 0)
    field_errors_add(errors, FIELD_INVALID, path, kind,
                     "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  if (*group)
    api_validate_format("dns1123subdomain", json_object_get(source, "apiGroup"), group_path, errors);
  api_validate_format("dns1123label", json_object_get(source, "namespace"), namespace_path, errors);
}

void validate_claim_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const modes[] = { "Block", "Filesystem", NULL };
  const json_t *storage = json_at(value, "resources", "requests", "storage", NULL);
  const json_t *mode = json_object_get(value, "volumeMode"), *source = json_object_get(value, "dataSource");
  const json_t *reference = json_object_get(value, "dataSourceRef");
  g_autofree char *storage_path = field_path_child(path, "resources[storage]");
  g_autofree char *class_path = field_path_child(path, "storageClassName");
  g_autofree char *mode_path = field_path_child(path, "volumeMode");
  g_autofree char *source_path = field_path_child(path, "dataSource");
  g_autofree char *reference_path = field_path_child(path, "dataSourceRef");
  check_access_modes(value, path, "at least 1 access mode is required", errors);
  if (!storage)
    field_errors_add(errors, FIELD_REQUIRED, storage_path, NULL, NULL);
  check_positive(storage, storage_path, errors);
  if (*json_str(value, "storageClassName", ""))
    api_validate_format("dns1123subdomain", json_object_get(value, "storageClassName"), class_path, errors);
  if (mode && !g_strv_contains(modes, json_string_value(mode)))
    field_errors_add_unsupported(errors, mode_path, mode, modes);
  if (source)
    check_data_source(source, source_path, errors);
  if (reference)
    check_data_source(reference, reference_path, errors);
}

static void claim_prepare_create(json_t *object)
{
  json_object_set_new(object, "status", json_pack("{s:s}", "phase", "Pending"));
}

/* Of a claim's spec only the size asked for may change once it is bound, and the volume's name be filled in. */
static void check_claim_change(const json_t *object, const json_t *old, FieldErrors *errors)
{
  const json_t *old_spec = json_object_get(old, "spec"), *spec = json_object_get(object, "spec");
  bool bound = strcmp(json_str(json_object_get(object, "status"), "phase", ""), "Bound") == 0;
  g_autoptr(json_t) allowed = json_deep_copy(spec);
  json_t *before = json_at(old_spec, "resources", "requests", "storage", NULL);
  json_t *requests = json_at(allowed, "resources", "requests", NULL);
  if (!*json_str(old_spec, "volumeName", ""))
    strategy_carry(allowed, old_spec, "volumeName");
  if (!json_object_get(old_spec, "storageClassName"))
    strategy_carry(allowed, old_spec, "storageClassName");
  if (bound && requests && before)
    json_object_set(requests, "storage", before);
  if (bound && json_object_get(allowed, "volumeAttributesClassName"))
    strategy_carry(allowed, old_spec, "volumeAttributesClassName");
  if (!json_same(allowed, old_spec))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec", NULL,
                     "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
                     "bound claims\n");
}

static void claim_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                  FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  Quantity wanted, before, capacity = { 0 };
  if (context && context->subresource)
    return;
  check_claim_change(object, old, errors);
  resource_amount(json_at(old, "status", "capacity", NULL), "storage", &capacity);
  if (resource_amount(json_at(spec, "resources", "requests", NULL), "storage", &wanted) &&
      resource_amount(json_at(old_spec, "resources", "requests", NULL), "storage", &before) &&
      quantity_compare(wanted, before) < 0 && quantity_compare(wanted, capacity) <= 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.resources.requests.storage", NULL,
                     "field can not be less than status.capacity");
  strategy_check_immutable(json_object_get(spec, "volumeMode"), json_object_get(old_spec, "volumeMode"), "volumeMode",
                           errors);
}

const ApiStrategy strategy_persistent_volume_claim = {
  .prepare_create = claim_prepare_create,
  .prepare_update = strategy_split_status,
  .validate_update = claim_validate_update,
};

static void check_parameters(const json_t *parameters, FieldErrors *errors)
{
  const char *name;
  json_t *value;
  size_t total = 0;
  if (json_object_size(parameters) > PARAMETERS_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, "provisioner parameters", NULL, "may not be more than %d bytes",
                     PARAMETERS_MAX);
  json_object_foreach ((json_t *)(uintptr_t)parameters, name, value) {
    if (!*name)
      field_errors_add(errors, FIELD_INVALID, "parameters", json_object_get(parameters, ""), "field can not be empty.");
    total += strlen(name) + json_string_length(value);
  }
  if (total > PARAMETERS_BYTES_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, "parameters", NULL, "may not be more than %d bytes", PARAMETERS_BYTES_MAX);
}

void validate_topology_term(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
  size_t i, j;
  json_t *requirement, *item;
  json_array_foreach (json_object_get(value, "matchLabelExpressions"), i, requirement) {
    const json_t *key = json_object_get(requirement, "key"), *values = json_object_get(requirement, "values");
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *item_path = g_strdup_printf("%s.matchLabelExpressions[%zu]", path, i);
    g_autofree char *key_path = field_path_child(item_path, "key");
    if (json_array_size(values) == 0)
      field_errors_add_at(errors, FIELD_REQUIRED, item_path, "values", NULL, NULL);
    json_array_foreach ((json_t *)(uintptr_t)values, j, item) {
      g_autofree char *value_path = g_strdup_printf("%s.values[%zu]", item_path, j);
      if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_string_value(item)))
        field_errors_add(errors, FIELD_DUPLICATE, value_path, item, NULL);
    }
    api_validate_format("qualifiedName", key, key_path, errors);
    if (!g_hash_table_add(keys, (gpointer)(uintptr_t)json_str(requirement, "key", "")))
      field_errors_add(errors, FIELD_DUPLICATE, key_path, key, NULL);
  }
}

static void storage_class_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *provisioner = json_object_get(object, "provisioner");
  g_autofree char *lower = g_ascii_strdown(json_str(object, "provisioner", ""), -1);
  g_autoptr(json_t) name = json_string(lower);
  if (json_string_length(provisioner) > 0)
    api_validate_format("qualifiedName", name, "provisioner", errors);
  check_parameters(json_object_get(object, "parameters"), errors);
}

static void storage_class_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                          FieldErrors *errors)
{
  static const struct {
    const char *member, *text;
  } fixed[] = {
    { "parameters", "updates to parameters are forbidden." },
    { "provisioner", "updates to provisioner are forbidden." },
    { "reclaimPolicy", "updates to reclaimPolicy are forbidden." },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
    if (!json_same(json_object_get(object, fixed[i].member), json_object_get(old, fixed[i].member)))
      field_errors_add(errors, FIELD_FORBIDDEN, fixed[i].member, NULL, "%s", fixed[i].text);
  }
  strategy_check_immutable(json_object_get(object, "volumeBindingMode"), json_object_get(old, "volumeBindingMode"),
                           "volumeBindingMode", errors);
}

const ApiStrategy strategy_storage_class = {
  .validate_create = storage_class_validate_create,
  .validate_update = storage_class_validate_update,
};

static void attributes_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *parameters = json_object_get(object, "parameters");
  if (json_object_size(parameters) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "parameters", NULL, "must contain at least one key/value pair");
  check_parameters(parameters, errors);
}

static void attributes_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                       FieldErrors *errors)
{
  static const char *const fixed[] = { "driverName", "parameters" };
  for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
    if (!json_same(json_object_get(object, fixed[i]), json_object_get(old, fixed[i])))
      field_errors_add(errors, FIELD_FORBIDDEN, fixed[i], NULL, "updates to %s are forbidden.", fixed[i]);
}

const ApiStrategy strategy_volume_attributes_class = {
  .validate_create = attributes_validate_create,
  .validate_update = attributes_validate_update,
};

/* Namespaces, nodes, and the defaults of small messages. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

void default_namespace(json_t *value)
{
  json_t *metadata = json_ensure_object(value, "metadata", NULL);
  const char *name = json_str(metadata, "name", "");
  if (*name)
    json_object_set_new(json_ensure_object(metadata, "labels", NULL), "kubernetes.io/metadata.name", json_string(name));
}

static void namespace_prepare_create(json_t *object)
{
  json_object_set_new(object, "status", json_pack("{s:s}", "phase", "Active"));
  json_t *spec = json_ensure_object(object, "spec", NULL), *finalizers = json_object_get(spec, "finalizers");
  if (!json_is_array(finalizers))
    json_object_set_new(spec, "finalizers", finalizers = json_array());
  if (!json_has_text(finalizers, "kubernetes"))
    json_array_append_new(finalizers, json_string("kubernetes"));
  default_namespace(object); /* once more: a generated name is known only now */
}

static void namespace_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  const char *subresource = context ? context->subresource : NULL;
  if (subresource && strcmp(subresource, "finalize") == 0) {
    strategy_carry(object, old, "status");
    return;
  }
  strategy_split_status(object, old, context);
  /* with the status the whole spec is OLD's, which others read: nothing is to be changed in it */
  if (!subresource)
    strategy_carry(json_ensure_object(object, "spec", NULL), json_object_get(old, "spec"), "finalizers");
}

const ApiStrategy strategy_namespace = {
  .prepare_create = namespace_prepare_create,
  .prepare_update = namespace_prepare_update,
};

/* A node registers with its status; labels may be written with the status, as the node agent does. */
static void node_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  strategy_carry(object, old, context && context->subresource ? "spec" : "status");
}

static void check_taints(const json_t *object, FieldErrors *errors)
{
  static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute", NULL };
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t index;
  json_t *taint;
  json_array_foreach (json_at(object, "spec", "taints", NULL), index, taint) {
    const char *effect = json_str(taint, "effect", "");
    g_autofree char *path = field_path_index("metadata.taints", index); /* so upstream calls it */
    g_autofree char *key_path = field_path_child(path, "key"), *value_path = field_path_child(path, "value");
    g_autofree char *effect_path = field_path_child(path, "effect");
    g_autoptr(json_t) key = json_string(json_str(taint, "key", ""));
    api_validate_format("qualifiedName", key, key_path, errors);
    api_validate_format("labelValue", json_object_get(taint, "value"), value_path, errors);
    if (!*effect)
      field_errors_add(errors, FIELD_REQUIRED, effect_path, NULL, NULL);
    else if (!g_strv_contains(effects, effect))
      field_errors_add_unsupported(errors, effect_path, json_object_get(taint, "effect"), effects);
    if (!g_hash_table_add(seen, g_strconcat(effect, " ", json_string_value(key), NULL)))
      field_errors_add(errors, FIELD_DUPLICATE, path, taint, "taints must be unique by key and effect pair");
  }
}

static void node_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *ranges = json_at(object, "spec", "podCIDRs", NULL);
  size_t index;
  json_t *range;
  check_taints(object, errors);
  json_array_foreach ((json_t *)(uintptr_t)ranges, index, range) {
    g_autofree char *path = field_path_index("spec.podCIDRs", index);
    api_validate_format("cidr", range, path, errors);
  }
  if (json_array_size(ranges) > 2)
    field_errors_add(errors, FIELD_INVALID, "spec.podCIDRs", ranges,
                     "may specify no more than one CIDR for each IP family");
}

static void node_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                 FieldErrors *errors)
{
  const json_t *ranges = json_at(object, "spec", "podCIDRs", NULL), *before = json_at(old, "spec", "podCIDRs", NULL);
  const json_t *provider = json_at(object, "spec", "providerID", NULL);
  const json_t *provider_before = json_at(old, "spec", "providerID", NULL);
  if (json_array_size(before) > 0 && !json_same(ranges, before))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.podCIDRs", NULL,
                     "node updates may not change podCIDR except from \"\" to valid");
  if (provider_before && !json_same(provider, provider_before))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.providerID", NULL,
                     "node updates may not change providerID except from \"\" to valid");
  check_taints(object, errors);
}

/* podCIDR is the first of podCIDRs; clients may give either. */
void default_node(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *first = json_array_get(json_object_get(spec, "podCIDRs"), 0);
  const char *range = json_str(spec, "podCIDR", "");
  if (*range && !first)
    json_object_set_new(spec, "podCIDRs", json_pack("[s]", range));
  else if (!*range && first)
    json_object_set(spec, "podCIDR", first);
}

const ApiStrategy strategy_node = {
  .validate_create = node_validate_create,
  .prepare_update = node_prepare_update,
  .validate_update = node_validate_update,
};

void default_network_policy_spec(json_t *value)
{
  if (json_object_get(value, "policyTypes"))
    return;
  bool egress = json_array_size(json_object_get(value, "egress")) > 0;
  json_object_set_new(value, "policyTypes",
                      egress ? json_pack("[s, s]", "Ingress", "Egress") : json_pack("[s]", "Ingress"));
}

/* Copies what FROM has and value's member TO lacks. */
static void default_amounts(json_t *value, const char *to, const char *from)
{
  const char *name;
  json_t *amount;
  json_t *source = json_object_get(value, from);
  if (json_object_size(source) == 0)
    return;
  json_t *target = json_ensure_object(value, to, NULL);
  json_object_foreach (source, name, amount) {
    if (!json_object_get(target, name))
      json_object_set(target, name, amount);
  }
}

void default_limit_range_item(json_t *value)
{
  if (strcmp(json_str(value, "type", ""), "Container") != 0)
    return;
  default_amounts(value, "default", "max");
  default_amounts(value, "defaultRequest", "default");
  default_amounts(value, "defaultRequest", "min");
}

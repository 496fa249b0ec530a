/* Namespaces, nodes, persistent volumes and claims, role bindings, and the defaults of small messages. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies.h"
#include "clusterd/api/strategy_common.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

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
  json_object_set_new(json_ensure_object(object, "spec", NULL), "finalizers", json_pack("[s]", "kubernetes"));
  default_namespace(object); /* once more: a generated name is known only now */
}

static void namespace_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  bool finalize = context && context->subresource && strcmp(context->subresource, "finalize") == 0;
  if (finalize) {
    strategy_carry(object, old, "status");
    return;
  }
  strategy_split_status(object, old, context);
  json_t *spec = json_ensure_object(object, "spec", NULL);
  strategy_carry(spec, json_object_get(old, "spec"), "finalizers");
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

static void node_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                 FieldErrors *errors)
{
  const json_t *cidr = json_at(object, "spec", "podCIDR", NULL), *before = json_at(old, "spec", "podCIDR", NULL);
  const json_t *provider = json_at(object, "spec", "providerID", NULL);
  const json_t *provider_before = json_at(old, "spec", "providerID", NULL);
  if (before && !json_same(cidr, before))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.podCIDR", NULL,
                     "node updates may not change podCIDR except from "
                     "\"\" to valid");
  if (provider_before && !json_same(provider, provider_before))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.providerID", NULL,
                     "node updates may not change providerID except "
                     "from \"\" to valid");
}

const ApiStrategy strategy_node = {
  .prepare_update = node_prepare_update,
  .validate_update = node_validate_update,
};

static void volume_prepare_create(json_t *object)
{
  json_object_set_new(object, "status", json_pack("{s:s}", "phase", "Pending"));
}

const ApiStrategy strategy_persistent_volume = {
  .prepare_create = volume_prepare_create,
  .prepare_update = strategy_split_status,
};

/* Of a claim's spec only the size asked for may grow, and the volume's name be filled in. */
static void claim_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                  FieldErrors *errors)
{
  if (context && context->subresource)
    return;
  const json_t *old_spec = json_object_get(old, "spec");
  g_autoptr(json_t) spec = json_deep_copy(json_object_get(object, "spec"));
  if (!*json_str(old_spec, "volumeName", ""))
    strategy_carry(spec, old_spec, "volumeName");
  if (!json_object_get(old_spec, "storageClassName"))
    strategy_carry(spec, old_spec, "storageClassName");
  strategy_carry(spec, old_spec, "volumeAttributesClassName");
  strategy_carry(spec, old_spec, "resources");
  if (!json_same(spec, old_spec))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec", NULL,
                     "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
                     "bound claims");
}

static void claim_validate_create(const json_t *object, FieldErrors *errors)
{
  if (!json_at(object, "spec", "resources", "requests", "storage", NULL))
    field_errors_add(errors, FIELD_REQUIRED, "spec.resources[storage]", NULL, NULL);
}

const ApiStrategy strategy_persistent_volume_claim = {
  .prepare_create = volume_prepare_create,
  .prepare_update = strategy_split_status,
  .validate_create = claim_validate_create,
  .validate_update = claim_validate_update,
};

static void role_binding_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                         FieldErrors *errors)
{
  const json_t *role = json_object_get(object, "roleRef");
  if (!json_same(role, json_object_get(old, "roleRef")))
    field_errors_add(errors, FIELD_INVALID, "roleRef", NULL,
                     "rbac.RoleRef{APIGroup:\"%s\", Kind:\"%s\", Name:\"%s\"}: cannot change roleRef",
                     json_str(role, "apiGroup", ""), json_str(role, "kind", ""), json_str(role, "name", ""));
}

const ApiStrategy strategy_role_binding = {
  .validate_update = role_binding_validate_update,
};

void default_subject(json_t *value)
{
  const char *kind = json_str(value, "kind", "");
  if (strcmp(kind, "User") == 0 || strcmp(kind, "Group") == 0)
    strategy_default(value, "apiGroup", json_string(RBAC_GROUP));
}

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

void default_autoscaler_spec(json_t *value)
{
  if (json_array_size(json_object_get(value, "metrics")) == 0)
    json_object_set_new(value, "metrics",
                        json_pack("[{s:s, s:{s:s, s:{s:s, s:i}}}]", "type", "Resource", "resource", "name", "cpu",
                                  "target", "type", "Utilization", "averageUtilization", 80));
}

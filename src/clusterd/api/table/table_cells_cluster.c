/* Cells of nodes, component statuses, configuration and priority classes, and those many kinds have. */
#include <string.h>

#include "base/timestamp.h"
#include "clusterd/api/table/cell_text.h"

json_t *cell_age(const json_t *object, int64_t now_us)
{
  return cell_since(json_at(object, "metadata", "creationTimestamp", NULL), now_us);
}

json_t *cell_created_at(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "metadata", "creationTimestamp", NULL), "");
}

static const json_t *healthy_condition(const json_t *object)
{
  return json_find(json_object_get(object, "conditions"), "type", "Healthy");
}

json_t *cell_component_status(const json_t *object, int64_t now_us)
{
  const json_t *condition = healthy_condition(object);
  if (!condition)
    return json_string("Unknown");
  return json_string(strcmp(json_str(condition, "status", ""), "True") == 0 ? "Healthy" : "Unhealthy");
}

json_t *cell_component_message(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(healthy_condition(object), "message"), "");
}

json_t *cell_component_error(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(healthy_condition(object), "error"), "");
}

json_t *cell_config_map_data(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)(json_object_size(json_object_get(object, "data")) +
                                   json_object_size(json_object_get(object, "binaryData"))));
}

json_t *cell_secret_type(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(object, "type"), "");
}

json_t *cell_secret_data(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)json_object_size(json_object_get(object, "data")));
}

json_t *cell_service_account_secrets(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)json_array_size(json_object_get(object, "secrets")));
}

json_t *cell_priority_class_global_default(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_object_get(object, "globalDefault"), false);
}

json_t *cell_priority_class_preemption_policy(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(object, "preemptionPolicy"), "");
}

json_t *cell_node_status(const json_t *object, int64_t now_us)
{
  const json_t *conditions = json_at(object, "status", "conditions", NULL);
  const char *ready = "Unknown";
  size_t i;
  json_t *condition;
  json_array_foreach (conditions, i, condition)
    if (strcmp(json_str(condition, "type", ""), "Ready") == 0)
      ready = strcmp(json_str(condition, "status", ""), "True") == 0 ? "Ready" : "NotReady";
  bool closed = json_flag(json_object_get(object, "spec"), "unschedulable", false);
  return cell_take(g_strconcat(ready, closed ? ",SchedulingDisabled" : "", NULL), "");
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
  const char *const *first = a, *const *second = b;
  return strcmp(*first, *second);
}

json_t *cell_node_roles(const json_t *object, int64_t now_us)
{
  static const char prefix[] = "node-role.kubernetes.io/";
  g_autoptr(GPtrArray) roles = g_ptr_array_new();
  const char *key;
  json_t *value;
  json_object_foreach (json_at(object, "metadata", "labels", NULL), key, value) {
    const char *role = g_str_has_prefix(key, prefix)            ? key + strlen(prefix)
                       : strcmp(key, "kubernetes.io/role") == 0 ? json_string_value(value)
                                                                : NULL;
    if (role && *role)
      g_ptr_array_add(roles, (gpointer)(uintptr_t)role);
  }
  g_ptr_array_sort(roles, compare_texts);
  return cell_take(cell_join_more(roles, roles->len, roles->len), "<none>");
}

static json_t *address_cell(const json_t *node, const char *type)
{
  const json_t *address = json_find(json_at(node, "status", "addresses", NULL), "type", type);
  return cell_string(json_object_get(address, "address"), "<none>");
}

json_t *cell_node_internal_ip(const json_t *object, int64_t now_us)
{
  return address_cell(object, "InternalIP");
}

json_t *cell_node_external_ip(const json_t *object, int64_t now_us)
{
  return address_cell(object, "ExternalIP");
}

json_t *cell_node_os_image(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "status", "nodeInfo", "osImage", NULL), "<unknown>");
}

json_t *cell_node_kernel_version(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "status", "nodeInfo", "kernelVersion", NULL), "<unknown>");
}

json_t *cell_node_container_runtime(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "status", "nodeInfo", "containerRuntimeVersion", NULL), "<unknown>");
}

/* The resources of a quota whose names begin with "limits", or all the others: "pods: 1/4, secrets: 0/2". */
static json_t *quota_cell(const json_t *quota, bool limits)
{
  const json_t *hard = json_at(quota, "status", "hard", NULL), *used = json_at(quota, "status", "used", NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)hard, key, value)
    if (g_str_has_prefix(key, "limits") == limits)
      g_ptr_array_add(names, (gpointer)(uintptr_t)key);
  g_ptr_array_sort(names, compare_texts);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < names->len; i++)
    g_string_append_printf(text, "%s%s: %s/%s", i > 0 ? ", " : "", (const char *)names->pdata[i],
                           json_str(used, names->pdata[i], "0"), json_str(hard, names->pdata[i], "0"));
  return cell_take(g_string_free(text, FALSE), "");
}

json_t *cell_resource_quota_request(const json_t *object, int64_t now_us)
{
  return quota_cell(object, false);
}

json_t *cell_resource_quota_limit(const json_t *object, int64_t now_us)
{
  return quota_cell(object, true);
}

/* The subjects of KIND: their names, service accounts with their namespace. */
static json_t *subjects_cell(const json_t *binding, const char *kind)
{
  GString *text = g_string_new(NULL);
  size_t i;
  json_t *subject;
  json_array_foreach (json_object_get(binding, "subjects"), i, subject) {
    const char *namespace_ = json_str(subject, "namespace", "");
    if (strcmp(json_str(subject, "kind", ""), kind) != 0)
      continue;
    if (text->len > 0)
      g_string_append(text, ", ");
    if (strcmp(kind, "ServiceAccount") == 0)
      g_string_append_printf(text, "%s/", namespace_);
    g_string_append(text, json_str(subject, "name", ""));
  }
  return cell_take(g_string_free(text, FALSE), "");
}

static json_t *role_cell(const json_t *binding)
{
  const json_t *role = json_object_get(binding, "roleRef");
  return cell_take(g_strdup_printf("%s/%s", json_str(role, "kind", ""), json_str(role, "name", "")), "");
}

#define BINDING_CELLS(kind)                                                                                            \
  json_t *cell_##kind##_role(const json_t *object, int64_t now_us)                                                     \
  {                                                                                                                    \
    return role_cell(object);                                                                                          \
  }                                                                                                                    \
  json_t *cell_##kind##_users(const json_t *object, int64_t now_us)                                                    \
  {                                                                                                                    \
    return subjects_cell(object, "User");                                                                              \
  }                                                                                                                    \
  json_t *cell_##kind##_groups(const json_t *object, int64_t now_us)                                                   \
  {                                                                                                                    \
    return subjects_cell(object, "Group");                                                                             \
  }                                                                                                                    \
  json_t *cell_##kind##_service_accounts(const json_t *object, int64_t now_us)                                         \
  {                                                                                                                    \
    return subjects_cell(object, "ServiceAccount");                                                                    \
  }

BINDING_CELLS(role_binding)
BINDING_CELLS(cluster_role_binding)

json_t *cell_certificate_signing_request_requested_duration(const json_t *object, int64_t now_us)
{
  int64_t seconds = json_int(json_object_get(object, "spec"), "expirationSeconds", 0);
  return seconds > 0 ? cell_take(timestamp_human_duration(seconds * G_USEC_PER_SEC), "") : json_string("<none>");
}

json_t *cell_certificate_signing_request_condition(const json_t *object, int64_t now_us)
{
  bool approved = false, denied = false, failed = false;
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(object, "status", "conditions", NULL), i, condition) {
    const char *type = json_str(condition, "type", "");
    approved = approved || strcmp(type, "Approved") == 0;
    denied = denied || strcmp(type, "Denied") == 0;
    failed = failed || strcmp(type, "Failed") == 0;
  }
  const char *certificate = json_str(json_object_get(object, "status"), "certificate", "");
  return cell_take(g_strconcat(denied     ? "Denied"
                               : approved ? "Approved"
                                          : "Pending",
                               failed ? ",Failed" : "", *certificate ? ",Issued" : "", NULL),
                   "");
}

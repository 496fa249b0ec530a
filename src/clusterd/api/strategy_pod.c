/* Pods: defaults, what the server decides at create, and the rules that span containers and volumes. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/api/strategies.h"
#include "clusterd/api/strategy_common.h"
#include "clusterd/api/strategy_pod.h"
#include "clusterd/api/validation.h"

static const char *const container_lists[] = { "initContainers", "containers", "ephemeralContainers" };

/* Upstream's rule: a limit without a request is also the request. Only in pods: templates stay as they were written. */
static void default_requests(json_t *container)
{
  json_t *limits = json_at(container, "resources", "limits", NULL);
  const char *name;
  json_t *limit;
  if (json_object_size(limits) == 0)
    return;
  json_t *requests = json_ensure_object(container, "resources", "requests", NULL);
  json_object_foreach (limits, name, limit) {
    if (!json_object_get(requests, name))
      json_object_set(requests, name, limit);
  }
}

void default_pod(json_t *value)
{
  json_t *spec = json_object_get(value, "spec"), *container;
  size_t index;
  if (!spec)
    return;
  for (size_t i = 0; i < 2; i++) {
    json_array_foreach (json_object_get(spec, container_lists[i]), index, container) {
      default_requests(container);
    }
  }
  strategy_default(spec, "enableServiceLinks", json_true());
}

/* Pods in the host's network get the ports they name on the host. */
static void default_host_ports(json_t *spec)
{
  size_t i, j;
  json_t *container, *port;
  for (size_t list = 0; list < 2; list++) {
    json_array_foreach (json_object_get(spec, container_lists[list]), i, container) {
      json_array_foreach (json_object_get(container, "ports"), j, port) {
        if (json_int(port, "hostPort", 0) == 0 && json_object_get(port, "containerPort"))
          json_object_set(port, "hostPort", json_object_get(port, "containerPort"));
      }
    }
  }
}

void default_pod_spec(json_t *value)
{
  const char *account = json_str(value, "serviceAccountName", json_str(value, "serviceAccount", ""));
  if (*account) {
    /* The old name of the member is kept in step with the new one. */
    g_autoptr(json_t) name = json_string(account);
    json_object_set(value, "serviceAccountName", name);
    json_object_set(value, "serviceAccount", name);
  }
  if (json_flag(value, "hostNetwork", false))
    default_host_ports(value);
}

static bool same_quantity(const char *a, const char *b)
{
  Quantity first, second;
  return quantity_parse(a, &first, NULL) && quantity_parse(b, &second, NULL) && quantity_compare(first, second) == 0;
}

/* True when NAME is given and not zero in a list of resources. */
static const char *quantity_of(const json_t *resources, const char *list, const char *name)
{
  const char *text = json_str(json_object_get(resources, list), name, "");
  Quantity quantity;
  return *text && quantity_parse(text, &quantity, NULL) && quantity.nano != 0 ? text : NULL;
}

const char *pod_qos_class(const json_t *spec)
{
  static const char *const names[] = { "cpu", "memory" };
  bool any = false, guaranteed = true;
  size_t index;
  json_t *container;
  for (size_t list = 0; list < 2; list++) {
    json_array_foreach (json_object_get(spec, container_lists[list]), index, container) {
      const json_t *resources = json_object_get(container, "resources");
      for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *request = quantity_of(resources, "requests", names[i]);
        const char *limit = quantity_of(resources, "limits", names[i]);
        any = any || request || limit;
        guaranteed = guaranteed && limit && (!request || same_quantity(request, limit));
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static void pod_prepare_create(json_t *object)
{
  json_object_set_new(
      object, "status",
      json_pack("{s:s, s:s}", "phase", "Pending", "qosClass", pod_qos_class(json_object_get(object, "spec"))));
}

static void pod_validate_create(const json_t *object, FieldErrors *errors)
{
  if (json_array_size(json_at(object, "spec", "ephemeralContainers", NULL)) > 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.ephemeralContainers", NULL, "cannot be set on create");
}

static void check_unique(GHashTable *seen, const json_t *name, const char *path, FieldErrors *errors)
{
  const char *text = json_string_value(name);
  if (text && *text && !g_hash_table_add(seen, g_strdup(text)))
    field_errors_add(errors, FIELD_DUPLICATE, path, name, NULL);
}

static GHashTable *check_volumes(const json_t *spec, const char *path, FieldErrors *errors)
{
  GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t index;
  json_t *volume;
  json_array_foreach (json_object_get(spec, "volumes"), index, volume) {
    g_autofree char *name_path = g_strdup_printf("%s.volumes[%zu].name", path, index);
    check_unique(names, json_object_get(volume, "name"), name_path, errors);
  }
  return names;
}

static void check_mounts(const json_t *container, GHashTable *volumes, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *mount;
  json_array_foreach (json_object_get(container, "volumeMounts"), index, mount) {
    const json_t *name = json_object_get(mount, "name"), *target = json_object_get(mount, "mountPath");
    g_autofree char *mount_path = g_strdup_printf("%s.volumeMounts[%zu]", path, index);
    if (json_string_length(name) > 0 && !g_hash_table_contains(volumes, json_string_value(name))) {
      g_autofree char *name_path = field_path_child(mount_path, "name");
      field_errors_add(errors, FIELD_NOT_FOUND, name_path, name, NULL);
    }
    if (json_string_length(target) > 0 && !g_hash_table_add(paths, (gpointer)(uintptr_t)json_string_value(target))) {
      g_autofree char *target_path = field_path_child(mount_path, "mountPath");
      field_errors_add(errors, FIELD_INVALID, target_path, target, "must be unique");
    }
  }
}

static void check_host_ports(const json_t *spec, const json_t *container, GHashTable *seen, const char *path,
                             FieldErrors *errors)
{
  size_t index;
  json_t *port;
  json_array_foreach (json_object_get(container, "ports"), index, port) {
    int64_t number = json_int(port, "hostPort", 0);
    const json_t *host_port = json_object_get(port, "hostPort");
    g_autofree char *port_path = g_strdup_printf("%s.ports[%zu].hostPort", path, index);
    if (number == 0)
      continue;
    if (json_flag(spec, "hostNetwork", false) && number != json_int(port, "containerPort", 0))
      field_errors_add(errors, FIELD_INVALID, port_path, host_port,
                       "must match `containerPort` when `hostNetwork` is true");
    g_autofree char *key = g_strdup_printf("%s/%s/%" G_GINT64_FORMAT, json_str(port, "protocol", "TCP"),
                                           json_str(port, "hostIP", ""), number);
    g_autoptr(json_t) text = json_string(key);
    if (!g_hash_table_add(seen, g_steal_pointer(&key)))
      field_errors_add(errors, FIELD_DUPLICATE, port_path, text, NULL);
  }
}

static bool is_sidecar(const json_t *container)
{
  return strcmp(json_str(container, "restartPolicy", ""), "Always") == 0;
}

/* Init containers end, so nothing may be asked of them while they run, unless they are sidecars. */
static void check_init_container(const json_t *container, const char *path, FieldErrors *errors)
{
  static const char *const members[] = { "lifecycle", "livenessProbe", "readinessProbe", "startupProbe" };
  for (size_t i = 0; i < G_N_ELEMENTS(members) && !is_sidecar(container); i++) {
    if (!json_object_get(container, members[i]))
      continue;
    g_autofree char *member_path = field_path_child(path, members[i]);
    field_errors_add(errors, FIELD_FORBIDDEN, member_path, NULL,
                     "may not be set for init containers without restartPolicy=Always");
  }
}

static void check_containers(const json_t *spec, const char *path, GHashTable *volumes, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t index;
  json_t *container;
  for (size_t list = 0; list < G_N_ELEMENTS(container_lists); list++) {
    json_array_foreach (json_object_get(spec, container_lists[list]), index, container) {
      g_autofree char *item = g_strdup_printf("%s.%s[%zu]", path, container_lists[list], index);
      g_autofree char *name_path = field_path_child(item, "name"), *image_path = field_path_child(item, "image");
      check_unique(names, json_object_get(container, "name"), name_path, errors);
      if (!*json_str(container, "image", "") && list < 2)
        field_errors_add(errors, FIELD_REQUIRED, image_path, NULL, NULL);
      check_mounts(container, volumes, item, errors);
      check_host_ports(spec, container, ports, item, errors);
      if (list == 0)
        check_init_container(container, item, errors);
    }
  }
}

static void check_dns(const json_t *spec, const char *path, FieldErrors *errors)
{
  if (strcmp(json_str(spec, "dnsPolicy", ""), "None") != 0 ||
      json_array_size(json_at(spec, "dnsConfig", "nameservers", NULL)) > 0)
    return;
  bool has_config = json_object_get(spec, "dnsConfig") != NULL;
  g_autofree char *dns_path = field_path_child(path, has_config ? "dnsConfig.nameservers" : "dnsConfig");
  if (has_config)
    field_errors_add(errors, FIELD_REQUIRED, dns_path, NULL,
                     "must provide at least one DNS nameserver when `dnsPolicy` is None");
  else
    field_errors_add(errors, FIELD_REQUIRED, dns_path, NULL, "must provide `dnsConfig` when `dnsPolicy` is None");
}

void validate_pod_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) volumes = check_volumes(value, path, errors);
  check_containers(value, path, volumes, errors);
  check_dns(value, path, errors);
}

const ApiStrategy strategy_pod = {
  .prepare_create = pod_prepare_create,
  .prepare_update = pod_prepare_update,
  .validate_create = pod_validate_create,
  .validate_update = pod_validate_update,
};

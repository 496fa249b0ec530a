/* The rules of a pod's spec that span its containers and volumes; also in templates.
 * Source: k8s.io/kubernetes/pkg/apis/core/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_environment.h"
#include "clusterd/api/strategies/strategy_mount.h"
#include "clusterd/api/strategies/strategy_placement.h"
#include "clusterd/api/strategies/strategy_security.h"
#include "clusterd/api/validation.h"

#define DNS_SERVERS_MAX 3
#define DNS_SEARCHES_MAX 32
#define DNS_SEARCH_CHARACTERS_MAX 2048

static const char *const container_lists[] = { "containers", "initContainers", "ephemeralContainers" };

static void check_unique(GHashTable *seen, const json_t *name, const char *path, FieldErrors *errors)
{
  const char *text = json_string_value(name);
  if (text && *text && !g_hash_table_add(seen, g_strdup(text)))
    field_errors_add(errors, FIELD_DUPLICATE, path, name, NULL);
}

static void check_volumes(const json_t *spec, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t index;
  json_t *volume;
  json_array_foreach (json_object_get(spec, "volumes"), index, volume) {
    g_autofree char *name_path = g_strdup_printf("%s.volumes[%zu].name", path, index);
    check_unique(names, json_object_get(volume, "name"), name_path, errors);
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
  static const char *const policies[] = { "Always", NULL };
  g_autofree char *policy_path = field_path_child(path, "restartPolicy");
  for (size_t i = 0; i < G_N_ELEMENTS(members) && !is_sidecar(container); i++) {
    if (!json_object_get(container, members[i]))
      continue;
    g_autofree char *member_path = field_path_child(path, members[i]);
    field_errors_add(errors, FIELD_FORBIDDEN, member_path, NULL,
                     "may not be set for init containers without restartPolicy=Always");
  }
  if (json_object_get(container, "restartPolicy") && !is_sidecar(container))
    field_errors_add_unsupported(errors, policy_path, json_object_get(container, "restartPolicy"), policies);
}

/* A pause may not be longer than what the pod gets to end. */
static void check_sleep(const json_t *spec, const json_t *container, const char *path, FieldErrors *errors)
{
  static const char *const points[] = { "postStart", "preStop" };
  int64_t grace = json_int(spec, "terminationGracePeriodSeconds", 0);
  for (size_t i = 0; i < G_N_ELEMENTS(points); i++) {
    const json_t *sleep = json_at(container, "lifecycle", points[i], "sleep", NULL);
    int64_t seconds = json_int(sleep, "seconds", 0);
    if (!sleep || (seconds > 0 && seconds <= grace))
      continue;
    g_autofree char *sleep_path = g_strdup_printf("%s.lifecycle.%s.sleep", path, points[i]);
    g_autoptr(json_t) shown = json_integer(seconds);
    field_errors_add(errors, FIELD_INVALID, sleep_path, shown,
                     "must be greater than 0 and less than terminationGracePeriodSeconds (%" G_GINT64_FORMAT
                     "). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep.",
                     grace);
  }
}

/* What is for debugging has no part in the pod's service. */
static void check_ephemeral_container(const json_t *spec, const json_t *container, const char *path,
                                      FieldErrors *errors)
{
  static const char *const members[] = { "ports",          "resources",    "restartPolicy", "livenessProbe",
                                         "readinessProbe", "startupProbe", "lifecycle",     "resizePolicy" };
  const json_t *target = json_object_get(container, "targetContainerName");
  size_t index;
  json_t *item;
  bool found = !target;
  for (size_t list = 0; list < 2; list++) {
    json_array_foreach (json_object_get(spec, container_lists[list]), index, item) {
      found = found || json_equal(json_object_get(item, "name"), target);
    }
  }
  if (!found)
    field_errors_add_at(errors, FIELD_NOT_FOUND, path, "targetContainerName", target, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    const json_t *member = json_object_get(container, members[i]);
    if (json_object_size(member) > 0 || json_array_size(member) > 0 || json_is_string(member))
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, members[i], NULL, "cannot be set for an Ephemeral Container");
  }
  json_array_foreach (json_object_get(container, "volumeMounts"), index, item) {
    g_autofree char *mount_path = g_strdup_printf("%s.volumeMounts[%zu]", path, index);
    if (json_object_get(item, "subPath"))
      field_errors_add_at(errors, FIELD_FORBIDDEN, mount_path, "subPath", NULL,
                          "cannot be set for an Ephemeral Container");
    if (json_object_get(item, "subPathExpr"))
      field_errors_add_at(errors, FIELD_FORBIDDEN, mount_path, "subPathExpr", NULL,
                          "cannot be set for an Ephemeral Container");
  }
}

/* Whether a change of a resource restarts the container, each resource once. Upstream reports on the list. */
static void check_resize_policy(const json_t *spec, const json_t *container, const char *path, FieldErrors *errors)
{
  static const char *const resources[] = { "cpu", "memory", NULL };
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autofree char *list_path = field_path_child(path, "resizePolicy");
  bool never = strcmp(json_str(spec, "restartPolicy", ""), "Never") == 0;
  size_t index;
  json_t *policy;
  json_array_foreach (json_object_get(container, "resizePolicy"), index, policy) {
    const json_t *resource = json_object_get(policy, "resourceName"),
                 *restart = json_object_get(policy, "restartPolicy");
    const char *name = json_str(policy, "resourceName", "");
    g_autofree char *item_path = field_path_index(list_path, index);
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)name))
      field_errors_add(errors, FIELD_DUPLICATE, item_path, resource, NULL);
    if (!*name)
      field_errors_add(errors, FIELD_REQUIRED, list_path, NULL, NULL);
    else if (!g_strv_contains(resources, name))
      field_errors_add_unsupported(errors, list_path, resource, resources);
    if (never && strcmp(json_str(policy, "restartPolicy", ""), "NotRequired") != 0)
      field_errors_add(errors, FIELD_INVALID, list_path, restart,
                       "must be 'NotRequired' when `restartPolicy` is 'Never'");
  }
}

static void check_container(const json_t *spec, const json_t *container, size_t list, const char *path,
                            FieldErrors *errors)
{
  if (!*json_str(container, "image", "") && list < 2)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "image", NULL, NULL);
  environment_check_from(container, path, errors);
  mount_check_container(container, json_object_get(spec, "volumes"), path, errors);
  check_resize_policy(spec, container, path, errors);
  check_sleep(spec, container, path, errors);
  if (list == 0 && json_object_get(container, "restartPolicy"))
    field_errors_add_at(errors, FIELD_FORBIDDEN, path, "restartPolicy", NULL, "may not be set for non-init containers");
  else if (list == 1)
    check_init_container(container, path, errors);
  else if (list == 2)
    check_ephemeral_container(spec, container, path, errors);
}

static void check_containers(const json_t *spec, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t index;
  json_t *container;
  for (size_t list = 0; list < G_N_ELEMENTS(container_lists); list++) {
    g_autoptr(GHashTable) ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_array_foreach (json_object_get(spec, container_lists[list]), index, container) {
      g_autofree char *item = g_strdup_printf("%s.%s[%zu]", path, container_lists[list], index);
      g_autofree char *name_path = field_path_child(item, "name");
      if (list > 0)
        g_hash_table_remove_all(ports); /* init containers run one after another */
      check_unique(names, json_object_get(container, "name"), name_path, errors);
      check_container(spec, container, list, item, errors);
      check_host_ports(spec, container, ports, item, errors);
    }
  }
}

static void check_searches(const json_t *config, const char *path, FieldErrors *errors)
{
  const json_t *searches = json_object_get(config, "searches");
  g_autofree char *list_path = field_path_child(path, "searches");
  size_t index, length = 0;
  json_t *search;
  if (json_array_size(searches) > DNS_SEARCHES_MAX)
    field_errors_add(errors, FIELD_INVALID, list_path, searches, "must not have more than %d search paths",
                     DNS_SEARCHES_MAX);
  json_array_foreach ((json_t *)(uintptr_t)searches, index, search) {
    g_autofree char *item_path = field_path_index(list_path, index), *text = g_strdup(json_string_value(search));
    if (g_str_has_suffix(text, "."))
      text[strlen(text) - 1] = '\0';
    g_autoptr(json_t) trimmed = json_string(text);
    api_validate_format("dns1123subdomain", trimmed, item_path, errors);
    length += json_string_length(search) + (index > 0);
  }
  if (length > DNS_SEARCH_CHARACTERS_MAX)
    field_errors_add(errors, FIELD_INVALID, list_path, searches,
                     "must not have more than %d characters (including spaces) in the search list",
                     DNS_SEARCH_CHARACTERS_MAX);
}

static void check_dns(const json_t *spec, const char *path, FieldErrors *errors)
{
  const json_t *config = json_object_get(spec, "dnsConfig"), *servers = json_object_get(config, "nameservers");
  g_autofree char *config_path = field_path_child(path, "dnsConfig");
  bool alone = strcmp(json_str(spec, "dnsPolicy", ""), "None") == 0;
  size_t index;
  json_t *option;
  if (alone && !config)
    field_errors_add(errors, FIELD_REQUIRED, config_path, NULL, "must provide `dnsConfig` when `dnsPolicy` is None");
  else if (alone && json_array_size(servers) == 0)
    field_errors_add_at(errors, FIELD_REQUIRED, config_path, "nameservers", NULL,
                        "must provide at least one DNS nameserver when `dnsPolicy` is None");
  if (json_array_size(servers) > DNS_SERVERS_MAX)
    field_errors_add_at(errors, FIELD_INVALID, config_path, "nameservers", servers,
                        "must not have more than %d nameservers", DNS_SERVERS_MAX);
  check_searches(config, config_path, errors);
  json_array_foreach (json_object_get(config, "options"), index, option) {
    g_autofree char *option_path = g_strdup_printf("%s.options[%zu]", config_path, index);
    if (!*json_str(option, "name", ""))
      field_errors_add(errors, FIELD_REQUIRED, option_path, NULL, "must not be empty");
  }
}

static void check_os(const json_t *spec, const char *path, FieldErrors *errors)
{
  static const char *const systems[] = { "linux", "windows", NULL };
  const json_t *os = json_object_get(spec, "os");
  g_autofree char *os_path = field_path_child(path, "os");
  if (os && !*json_str(os, "name", ""))
    field_errors_add_at(errors, FIELD_REQUIRED, os_path, "name", NULL, "cannot be empty");
  else if (os && !g_strv_contains(systems, json_str(os, "name", "")))
    field_errors_add_unsupported(errors, os_path, json_object_get(os, "name"), systems);
}

void validate_pod_spec(const json_t *value, const char *path, FieldErrors *errors)
{
  check_volumes(value, path, errors);
  check_containers(value, path, errors);
  placement_check_pod(value, path, errors);
  security_check_pod(value, path, errors);
  check_dns(value, path, errors);
  windows_check_host_processes(value, path, errors);
  check_os(value, path, errors);
  windows_check_system(value, path, errors);
}

/* Pods: defaults, what the server decides at create, and the rules of pods alone. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_pod.h"
#include "clusterd/api/validation.h"

static const char *const container_lists[] = { "containers", "initContainers", "ephemeralContainers" };

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
  if (json_array_size(json_at(object, "spec", "schedulingGates", NULL)) > 0)
    json_object_set_new(json_object_get(object, "status"), "conditions",
                        json_pack("[{s:s, s:s, s:s, s:s}]", "type", "PodScheduled", "status", "False", "reason",
                                  "SchedulingGated", "message",
                                  "Scheduling is blocked due to non-empty scheduling gates"));
}

void pod_check_images(const json_t *spec, FieldErrors *errors)
{
  size_t index;
  json_t *container;
  for (size_t list = 0; list < G_N_ELEMENTS(container_lists); list++) {
    json_array_foreach (json_object_get(spec, container_lists[list]), index, container) {
      g_autofree char *path = g_strdup_printf("spec.%s[%zu].image", container_lists[list], index);
      api_validate_format("imageReference", json_object_get(container, "image"), path, errors);
    }
  }
}

static void check_tokens(const json_t *spec, FieldErrors *errors)
{
  size_t i, j;
  json_t *volume, *source;
  if (*json_str(spec, "serviceAccountName", ""))
    return;
  json_array_foreach (json_object_get(spec, "volumes"), i, volume) {
    json_array_foreach (json_at(volume, "projected", "sources", NULL), j, source) {
      g_autofree char *path = g_strdup_printf("spec.volumes[%zu].projected.sources[%zu].serviceAccountToken", i, j);
      if (json_object_get(source, "serviceAccountToken"))
        field_errors_add(errors, FIELD_FORBIDDEN, path, NULL,
                         "must not be specified when serviceAccountName is not set");
    }
  }
}

static void pod_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec");
  pod_check_annotations(object, "metadata.annotations", errors);
  check_tokens(spec, errors);
  pod_check_images(spec, errors);
  if (json_array_size(json_at(object, "spec", "ephemeralContainers", NULL)) > 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.ephemeralContainers", NULL, "cannot be set on create");
  if (*json_str(spec, "nodeName", "") && json_array_size(json_object_get(spec, "schedulingGates")) > 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "spec.nodeName", NULL,
                     "cannot be set until all schedulingGates have been cleared");
}

const ApiStrategy strategy_pod = {
  .prepare_create = pod_prepare_create,
  .prepare_update = pod_prepare_update,
  .validate_create = pod_validate_create,
  .validate_update = pod_validate_update,
};

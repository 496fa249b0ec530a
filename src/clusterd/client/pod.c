#include "clusterd/client/pod.h"

#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"

const char *pod_phase(const json_t *pod)
{
  return json_str(json_object_get(pod, "status"), "phase", "");
}

const char *pod_node(const json_t *pod)
{
  return json_str(json_object_get(pod, "spec"), "nodeName", "");
}

bool pod_is_finished(const json_t *pod)
{
  const char *phase = pod_phase(pod);
  return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

bool pod_is_deleting(const json_t *pod)
{
  return json_is_string(json_at(pod, "metadata", "deletionTimestamp", NULL));
}

bool pod_is_active(const json_t *pod)
{
  return !pod_is_finished(pod) && !pod_is_deleting(pod);
}

bool pod_is_ready(const json_t *pod)
{
  return condition_is(json_object_get(pod, "status"), "Ready", "True");
}

bool pod_is_available(const json_t *pod, int64_t min_ready_seconds, int64_t now_us, int64_t *wait_us)
{
  if (!pod_is_ready(pod))
    return false;
  if (min_ready_seconds == 0)
    return true;
  const json_t *ready = condition_get(json_object_get(pod, "status"), "Ready");
  int64_t since_us;
  if (!timestamp_parse(json_str(ready, "lastTransitionTime", NULL), &since_us))
    return false;
  int64_t missing_us = since_us + min_ready_seconds * G_USEC_PER_SEC - now_us;
  if (missing_us <= 0)
    return true;
  if (wait_us)
    *wait_us = missing_us;
  return false;
}

int64_t pod_restarts(const json_t *pod)
{
  int64_t restarts = 0;
  size_t i;
  json_t *status;
  json_array_foreach (json_at(pod, "status", "containerStatuses", NULL), i, status)
    restarts += json_int(status, "restartCount", 0);
  return restarts;
}

static int find_named_port(const json_t *containers, const char *name, const char *protocol)
{
  size_t i, k;
  json_t *container, *port;
  json_array_foreach (containers, i, container)
    json_array_foreach (json_object_get(container, "ports"), k, port)
      if (strcmp(json_str(port, "name", ""), name) == 0 && strcmp(json_str(port, "protocol", "TCP"), protocol) == 0)
        return (int)json_int(port, "containerPort", 0);
  return 0;
}

int pod_find_port(const json_t *pod, const json_t *target_port, const char *protocol)
{
  if (json_is_integer(target_port))
    return (int)json_integer_value(target_port);
  const char *name = json_string_value(target_port);
  if (!name)
    return 0;
  const json_t *spec = json_object_get(pod, "spec");
  int number = find_named_port(json_object_get(spec, "containers"), name, protocol);
  return number ? number : find_named_port(json_object_get(spec, "initContainers"), name, protocol);
}

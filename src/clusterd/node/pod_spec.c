#include "clusterd/node/pod_spec.h"

#include "base/json.h"

#define DEFAULT_GRACE_SECONDS 30

json_t *pod_spec_container(const json_t *pod, const char *name)
{
  static const char *const lists[] = { "containers", "initContainers", "ephemeralContainers" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    json_t *container;
    size_t k;
    json_array_foreach (json_at(pod, "spec", lists[i], NULL), k, container)
      if (g_str_equal(json_str(container, "name", ""), name))
        return container;
  }
  return NULL;
}

bool pod_spec_is_sidecar(const json_t *init_container)
{
  return g_str_equal(json_str(init_container, "restartPolicy", ""), "Always");
}

const char *pod_spec_restart_policy(const json_t *pod)
{
  return json_str(json_object_get(pod, "spec"), "restartPolicy", "Always");
}

char *pod_spec_title(const json_t *pod)
{
  const json_t *metadata = json_object_get(pod, "metadata");
  return g_strdup_printf("%s_%s(%s)", json_str(metadata, "name", ""), json_str(metadata, "namespace", ""),
                         json_str(metadata, "uid", ""));
}

bool pod_spec_is_terminating(const json_t *pod)
{
  return json_is_string(json_at(pod, "metadata", "deletionTimestamp", NULL));
}

int64_t pod_spec_grace_seconds(const json_t *pod)
{
  int64_t own = json_int(json_object_get(pod, "spec"), "terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS);
  return json_int(json_object_get(pod, "metadata"), "deletionGracePeriodSeconds", own);
}

gint pod_spec_compare_strings(gconstpointer a, gconstpointer b)
{
  return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

#include "clusterd/node/pod/apparmor.h"

#include <glib.h>

#include "base/json.h"

#define ANNOTATION "container.apparmor.security.beta.kubernetes.io/" /* before the container's name */

/* The container's own word goes before its annotation, the older way to say it, and that before the pod's. */
static bool container_wants(const json_t *pod, const json_t *container)
{
  const json_t *own = json_at(container, "securityContext", "appArmorProfile", NULL);
  const json_t *general = json_at(pod, "spec", "securityContext", "appArmorProfile", NULL);
  g_autofree char *key = g_strconcat(ANNOTATION, json_str(container, "name", ""), NULL);
  const char *annotation = json_str(json_at(pod, "metadata", "annotations", NULL), key, NULL);
  if (!own && annotation)
    return !g_str_equal(annotation, "unconfined");
  return !g_str_equal(json_str(own ? own : general, "type", "Unconfined"), "Unconfined");
}

bool apparmor_is_wanted(const json_t *pod)
{
  static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    const json_t *container;
    size_t k;
    json_array_foreach (json_at(pod, "spec", lists[i], NULL), k, container)
      if (container_wants(pod, container))
        return true;
  }
  return false;
}

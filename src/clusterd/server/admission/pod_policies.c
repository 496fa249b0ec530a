/* Plugins for pods that are off by default, each a rule of a few lines. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/admission/tolerations.h"

#define HOSTNAME "kubernetes.io/hostname"

static bool writes_pod(const AdmissionRequest *request)
{
  return request->operation != ADMISSION_DELETE && admission_is_about(request, "", "pods");
}

/* --- AlwaysPullImages: who has no pull secret may not use what another pod has pulled --- */

static void always_pull(json_t *spec, const char *list)
{
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(spec, list), i, container)
    json_object_set_new(container, "imagePullPolicy", json_string("Always"));
}

static bool always_pull_images(void *state, AdmissionRequest *request, GError **error)
{
  json_t *spec = json_object_get(request->object, "spec");
  if (!admission_creates(request, "", "pods"))
    return true;
  always_pull(spec, "initContainers");
  always_pull(spec, "containers");
  return true;
}

/* --- ExtendedResourceToleration: nodes with special devices are tainted with the device's name --- */

static bool is_extended(const char *name)
{
  return strchr(name, '/') && !strstr(name, "kubernetes.io/") && !g_str_has_prefix(name, "requests.");
}

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect_extended(const json_t *spec, const char *list, GPtrArray *names)
{
  size_t i;
  json_t *container, *amount;
  const char *name;
  json_array_foreach (json_object_get(spec, list), i, container)
    json_object_foreach (json_at(container, "resources", "requests", NULL), name, amount)
      if (is_extended(name))
        g_ptr_array_add(names, (void *)(uintptr_t)name);
}

static bool tolerate_resources(void *state, AdmissionRequest *request, GError **error)
{
  json_t *spec = json_object_get(request->object, "spec");
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  if (!writes_pod(request))
    return true;
  collect_extended(spec, "containers", names);
  collect_extended(spec, "initContainers", names);
  g_ptr_array_sort(names, compare_texts);
  for (guint i = 0; i < names->len; i++)
    toleration_add(spec, names->pdata[i], "NoSchedule");
  return true;
}

/* --- LimitPodHardAntiAffinityTopology: nobody keeps whole zones for a single pod --- */

static bool limit_anti_affinity(void *state, const AdmissionRequest *request, GError **error)
{
  size_t i;
  json_t *term;
  if (!writes_pod(request))
    return true;
  json_array_foreach (json_at(request->object, "spec", "affinity", "podAntiAffinity",
                              "requiredDuringSchedulingIgnoredDuringExecution", NULL),
                      i, term) {
    const char *key = json_str(term, "topologyKey", "");
    if (!g_str_equal(key, HOSTNAME))
      return admission_forbid(request, error,
                              "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey %s but only key %s is "
                              "allowed",
                              key, HOSTNAME);
  }
  return true;
}

const AdmissionPlugin admission_always_pull_images = { .name = "AlwaysPullImages", .mutate = always_pull_images };
const AdmissionPlugin admission_extended_resources = { .name = "ExtendedResourceToleration",
                                                       .mutate = tolerate_resources };
const AdmissionPlugin admission_anti_affinity = { .name = "LimitPodHardAntiAffinityTopology",
                                                  .validate = limit_anti_affinity };

/* A pod of a daemon set: what binds it to its node and lets it stay there. */
#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/workloads/daemon_set.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

static void add_toleration(json_t *list, const char *key, const char *effect)
{
  size_t i;
  json_t *known;
  json_array_foreach (list, i, known)
    if (strcmp(json_str(known, "key", ""), key) == 0 && strcmp(json_str(known, "effect", ""), effect) == 0)
      return;
  json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", key, "operator", "Exists", "effect", effect));
}

void daemon_set_tolerate(json_t *pod)
{
  json_t *spec = json_ensure_object(pod, "spec", NULL);
  json_t *list = json_object_get(spec, "tolerations");
  if (!list)
    json_object_set_new(spec, "tolerations", list = json_array());
  add_toleration(list, "node.kubernetes.io/not-ready", "NoExecute");
  add_toleration(list, "node.kubernetes.io/unreachable", "NoExecute");
  add_toleration(list, "node.kubernetes.io/disk-pressure", "NoSchedule");
  add_toleration(list, "node.kubernetes.io/memory-pressure", "NoSchedule");
  add_toleration(list, "node.kubernetes.io/pid-pressure", "NoSchedule");
  add_toleration(list, "node.kubernetes.io/unschedulable", "NoSchedule");
  if (json_flag(spec, "hostNetwork", false))
    add_toleration(list, "node.kubernetes.io/network-unavailable", "NoSchedule");
}

void daemon_set_bind_pod(json_t *pod, const char *name)
{
  json_t *spec = json_ensure_object(pod, "spec", NULL);
  json_t *required = json_ensure_object(spec, "affinity", "nodeAffinity", REQUIRED, NULL);
  json_t *terms = json_object_get(required, "nodeSelectorTerms");
  if (json_array_size(terms) == 0) {
    terms = json_pack("[{}]");
    json_object_set_new(required, "nodeSelectorTerms", terms);
  }
  size_t i;
  json_t *term;
  json_array_foreach (terms, i, term)
    json_object_set_new(term, "matchFields",
                        json_pack("[{s:s, s:s, s:[s]}]", "key", "metadata.name", "operator", "In", "values", name));
  daemon_set_tolerate(pod);
}

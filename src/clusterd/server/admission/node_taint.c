/* A new node is not ready: no pod is placed on it before the node lifecycle controller has seen that it is. */
#include "base/json.h"
#include "clusterd/server/admission/admission.h"

#define KEY "node.kubernetes.io/not-ready"
#define EFFECT "NoSchedule"

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (!admission_creates(request, "", "nodes"))
    return true;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  json_t *taints = json_object_get(spec, "taints");
  size_t i;
  json_t *taint;
  json_array_foreach (taints, i, taint)
    if (g_str_equal(json_str(taint, "key", ""), KEY) && g_str_equal(json_str(taint, "effect", ""), EFFECT))
      return true;
  if (!json_is_array(taints)) {
    taints = json_array();
    json_object_set_new(spec, "taints", taints);
  }
  json_array_append_new(taints, json_pack("{s:s, s:s}", "key", KEY, "effect", EFFECT));
  return true;
}

const AdmissionPlugin admission_node_taint = { .name = "TaintNodesByCondition", .mutate = mutate };

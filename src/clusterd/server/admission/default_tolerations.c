/* Every pod tolerates a node that is not ready or not reachable for five minutes, unless it says otherwise. */
#include "base/json.h"
#include "clusterd/server/admission/admission.h"

#define TOLERATION_SECONDS 300

static bool covers(const json_t *tolerations, const char *key)
{
  size_t i;
  json_t *toleration;
  json_array_foreach (tolerations, i, toleration) {
    const char *given = json_str(toleration, "key", ""), *effect = json_str(toleration, "effect", "");
    if ((!*given || g_str_equal(given, key)) && (!*effect || g_str_equal(effect, "NoExecute")))
      return true;
  }
  return false;
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  static const char *const keys[] = { "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable" };
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, "", "pods"))
    return true;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  json_t *tolerations = json_object_get(spec, "tolerations");
  if (!json_is_array(tolerations)) {
    tolerations = json_array();
    json_object_set_new(spec, "tolerations", tolerations);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
    if (!covers(tolerations, keys[i]))
      json_array_append_new(tolerations, json_pack("{s:s, s:s, s:s, s:i}", "key", keys[i], "operator", "Exists",
                                                   "effect", "NoExecute", "tolerationSeconds", TOLERATION_SECONDS));
  return true;
}

const AdmissionPlugin admission_default_tolerations = { .name = "DefaultTolerationSeconds", .mutate = mutate };

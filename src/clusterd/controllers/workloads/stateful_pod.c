#include "clusterd/controllers/workloads/stateful_pod.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/pod_control.h"
#include "clusterd/controllers/pods/revision_history.h"

int64_t stateful_pod_ordinal(const Object *set, const char *name)
{
  gsize length = strlen(object_name(set));
  if (strncmp(name, object_name(set), length) != 0 || name[length] != '-' || !g_ascii_isdigit(name[length + 1]))
    return -1;
  char *end;
  gint64 ordinal = g_ascii_strtoll(name + length + 1, &end, 10);
  return *end ? -1 : ordinal;
}

static char *claim_name(const Object *set, const json_t *template, int64_t ordinal)
{
  return g_strdup_printf("%s-%s-%" G_GINT64_FORMAT, json_str(json_object_get(template, "metadata"), "name", ""),
                         object_name(set), ordinal);
}

/* A volume of the template's name gives way to the claim. */
static void add_volume(json_t *spec, const char *name, const char *claim)
{
  json_t *volumes = json_object_get(spec, "volumes");
  if (!volumes)
    json_object_set_new(spec, "volumes", volumes = json_array());
  for (size_t i = json_array_size(volumes); i-- > 0;)
    if (strcmp(json_str(json_array_get(volumes, i), "name", ""), name) == 0)
      json_array_remove(volumes, i);
  json_array_append_new(volumes,
                        json_pack("{s:s, s:{s:s}}", "name", name, "persistentVolumeClaim", "claimName", claim));
}

json_t *stateful_pod_make(const Object *set, const json_t *template, int64_t ordinal, const char *revision)
{
  json_t *pod = pod_control_make(set, template);
  json_t *metadata = json_object_get(pod, "metadata"), *spec = json_object_get(pod, "spec");
  json_t *labels = json_ensure_object(metadata, "labels", NULL);
  g_autofree char *name = g_strdup_printf("%s-%" G_GINT64_FORMAT, object_name(set), ordinal);
  g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, ordinal);
  json_object_del(metadata, "generateName");
  json_object_set_new(metadata, "name", json_string(name));
  json_object_set_new(labels, REVISION_LABEL, json_string(revision));
  json_object_set_new(labels, "statefulset.kubernetes.io/pod-name", json_string(name));
  json_object_set_new(labels, "apps.kubernetes.io/pod-index", json_string(number));
  json_object_set_new(spec, "hostname", json_string(name));
  const char *service = json_str(json_object_get(object_json(set), "spec"), "serviceName", "");
  if (*service)
    json_object_set_new(spec, "subdomain", json_string(service));
  size_t i;
  json_t *claim_template;
  json_array_foreach (json_at(object_json(set), "spec", "volumeClaimTemplates", NULL), i, claim_template) {
    g_autofree char *claim = claim_name(set, claim_template, ordinal);
    add_volume(spec, json_str(json_object_get(claim_template, "metadata"), "name", ""), claim);
  }
  return pod;
}

json_t *stateful_pod_claims(const Object *set, int64_t ordinal)
{
  json_t *claims = json_array();
  const json_t *labels = json_at(object_json(set), "spec", "selector", "matchLabels", NULL);
  size_t i;
  json_t *template;
  json_array_foreach (json_at(object_json(set), "spec", "volumeClaimTemplates", NULL), i, template) {
    g_autofree char *name = claim_name(set, template, ordinal);
    json_t *claim = json_deep_copy(template);
    json_t *metadata = json_ensure_object(claim, "metadata", NULL);
    json_object_del(claim, "status");
    json_object_del(metadata, "creationTimestamp");
    json_object_set_new(metadata, "name", json_string(name));
    if (labels)
      json_object_update(json_ensure_object(metadata, "labels", NULL), (json_t *)(uintptr_t)labels);
    json_array_append_new(claims, claim);
  }
  return claims;
}

bool stateful_pod_owns_claim(const Object *set, const char *name)
{
  size_t i;
  json_t *template;
  json_array_foreach (json_at(object_json(set), "spec", "volumeClaimTemplates", NULL), i, template) {
    g_autofree char *prefix = g_strconcat(json_str(json_object_get(template, "metadata"), "name", ""), "-", NULL);
    if (g_str_has_prefix(name, prefix) && stateful_pod_ordinal(set, name + strlen(prefix)) >= 0)
      return true;
  }
  return false;
}

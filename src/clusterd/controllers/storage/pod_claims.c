#include "clusterd/controllers/storage/pod_claims.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/pods/owner.h"

char *pod_claims_ephemeral_name(const json_t *pod, const json_t *volume)
{
  return g_strdup_printf("%s-%s", json_str(json_object_get(pod, "metadata"), "name", ""), json_str(volume, "name", ""));
}

char **pod_claims_index(const Object *pod)
{
  const json_t *value = object_json((Object *)(uintptr_t)pod);
  GPtrArray *keys = g_ptr_array_new();
  size_t i;
  json_t *volume;
  json_array_foreach (json_at(value, "spec", "volumes", NULL), i, volume) {
    const char *claim = json_str(json_object_get(volume, "persistentVolumeClaim"), "claimName", NULL);
    g_autofree char *ephemeral = json_object_get(volume, "ephemeral") ? pod_claims_ephemeral_name(value, volume) : NULL;
    if (claim || ephemeral)
      g_ptr_array_add(keys, g_strdup_printf("%s/%s", object_namespace(pod), claim ? claim : ephemeral));
  }
  g_ptr_array_add(keys, NULL);
  return (char **)g_ptr_array_free(keys, FALSE);
}

bool pod_claims_is_owner(const json_t *pod, const json_t *claim)
{
  const json_t *owner = owner_of(claim);
  return owner && strcmp(json_str(owner, "uid", ""), json_str(json_object_get(pod, "metadata"), "uid", "")) == 0;
}

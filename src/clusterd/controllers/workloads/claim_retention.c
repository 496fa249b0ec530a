#include "clusterd/controllers/workloads/claim_retention.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/pods/owner.h"

static bool deletes(const json_t *set, const char *when)
{
  const json_t *policy = json_at(set, "spec", "persistentVolumeClaimRetentionPolicy", NULL);
  return strcmp(json_str(policy, when, "Retain"), "Delete") == 0;
}

static const char *uid_of(const json_t *object)
{
  return json_str(json_object_get(object, "metadata"), "uid", "");
}

/* Whether REFERENCE names an object of that kind and name, be it this one or another of its name. */
static bool names(const json_t *reference, const char *api_version, const char *kind, const char *name)
{
  return strcmp(json_str(reference, "apiVersion", ""), api_version) == 0 &&
         strcmp(json_str(reference, "kind", ""), kind) == 0 && strcmp(json_str(reference, "name", ""), name) == 0;
}

static bool names_set(const json_t *reference, const json_t *set)
{
  return names(reference, "apps/v1", "StatefulSet", json_str(json_object_get(set, "metadata"), "name", ""));
}

static bool names_pod(const json_t *reference, const json_t *pod)
{
  return names(reference, "v1", "Pod", json_str(json_object_get(pod, "metadata"), "name", ""));
}

static bool is_of(const json_t *reference, const json_t *object)
{
  return strcmp(json_str(reference, "uid", ""), uid_of(object)) == 0;
}

/* An owner of the right name that is not the one there is now. */
static bool has_earlier_owner(const json_t *references, const json_t *set, const json_t *pod)
{
  size_t i;
  json_t *reference;
  json_array_foreach (references, i, reference)
    if ((names_set(reference, set) && !is_of(reference, set)) || (names_pod(reference, pod) && !is_of(reference, pod)))
      return true;
  return false;
}

static bool has_other_controller(const json_t *references, const json_t *set, const json_t *pod)
{
  size_t i;
  json_t *reference;
  json_array_foreach (references, i, reference)
    if (!names_set(reference, set) && !names_pod(reference, pod) && json_flag(reference, "controller", false))
      return true;
  return false;
}

json_t *claim_retention_owners(const json_t *claim, const json_t *set, const json_t *pod, bool surplus)
{
  const json_t *known = json_at(claim, "metadata", "ownerReferences", NULL);
  bool scaled = deletes(set, "whenScaled"), deleted = deletes(set, "whenDeleted");
  if (has_earlier_owner(known, set, pod))
    return NULL;
  g_autoptr(json_t) wanted = json_array();
  size_t i;
  json_t *reference;
  json_array_foreach (known, i, reference)
    if (!names_set(reference, set) && !names_pod(reference, pod))
      json_array_append(wanted, reference);
  bool free = !has_other_controller(known, set, pod);
  if (free && scaled && surplus)
    json_array_append_new(wanted, owner_reference_new(pod));
  else if (free && deleted)
    json_array_append_new(wanted, owner_reference_new(set));
  if (json_array_size(known) == 0 && json_array_size(wanted) == 0)
    return NULL;
  return json_same(known, wanted) ? NULL : g_steal_pointer(&wanted);
}

bool claim_retention_is_stale(const json_t *claim, const json_t *set, const char *pod_name)
{
  size_t i;
  json_t *reference;
  if (!deletes(set, "whenScaled"))
    return false;
  json_array_foreach (json_at(claim, "metadata", "ownerReferences", NULL), i, reference)
    if (names(reference, "v1", "Pod", pod_name))
      return true;
  return false;
}

/* The claims of a stateful set's pods: made with their pods, and owned as the retention policy says. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/workloads/claim_retention.h"
#include "clusterd/controllers/workloads/stateful_pod.h"
#include "clusterd/controllers/workloads/stateful_ranks.h"

static const char *name_of(const json_t *claim)
{
  return json_str(json_object_get(claim, "metadata"), "name", "");
}

static bool create_claim(const Ranks *ranks, const json_t *claim, int64_t number, GError **error)
{
  const char *set = object_name(ranks->set);
  GError *problem = NULL;
  g_autoptr(Object) stored = client_create(ranks->workload->client, "v1", "persistentvolumeclaims",
                                           object_namespace(ranks->set), claim, &problem);
  if (reason_is(problem, REASON_ALREADY_EXISTS)) {
    g_error_free(problem);
    return true;
  }
  if (stored) {
    informer_wait_revision(ranks->claims, object_revision(stored));
    recorder_event(ranks->workload->recorder, object_json(ranks->set), NULL, "Normal", "SuccessfulCreate",
                   "create Claim %s Pod %s-%" G_GINT64_FORMAT " in StatefulSet %s success", name_of(claim), set, number,
                   set);
    return true;
  }
  recorder_event(ranks->workload->recorder, object_json(ranks->set), NULL, "Warning", "FailedCreate",
                 "create Claim %s for Pod %s-%" G_GINT64_FORMAT " in StatefulSet %s failed error: %s", name_of(claim),
                 set, number, set, problem->message);
  g_propagate_error(error, problem);
  return false;
}

bool ranks_ensure_claims(const Ranks *ranks, int64_t number, GError **error)
{
  g_autoptr(json_t) claims = stateful_pod_claims(ranks->set, number);
  size_t i;
  json_t *claim;
  json_array_foreach (claims, i, claim) {
    g_autoptr(Object) known = informer_get(ranks->claims, object_namespace(ranks->set), name_of(claim));
    if (!known && !create_claim(ranks, claim, number, error))
      return false;
    if (known && pod_is_deleting(object_json(known))) {
      reason_set(error, REASON_CONFLICT, "pvc %s is being deleted", name_of(claim));
      return false;
    }
  }
  return true;
}

bool ranks_claims_are_stale(const Ranks *ranks, int64_t number)
{
  g_autofree char *pod = g_strdup_printf("%s-%" G_GINT64_FORMAT, object_name(ranks->set), number);
  g_autoptr(json_t) claims = stateful_pod_claims(ranks->set, number);
  size_t i;
  json_t *claim;
  json_array_foreach (claims, i, claim) {
    g_autoptr(Object) known = informer_get(ranks->claims, object_namespace(ranks->set), name_of(claim));
    if (known && claim_retention_is_stale(object_json(known), object_json(ranks->set), pod))
      return true;
  }
  return false;
}

typedef struct ClaimChange {
  const Ranks *ranks;
  const Object *pod;
  bool surplus;
} ClaimChange;

static bool change_owners(json_t *claim, void *data)
{
  const ClaimChange *change = data;
  json_t *owners =
      claim_retention_owners(claim, object_json(change->ranks->set), object_json(change->pod), change->surplus);
  if (!owners)
    return false;
  json_t *metadata = json_object_get(claim, "metadata");
  if (json_array_size(owners) > 0) {
    json_object_set_new(metadata, "ownerReferences", owners);
  } else {
    json_decref(owners);
    json_object_del(metadata, "ownerReferences");
  }
  return true;
}

static bool retain_claim(ClaimChange *change, const char *name, GError **error)
{
  const Ranks *ranks = change->ranks;
  g_autoptr(Object) known = informer_get(ranks->claims, object_namespace(ranks->set), name);
  g_autoptr(json_t) owners = known ? claim_retention_owners(object_json(known), object_json(ranks->set),
                                                            object_json(change->pod), change->surplus)
                                   : NULL;
  if (!owners)
    return true;
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) stored = client_modify(ranks->workload->client, "v1", "persistentvolumeclaims",
                                           object_namespace(ranks->set), name, NULL, change_owners, change, &problem);
  if (stored)
    informer_wait_revision(ranks->claims, object_revision(stored));
  else if (!reason_is(problem, REASON_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&problem));
  return stored || problem;
}

bool ranks_retain_claims(const Ranks *ranks, const Object *pod, int64_t number, GError **error)
{
  ClaimChange change = { .ranks = ranks,
                         .pod = pod,
                         .surplus = number < ranks->first || number >= ranks->first + ranks->replicas };
  g_autoptr(json_t) claims = stateful_pod_claims(ranks->set, number);
  size_t i;
  json_t *claim;
  json_array_foreach (claims, i, claim)
    if (!retain_claim(&change, name_of(claim), error))
      return false;
  return true;
}

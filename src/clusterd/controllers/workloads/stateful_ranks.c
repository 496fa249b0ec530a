#include "clusterd/controllers/workloads/stateful_ranks.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/workloads/stateful_pod.h"

#define POD_NAME_LABEL "statefulset.kubernetes.io/pod-name"
#define CREATED_MAX 500 /* pods made in one pass; their own news lead to the next */

static void *key_of(int64_t number)
{
  return GSIZE_TO_POINTER((gsize)number);
}

static Object *find(const Ranks *ranks, int64_t number)
{
  return g_hash_table_lookup(ranks->pods, key_of(number));
}

static void unref_object(void *object)
{
  object_unref(object);
}

GHashTable *ranks_by_number(const Object *set, GPtrArray *pods)
{
  GHashTable *result = g_hash_table_new_full(NULL, NULL, NULL, unref_object);
  for (unsigned i = 0; i < pods->len; i++) {
    Object *pod = g_ptr_array_index(pods, i);
    int64_t number = stateful_pod_ordinal(set, object_name(pod));
    if (number >= 0)
      g_hash_table_insert(result, key_of(number), object_ref(pod));
  }
  return result;
}

bool ranks_is_of(const Object *pod, const Object *revision)
{
  const char *label = json_str(json_at(object_json(pod), "metadata", "labels", NULL), REVISION_LABEL, "");
  return strcmp(label, object_name(revision)) == 0;
}

/* Running, ready, long enough so, and to stay. */
static bool is_healthy(Ranks *ranks, const Object *pod)
{
  int64_t wait_us = -1;
  const json_t *value = object_json(pod);
  bool available = pod_is_available(value, json_int(ranks->spec, "minReadySeconds", 0), timestamp_now_us(), &wait_us);
  if (wait_us >= 0)
    ranks->wait_us = ranks->wait_us < 0 ? wait_us : MIN(ranks->wait_us, wait_us);
  return available && !pod_is_deleting(value) && strcmp(pod_phase(value), "Running") == 0;
}

static void tell(const Ranks *ranks, const char *verb, const char *pod, const GError *problem)
{
  g_autofree char *reason =
      g_strdup_printf("%s%c%s", problem ? "Failed" : "Successful", g_ascii_toupper(*verb), verb + 1);
  const char *set = object_name(ranks->set);
  if (problem)
    recorder_event(ranks->workload->recorder, object_json(ranks->set), NULL, "Warning", reason,
                   "%s Pod %s in StatefulSet %s failed error: %s", verb, pod, set, problem->message);
  else
    recorder_event(ranks->workload->recorder, object_json(ranks->set), NULL, "Normal", reason,
                   "%s Pod %s in StatefulSet %s successful", verb, pod, set);
}

static Object *try_create(const Ranks *ranks, int64_t number, const json_t *pod, GError **error)
{
  return ranks_ensure_claims(ranks, number, error)
             ? client_create(ranks->workload->client, "v1", "pods", object_namespace(ranks->set), pod, error)
             : NULL;
}

/* Below the partition pods come back as they were. */
static bool create_pod(Ranks *ranks, int64_t number, GError **error)
{
  const Object *revision = number < ranks->first + ranks->partition ? ranks->current : ranks->updated;
  g_autoptr(json_t) pod =
      stateful_pod_make(ranks->set, revision_history_template(revision), number, object_name(revision));
  const char *name = json_str(json_object_get(pod, "metadata"), "name", "");
  GError *problem = NULL;
  Object *stored = try_create(ranks, number, pod, &problem);
  if (!stored && pod_control_is_moot(problem)) {
    g_error_free(problem);
    return true;
  }
  tell(ranks, "create", name, problem);
  if (!stored) {
    g_propagate_error(error, problem);
    return false;
  }
  informer_wait_revision(ranks->workload->pods, object_revision(stored));
  g_hash_table_insert(ranks->pods, key_of(number), stored);
  ranks->n_created++;
  return true;
}

/* The pod NUMBER is then known as it is while it ends, or not at all any more. */
static bool delete_pod(Ranks *ranks, int64_t number, GError **error)
{
  g_autoptr(Object) pod = object_ref(find(ranks, number));
  g_autoptr(GError) problem = NULL;
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(pod) };
  bool deleted =
      client_delete(ranks->workload->client, "v1", "pods", object_namespace(pod), object_name(pod), &options, &problem);
  if (!deleted && !reason_is(problem, REASON_NOT_FOUND)) {
    tell(ranks, "delete", object_name(pod), problem);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (deleted)
    tell(ranks, "delete", object_name(pod), NULL);
  informer_wait_deleted(ranks->workload->pods, pod);
  Object *now = informer_get(ranks->workload->pods, object_namespace(pod), object_name(pod));
  if (now)
    g_hash_table_insert(ranks->pods, key_of(number), now);
  else
    g_hash_table_remove(ranks->pods, key_of(number));
  return true;
}

/* A pod that has ended, however well, is made anew under its name. */
static bool delete_ended(Ranks *ranks, int64_t number, GError **error)
{
  const Object *pod = find(ranks, number);
  bool failed = strcmp(pod_phase(object_json(pod)), "Failed") == 0;
  recorder_event(ranks->workload->recorder, object_json(ranks->set), NULL, failed ? "Warning" : "Normal",
                 failed ? "RecreatingFailedPod" : "RecreatingTerminatedPod",
                 "StatefulSet %s/%s is recreating %s Pod %s", object_namespace(ranks->set), object_name(ranks->set),
                 failed ? "failed" : "terminated", object_name(pod));
  return delete_pod(ranks, number, error);
}

static bool set_name_label(json_t *pod, void *data)
{
  json_t *labels = json_ensure_object(pod, "metadata", "labels", NULL);
  if (strcmp(json_str(json_object_get(pod, "metadata"), "uid", ""), data) != 0)
    return false;
  json_object_set(labels, POD_NAME_LABEL, json_object_get(json_object_get(pod, "metadata"), "name"));
  return true;
}

/* What somebody changed and must not have: the label with the pod's name, the owners of its claims. */
static bool restore(Ranks *ranks, int64_t number, GError **error)
{
  const Object *pod = find(ranks, number);
  const char *label = json_str(json_at(object_json(pod), "metadata", "labels", NULL), POD_NAME_LABEL, "");
  if (!ranks_retain_claims(ranks, pod, number, error))
    return false;
  if (strcmp(label, object_name(pod)) == 0)
    return true;
  g_autofree char *name = g_strdup(object_name(pod));
  g_autofree char *uid = g_strdup(object_uid(pod));
  GError *problem = NULL;
  Object *stored = client_modify(ranks->workload->client, "v1", "pods", object_namespace(pod), name, NULL,
                                 set_name_label, uid, &problem);
  tell(ranks, "update", name, problem);
  if (!stored) {
    g_propagate_error(error, problem);
    return false;
  }
  informer_wait_revision(ranks->workload->pods, object_revision(stored));
  g_hash_table_insert(ranks->pods, key_of(number), stored);
  return true;
}

/* Brings one number nearer to a healthy pod. *SETTLED becomes false when it is not there yet. */
static bool fill_one(Ranks *ranks, int64_t number, bool *settled, GError **error)
{
  Object *pod = find(ranks, number);
  if (pod && pod_is_finished(object_json(pod)) && !pod_is_deleting(object_json(pod)) &&
      !delete_ended(ranks, number, error))
    return false;
  pod = find(ranks, number);
  if (!pod && (ranks_claims_are_stale(ranks, number) || ranks->n_created == CREATED_MAX)) {
    *settled = false;
    return true;
  }
  if (!pod && !create_pod(ranks, number, error))
    return false;
  pod = find(ranks, number);
  if (pod && strcmp(pod_phase(object_json(pod)), "Pending") == 0 && !pod_is_deleting(object_json(pod)) &&
      !ranks_ensure_claims(ranks, number, error))
    return false;
  if (!pod || !is_healthy(ranks, pod))
    *settled = false;
  return !pod || (!*settled && !ranks->parallel) || restore(ranks, number, error);
}

/* Makes what is missing, in order. *SETTLED tells whether all are there and healthy. */
static bool fill(Ranks *ranks, bool *settled, GError **error)
{
  *settled = true;
  for (int64_t number = ranks->first; number < ranks->first + ranks->replicas; number++) {
    if (!fill_one(ranks, number, settled, error))
      return false;
    if (!*settled && (!ranks->parallel || ranks->n_created == CREATED_MAX))
      return true;
  }
  return true;
}

static int highest_first(const void *left, const void *right)
{
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return a < b ? 1 : -(a > b);
}

/* The numbers of pods outside the range, highest first: int64_t. */
static GArray *list_surplus(const Ranks *ranks)
{
  GArray *numbers = g_array_new(FALSE, FALSE, sizeof(int64_t));
  GHashTableIter iter;
  void *key;
  g_hash_table_iter_init(&iter, ranks->pods);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    int64_t number = (int64_t)GPOINTER_TO_SIZE(key);
    if (number < ranks->first || number >= ranks->first + ranks->replicas)
      g_array_append_val(numbers, number);
  }
  g_array_sort(numbers, highest_first);
  return numbers;
}

/* Ends pods outside the range, the highest first. In order: one at a time, and none that serves while a lower one does
 * not. *SETTLED tells whether there was none. */
static bool shrink(Ranks *ranks, bool *settled, GError **error)
{
  g_autoptr(GArray) surplus = list_surplus(ranks);
  int64_t unhealthy = -1; /* the lowest */
  for (unsigned i = 0; i < surplus->len; i++) {
    int64_t number = g_array_index(surplus, int64_t, i);
    *settled = false;
    if (!is_healthy(ranks, find(ranks, number)))
      unhealthy = number;
    if (!ranks_retain_claims(ranks, find(ranks, number), number, error))
      return false;
  }
  for (unsigned i = 0; i < surplus->len; i++) {
    int64_t number = g_array_index(surplus, int64_t, i);
    const Object *pod = find(ranks, number);
    bool deleting = pod_is_deleting(object_json(pod));
    if (!ranks->parallel && (deleting || (!is_healthy(ranks, pod) && number != unhealthy)))
      return true;
    if (deleting)
      continue;
    if (!delete_pod(ranks, number, error))
      return false;
    if (!ranks->parallel)
      return true;
  }
  return true;
}

/* Replaces pods of an older revision, the highest first, each only when those above are healthy. */
static bool update(Ranks *ranks, GError **error)
{
  const char *type = json_str(json_object_get(ranks->spec, "updateStrategy"), "type", "RollingUpdate");
  if (strcmp(type, "RollingUpdate") != 0)
    return true;
  for (int64_t number = ranks->first + ranks->replicas - 1; number >= ranks->first + ranks->partition; number--) {
    const Object *pod = find(ranks, number);
    if (!pod)
      return true;
    if (!ranks_is_of(pod, ranks->updated) && !pod_is_deleting(object_json(pod)))
      return delete_pod(ranks, number, error);
    if (!is_healthy(ranks, pod))
      return true;
  }
  return true;
}

bool ranks_advance(Ranks *ranks, GError **error)
{
  bool settled = true;
  if (!fill(ranks, &settled, error))
    return false;
  if (!settled && !ranks->parallel)
    return true;
  return shrink(ranks, &settled, error) && ((!settled && !ranks->parallel) || update(ranks, error));
}

#include "clusterd/controllers/batch/job_pods.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/batch/job_policy.h"
#include "clusterd/controllers/pods/owner.h"

#define INDEX_VARIABLE "JOB_COMPLETION_INDEX"
#define PARALLEL_MAX 16
#define GENERATED_PREFIX_MAX 58 /* what a generated name leaves of a label's 63 characters */

static json_t *make_pod(const Object *job)
{
  json_t *pod = pod_control_make(job, json_at(object_json(job), "spec", "template", NULL));
  json_t *metadata = json_object_get(pod, "metadata"), *finalizers = json_object_get(metadata, "finalizers");
  if (!finalizers)
    json_object_set_new(metadata, "finalizers", finalizers = json_array());
  if (!json_has_text(finalizers, JOB_FINALIZER))
    json_array_append_new(finalizers, json_string(JOB_FINALIZER));
  return pod;
}

static void add_index_variable(json_t *container)
{
  json_t *env = json_object_get(container, "env");
  if (json_find(env, "name", INDEX_VARIABLE))
    return;
  if (!env)
    json_object_set_new(container, "env", env = json_array());
  json_array_append_new(env, json_pack("{s:s, s:{s:{s:s}}}", "name", INDEX_VARIABLE, "valueFrom", "fieldRef",
                                       "fieldPath", "metadata.labels['" JOB_INDEX "']"));
}

static void set_number(json_t *map, const char *key, int64_t number)
{
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
  json_object_set_new(map, key, json_string(text));
}

/* The counts of an index's failures go from pod to pod. */
static void carry_counts(json_t *annotations, const JobState *state, int64_t index)
{
  const Object *last = g_hash_table_lookup(state->replaced, GINT_TO_POINTER((int)index));
  int64_t failures = 0, ignored = 0;
  if (last) {
    const json_t *pod = object_json(last);
    bool counts = job_policy_action(state->job, pod, NULL) != JOB_ACTION_IGNORE;
    failures = job_pod_count(pod, JOB_INDEX_FAILURES) + counts;
    ignored = job_pod_count(pod, JOB_INDEX_IGNORED) + !counts;
  }
  set_number(annotations, JOB_INDEX_FAILURES, failures);
  if (ignored > 0)
    set_number(annotations, JOB_INDEX_IGNORED, ignored);
}

static void set_index(json_t *pod, const Object *job, const JobState *state, int64_t index)
{
  static const char *const lists[] = { "initContainers", "containers" };
  g_autofree char *suffix = g_strdup_printf("-%" G_GINT64_FORMAT "-", index);
  g_autofree char *prefix =
      g_strdup_printf("%.*s%s", (int)(GENERATED_PREFIX_MAX - strlen(suffix)), object_name(job), suffix);
  g_autofree char *host = g_strdup_printf("%s-%" G_GINT64_FORMAT, object_name(job), index);
  json_t *metadata = json_object_get(pod, "metadata"), *spec = json_object_get(pod, "spec");
  json_t *annotations = json_ensure_object(metadata, "annotations", NULL);
  json_object_set_new(metadata, "generateName", json_string(prefix));
  set_number(annotations, JOB_INDEX, index);
  set_number(json_ensure_object(metadata, "labels", NULL), JOB_INDEX, index);
  json_object_set_new(spec, "hostname", json_string(host));
  for (size_t k = 0; k < G_N_ELEMENTS(lists); k++) {
    size_t i;
    json_t *container;
    json_array_foreach (json_object_get(spec, lists[k]), i, container)
      add_index_variable(container);
  }
  if (state->lost)
    carry_counts(annotations, state, index);
}

static void unref_json(void *value)
{
  json_decref(value);
}

bool job_pods_create(const PodControl *control, const Object *job, const JobState *state, int64_t count,
                     const GArray *indexes, GError **error)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_json);
  for (int64_t i = 0; i < (indexes ? (int64_t)indexes->len : count); i++) {
    json_t *pod = make_pod(job);
    if (indexes)
      set_index(pod, job, state, g_array_index(indexes, int64_t, i));
    g_ptr_array_add(pods, pod);
  }
  return pod_control_create_all(control, job, pods, error);
}

/* Pods that are let go at the same time. */
typedef struct Farewell {
  const PodControl *control;
  GMutex lock; /* guards what follows */
  int64_t revision;
  GError *error; /* the first */
} Farewell;

static bool drop_finalizer(json_t *value, void *data)
{
  const Object *pod = data;
  return strcmp(json_str(json_object_get(value, "metadata"), "uid", ""), object_uid(pod)) == 0 &&
         owner_drop_finalizer(value, JOB_FINALIZER);
}

static void let_go(void *item, void *data)
{
  Object *pod = item;
  Farewell *farewell = data;
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) stored = client_modify(farewell->control->client, "v1", "pods", object_namespace(pod),
                                           object_name(pod), NULL, drop_finalizer, pod, &problem);
  g_mutex_lock(&farewell->lock);
  if (stored)
    farewell->revision = MAX(farewell->revision, object_revision(stored));
  else if (!reason_is(problem, REASON_NOT_FOUND) && !farewell->error)
    farewell->error = g_steal_pointer(&problem);
  g_mutex_unlock(&farewell->lock);
}

bool job_pods_let_go(const PodControl *control, GPtrArray *pods, GError **error)
{
  Farewell farewell = { .control = control };
  g_autoptr(GPtrArray) tracked = g_ptr_array_new();
  for (unsigned i = 0; i < pods->len; i++)
    if (job_pod_is_tracked(object_json(pods->pdata[i])))
      g_ptr_array_add(tracked, pods->pdata[i]);
  g_mutex_init(&farewell.lock);
  if (tracked->len == 1) {
    let_go(tracked->pdata[0], &farewell);
  } else if (tracked->len > 1) {
    GThreadPool *pool = g_thread_pool_new(let_go, &farewell, PARALLEL_MAX, FALSE, NULL);
    for (unsigned i = 0; i < tracked->len; i++)
      g_thread_pool_push(pool, tracked->pdata[i], NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
  }
  g_mutex_clear(&farewell.lock);
  if (farewell.error) {
    g_propagate_error(error, farewell.error);
    return false;
  }
  return farewell.revision == 0 || informer_wait_revision(control->pods, farewell.revision) ||
         reason_set(error, REASON_TIMEOUT, "The pods' change is not to be seen yet.");
}

bool job_pods_give_up(const PodControl *control, const Object *job, GPtrArray *pods, GError **error)
{
  return job_pods_let_go(control, pods, error) && pod_control_delete(control, job, pods, error);
}

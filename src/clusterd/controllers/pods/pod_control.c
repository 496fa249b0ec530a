#include "clusterd/controllers/pods/pod_control.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/pods/owner.h"

#define PARALLEL_MAX 16

json_t *pod_control_make(const Object *owner, const json_t *template)
{
  const json_t *from = json_object_get(template, "metadata");
  json_t *pod = json_object();
  json_t *metadata = json_ensure_object(pod, "metadata", NULL);
  g_autofree char *prefix = g_strconcat(object_name(owner), "-", NULL);
  json_object_set_new(metadata, "generateName", json_string(prefix));
  static const char *const copied[] = { "labels", "annotations", "finalizers" };
  for (size_t i = 0; i < G_N_ELEMENTS(copied); i++)
    if (json_object_get(from, copied[i]))
      json_object_set_new(metadata, copied[i], json_deep_copy(json_object_get(from, copied[i])));
  json_object_set_new(metadata, "ownerReferences", json_pack("[o]", owner_reference_new(object_json(owner))));
  json_object_set_new(pod, "spec", json_deep_copy(json_object_get(template, "spec")));
  return pod;
}

bool pod_control_is_moot(const GError *error)
{
  size_t i;
  json_t *cause;
  json_array_foreach (json_object_get(reason_details(error), "causes"), i, cause)
    if (strcmp(json_str(cause, "reason", ""), "NamespaceTerminating") == 0)
      return true;
  return false;
}

static Object *create_quietly(const PodControl *control, const Object *owner, const json_t *pod, GError **error)
{
  GError *problem = NULL;
  Object *created = client_create(control->client, "v1", "pods", object_namespace(owner), pod, &problem);
  if (created) {
    recorder_event(control->recorder, object_json(owner), NULL, "Normal", "SuccessfulCreate", "Created pod: %s",
                   object_name(created));
    return created;
  }
  if (!pod_control_is_moot(problem))
    recorder_event(control->recorder, object_json(owner), NULL, "Warning", "FailedCreate", "Error creating: %s",
                   problem->message);
  g_propagate_error(error, problem);
  return NULL;
}

Object *pod_control_create_one(const PodControl *control, const Object *owner, const json_t *pod, GError **error)
{
  Object *created = create_quietly(control, owner, pod, error);
  if (created)
    informer_wait_revision(control->pods, object_revision(created));
  return created;
}

/* One batch of equal work done by several threads. */
typedef struct Batch {
  const PodControl *control;
  const Object *owner;
  GMutex lock; /* guards what follows */
  int64_t revision;
  GError *error; /* the first */
} Batch;

static void batch_note(Batch *batch, int64_t revision, GError *error)
{
  g_mutex_lock(&batch->lock);
  batch->revision = MAX(batch->revision, revision);
  if (error && !batch->error)
    batch->error = g_steal_pointer(&error);
  g_mutex_unlock(&batch->lock);
  g_clear_error(&error);
}

static void create_in_batch(void *item, void *data)
{
  Batch *batch = data;
  GError *error = NULL;
  g_autoptr(Object) created = create_quietly(batch->control, batch->owner, item, &error);
  batch_note(batch, created ? object_revision(created) : 0, error);
}

static void create_together(Batch *batch, json_t *const *pods, unsigned n)
{
  if (n == 1) {
    create_in_batch(pods[0], batch);
    return;
  }
  GThreadPool *pool = g_thread_pool_new(create_in_batch, batch, PARALLEL_MAX, FALSE, NULL);
  for (unsigned i = 0; i < n; i++)
    g_thread_pool_push(pool, pods[i], NULL);
  g_thread_pool_free(pool, FALSE, TRUE);
}

bool pod_control_create_all(const PodControl *control, const Object *owner, GPtrArray *pods, GError **error)
{
  Batch batch = { .control = control, .owner = owner };
  g_mutex_init(&batch.lock);
  unsigned size = 1;
  for (unsigned done = 0; done < pods->len && !batch.error; done += size, size *= 2)
    create_together(&batch, (json_t *const *)pods->pdata + done, MIN(size, pods->len - done));
  if (batch.revision)
    informer_wait_revision(control->pods, batch.revision);
  g_mutex_clear(&batch.lock);
  if (!batch.error)
    return true;
  bool moot = pod_control_is_moot(batch.error);
  if (moot)
    g_clear_error(&batch.error);
  else
    g_propagate_error(error, batch.error);
  return moot;
}

bool pod_control_create(const PodControl *control, const Object *owner, const json_t *pod, unsigned count,
                        GError **error)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_sized_new(count);
  for (unsigned i = 0; i < count; i++)
    g_ptr_array_add(pods, (json_t *)(uintptr_t)pod);
  return pod_control_create_all(control, owner, pods, error);
}

static void delete_in_batch(void *item, void *data)
{
  Object *pod = item;
  Batch *batch = data;
  g_autoptr(GError) error = NULL;
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(pod) };
  if (client_delete(batch->control->client, "v1", "pods", object_namespace(pod), object_name(pod), &options, &error)) {
    recorder_event(batch->control->recorder, object_json(batch->owner), NULL, "Normal", "SuccessfulDelete",
                   "Deleted pod: %s", object_name(pod));
  } else if (!reason_is(error, REASON_NOT_FOUND) && !reason_is(error, REASON_CONFLICT)) {
    recorder_event(batch->control->recorder, object_json(batch->owner), NULL, "Warning", "FailedDelete",
                   "Error deleting: %s", error->message);
    batch_note(batch, 0, g_steal_pointer(&error));
    return;
  }
  informer_wait_deleted(batch->control->pods, pod);
}

bool pod_control_delete(const PodControl *control, const Object *owner, GPtrArray *pods, GError **error)
{
  Batch batch = { .control = control, .owner = owner };
  g_mutex_init(&batch.lock);
  if (pods->len == 1) {
    delete_in_batch(g_ptr_array_index(pods, 0), &batch);
  } else if (pods->len > 1) {
    GThreadPool *pool = g_thread_pool_new(delete_in_batch, &batch, PARALLEL_MAX, FALSE, NULL);
    for (unsigned i = 0; i < pods->len; i++)
      g_thread_pool_push(pool, g_ptr_array_index(pods, i), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
  }
  g_mutex_clear(&batch.lock);
  if (batch.error)
    g_propagate_error(error, batch.error);
  return batch.error == NULL;
}

#include "clusterd/controllers/pods/workload.h"

#include "base/json.h"

static void on_pod(Object *old, Object *new_object, void *data)
{
  const Workload *workload = data;
  pod_routes_follow(&workload->routes, old, new_object);
}

/* A change of the status alone is what we, or somebody by mistake, wrote there. */
static int64_t patience(void *data, const Object *old, const Object *new_object)
{
  const Workload *workload = data;
  const json_t *before = json_object_get(object_json(old), "metadata");
  const json_t *after = json_object_get(object_json(new_object), "metadata");
  if (!json_same(json_object_get(before, "generation"), json_object_get(after, "generation")) ||
      !json_same(json_object_get(before, "deletionTimestamp"), json_object_get(after, "deletionTimestamp")))
    return 0;
  return pod_routes_patience(workload->pods, object_uid(new_object));
}

void workload_init(Workload *workload, const ControllerContext *context, const WorkloadKind *kind, ObjectSync sync,
                   ObjectGone gone, void *controller)
{
  workload->kind = kind;
  workload->client = client_new(context->registry, kind->component);
  workload->recorder = recorder_new(workload->client, NULL);
  workload->owners = informer_set_get(context->informers, kind->api_version, kind->plural);
  workload->pods = informer_set_get(context->informers, "v1", "pods");
  workload->queue = (ObjectQueue){ .kind = kind->kind,
                                   .objects = workload->owners,
                                   .sync = sync,
                                   .gone = gone,
                                   .controller = controller,
                                   .patience = patience,
                                   .patience_data = workload };
  object_queue_open(&workload->queue, kind->n_workers);
  workload->routes = (PodRoutes){ .group = kind->group,
                                  .kind = kind->kind,
                                  .owners = workload->owners,
                                  .pods = workload->pods,
                                  .queue = workload->queue.work,
                                  .plain_selector = kind->plain_selector };
  workload->control =
      (PodControl){ .client = workload->client, .recorder = workload->recorder, .pods = workload->pods };
  informer_add_index(workload->owners, POD_ROUTES_INDEX_NAMESPACE, informer_index_by_namespace);
  owner_add_indexes(workload->pods);
  informer_add_handler(workload->pods, on_pod, workload);
}

void workload_start(Workload *workload)
{
  work_queue_start(workload->queue.work);
}

void workload_clear(Workload *workload)
{
  work_queue_free(workload->queue.work);
  recorder_free(workload->recorder);
  client_free(workload->client);
}

void workload_requeue(const Workload *workload, const char *key, int64_t delay_us)
{
  if (delay_us >= 0)
    work_queue_add_after(workload->queue.work, key, delay_us);
}

GPtrArray *workload_claim(const Workload *workload, const Object *owner, const LabelSelector *selector, GError **error)
{
  OwnerClaim claim = { .client = workload->client,
                       .owner_api_version = workload->kind->api_version,
                       .owner_plural = workload->kind->plural,
                       .api_version = "v1",
                       .plural = "pods",
                       .informer = workload->pods,
                       .belongs = workload->belongs,
                       .finalizer = workload->kind->finalizer };
  return owner_claim(&claim, owner, selector, error);
}

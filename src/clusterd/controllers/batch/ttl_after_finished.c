#include "clusterd/controllers/batch/ttl_after_finished.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/object_queue.h"

#define N_WORKERS 1

struct TtlAfterFinishedController {
  Client *client;
  AlarmClock *clock;
  ObjectQueue queue;
};

/* When JOB is to go, since 1970; 0: it says not, or is not finished, or is going already. */
static int64_t end_of_life_us(const json_t *job)
{
  static const char *const ends[] = { "Complete", "Failed" };
  const json_t *status = json_object_get(job, "status");
  const json_t *ttl = json_at(job, "spec", "ttlSecondsAfterFinished", NULL);
  int64_t end_us;
  if (!json_is_integer(ttl) || json_at(job, "metadata", "deletionTimestamp", NULL))
    return 0;
  for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
    if (condition_is(status, ends[i], "True") &&
        timestamp_parse(json_str(condition_get(status, ends[i]), "lastTransitionTime", NULL), &end_us))
      return end_us + json_integer_value(ttl) * G_USEC_PER_SEC;
  return 0;
}

/* The informer may not know yet that somebody has given the job more time. */
static bool delete_job(const TtlAfterFinishedController *controller, const Object *job, GError **error)
{
  g_autoptr(GError) problem = NULL;
  const char *namespace_ = object_namespace(job), *name = object_name(job);
  g_autoptr(Object) live = client_get(controller->client, "batch/v1", "jobs", namespace_, name, &problem);
  if (!live && !reason_is(problem, REASON_NOT_FOUND)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  int64_t due_us = live && strcmp(object_uid(live), object_uid(job)) == 0 ? end_of_life_us(object_json(live)) : 0;
  if (due_us == 0 || due_us > alarm_clock_now_us(controller->clock))
    return true; /* the change will be told */
  DeleteOptions options = { .grace_period_seconds = -1,
                            .propagation = "Foreground",
                            .precondition_uid = object_uid(live),
                            .precondition_resource_version =
                                json_str(json_object_get(object_json(live), "metadata"), "resourceVersion", NULL) };
  return client_delete(controller->client, "batch/v1", "jobs", namespace_, name, &options, &problem) ||
         reason_is(problem, REASON_NOT_FOUND) || (g_propagate_error(error, g_steal_pointer(&problem)), false);
}

static bool sync_job(void *data, const char *key, Object *job, GError **error)
{
  TtlAfterFinishedController *controller = data;
  int64_t due_us = end_of_life_us(object_json(job));
  if (due_us == 0)
    return true;
  if (due_us <= alarm_clock_now_us(controller->clock))
    return delete_job(controller, job, error);
  alarm_clock_add(controller->clock, controller->queue.work, key, due_us);
  return true;
}

static bool forget_job(void *data, const char *namespace_, const char *name, GError **error)
{
  TtlAfterFinishedController *controller = data;
  g_autofree char *key = g_strconcat(namespace_, "/", name, NULL);
  alarm_clock_drop(controller->clock, controller->queue.work, key);
  return true;
}

TtlAfterFinishedController *ttl_after_finished_controller_new(const ControllerContext *context)
{
  TtlAfterFinishedController *controller = g_new0(TtlAfterFinishedController, 1);
  controller->client = client_new(context->registry, "ttl-after-finished-controller");
  controller->clock = context->clock;
  controller->queue = (ObjectQueue){ .kind = "finished Job",
                                     .objects = informer_set_get(context->informers, "batch/v1", "jobs"),
                                     .sync = sync_job,
                                     .gone = forget_job,
                                     .controller = controller };
  object_queue_open(&controller->queue, N_WORKERS);
  work_queue_start(controller->queue.work);
  return controller;
}

void ttl_after_finished_controller_free(TtlAfterFinishedController *controller)
{
  work_queue_stop(controller->queue.work);
  alarm_clock_forget(controller->clock, controller->queue.work);
  work_queue_free(controller->queue.work);
  client_free(controller->client);
  g_free(controller);
}

/* Pods that the node ends, or does not let begin, for its own sake. */
#include "base/file.h"
#include "base/json.h"
#include "clusterd/client/pod.h"
#include "clusterd/node/pod/pod_worker_private.h"
#include "clusterd/node/pressure/eviction.h"

#define RELEASE_WAIT_US (10 * (int64_t)G_USEC_PER_SEC)
#define GRACE_MIN_SECONDS 1

void pod_worker_evict(PodWorker *worker, int64_t grace_seconds, const char *message, bool disrupted)
{
  g_mutex_lock(&worker->lock);
  g_free(worker->evict_message);
  worker->evict_message = g_strdup(message);
  worker->evict_grace = MAX(grace_seconds, GRACE_MIN_SECONDS);
  worker->evict_disrupted = disrupted;
  worker->dirty = true;
  g_cond_signal(&worker->wake);
  g_mutex_unlock(&worker->lock);
}

/* REASON is static, MESSAGE is taken. */
static void end_with(PodWorker *worker, const char *reason, char *message)
{
  g_free(worker->end_message);
  worker->end_message = message;
  worker->state.reason = reason;
  worker->state.message = message;
}

void pod_evict_take(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  char *message = g_steal_pointer(&worker->evict_message);
  int64_t grace = worker->evict_grace;
  bool disrupted = worker->evict_disrupted;
  g_mutex_unlock(&worker->lock);
  if (!message || worker->state.reason || pod_is_finished(worker->state.pod)) {
    g_free(message);
    return;
  }
  end_with(worker, EVICTION_REASON, message);
  worker->state.disrupted = disrupted;
  worker->grace_limit = grace;
}

void pod_evict_admit(PodWorker *worker)
{
  const PodWorkerHost *host = worker->host;
  bool began = worker->sandboxes->len > 0 || json_at(worker->state.pod, "status", "startTime", NULL);
  const char *reason = NULL;
  g_autofree char *why = NULL;
  if (began || worker->state.reason || !host->refuses || !(why = host->refuses(worker->state.pod, &reason, host->data)))
    return;
  pod_worker_event(worker, NULL, "Warning", reason, "%s", why);
  end_with(worker, reason, g_strconcat("Pod was rejected: ", why, NULL));
  worker->state.refused = true;
}

void pod_worker_release(PodWorker *worker)
{
  gint64 until = g_get_monotonic_time() + RELEASE_WAIT_US;
  g_mutex_lock(&worker->lock);
  worker->release = worker->dirty = true;
  g_cond_signal(&worker->wake);
  while (worker->release && !worker->stopping && g_cond_wait_until(&worker->released, &worker->lock, until))
    ;
  g_mutex_unlock(&worker->lock);
}

static void remove_containers(PodWorker *worker)
{
  Runtime *runtime = worker->host->runtime;
  g_autoptr(GError) error = NULL;
  while (worker->sandboxes->len > 0) {
    if (!runtime->remove_sandbox(runtime, worker->sandboxes->pdata[0], &error))
      break;
    g_autofree char *oldest = NULL;
    g_mutex_lock(&worker->lock);
    oldest = g_ptr_array_steal_index(worker->sandboxes, 0);
    g_mutex_unlock(&worker->lock);
  }
  if (error || !file_remove_tree(worker->log_dir, &error))
    g_warning("Containers of pod %s/%s: %s", worker->namespace_, worker->name, error->message);
}

void pod_evict_release(PodWorker *worker)
{
  g_mutex_lock(&worker->lock);
  bool asked = worker->release;
  g_mutex_unlock(&worker->lock);
  if (!asked)
    return;
  if (worker->finished)
    remove_containers(worker);
  g_mutex_lock(&worker->lock);
  worker->release = false;
  g_cond_broadcast(&worker->released);
  g_mutex_unlock(&worker->lock);
}

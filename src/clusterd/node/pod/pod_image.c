#include "clusterd/node/pod/pod_image.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/pod/pull_secrets.h"

#define MOUNT_RETRY_US (10 * (int64_t)G_USEC_PER_SEC)

/* An image somebody in the pod wants. */
typedef struct Wanted {
  const char *reference, *policy;
  const char *user; /* who: a pod gets an image at most once for each, and attempt */
  unsigned attempt;
  bool is_volume;
} Wanted;

static void wake_worker(gpointer worker, gpointer unused)
{
  pod_worker_wake(worker);
}

/* Tells of NEWS about RECORD, or, of a volume, about the pod. */
static void tell(PodWorker *worker, const ContainerRecord *record, const GPtrArray *news)
{
  for (guint i = 0; i < news->len; i++) {
    const ImageNews *item = news->pdata[i];
    pod_worker_event(worker, record, item->type, item->reason, "%s", item->message);
  }
}

static ImageStatus *ensure(PodWorker *worker, ContainerRecord *record, const Wanted *wanted)
{
  g_autoptr(GPtrArray) news = g_ptr_array_new_with_free_func((GDestroyNotify)image_news_free);
  g_autoptr(json_t) auth = pull_secrets_find(&worker->host->view, worker->state.pod, wanted->reference);
  ImageRequest request = { .reference = wanted->reference,
                           .policy = wanted->policy,
                           .pod_uid = worker->uid,
                           .container = wanted->user,
                           .attempt = wanted->attempt,
                           .auth = auth,
                           .wake = wake_worker,
                           .wake_data = worker };
  ImageStatus *image = NULL;
  const char *reason = NULL;
  g_autofree char *message = NULL;
  int64_t retry_us = 0;
  ImageResult result = image_pulls_ensure(worker->host->pulls, &request, news, &image, &reason, &message, &retry_us);
  bool known = result == IMAGE_FAILED && g_strcmp0(record->waiting_reason, reason) == 0;
  if (!known)
    tell(worker, wanted->is_volume ? NULL : record, news);
  if (result == IMAGE_FAILED) {
    record_set_waiting(record, reason, message);
    pod_worker_wake_at(worker, retry_us);
  }
  return image;
}

ImageStatus *pod_image_ensure(PodWorker *worker, ContainerRecord *record)
{
  Wanted wanted = { .reference = json_str(record->spec, "image", ""),
                    .policy = json_str(record->spec, "imagePullPolicy", "IfNotPresent"),
                    .user = record->name,
                    .attempt = record->next_attempt };
  return ensure(worker, record, &wanted);
}

static bool mount(PodWorker *worker, const char *name, const char *image_id, GError **error)
{
  Runtime *runtime = worker->host->runtime;
  if (!runtime->mount_image)
    return reason_set(error, REASON_RUNTIME, "the container runtime %s has no image volumes", runtime->name);
  g_autofree char *target = pod_volumes_image_target(worker->volumes, name, error);
  if (!target || !runtime->mount_image(runtime, image_id, target, error))
    return false;
  pod_volumes_add_image(worker->volumes, name);
  return true;
}

/* "NAME:latest" and what has neither tag nor digest may change. */
static const char *default_policy(const char *reference)
{
  const char *name = strrchr(reference, '/'), *tag = strchr(name ? name : reference, ':');
  bool latest = !strchr(reference, '@') && (!tag || g_str_equal(tag, ":latest"));
  return latest ? "Always" : "IfNotPresent";
}

/* Mounts the image that volume NAME is. */
static bool ensure_volume(PodWorker *worker, ContainerRecord *record, const char *name, const json_t *source)
{
  const char *reference = json_str(source, "reference", "");
  g_autofree char *user = g_strdup_printf("volume %s", name);
  Wanted wanted = { .reference = reference,
                    .policy = json_str(source, "pullPolicy", default_policy(reference)),
                    .user = user,
                    .is_volume = true };
  g_autoptr(GError) error = NULL;
  g_autoptr(ImageStatus) image = ensure(worker, record, &wanted);
  if (!image)
    return false;
  if (mount(worker, name, image->id, &error))
    return true;
  if (g_strcmp0(record->waiting_reason, "CreateContainerError") != 0)
    pod_worker_event(worker, record, "Warning", "Failed", "Error: %s", error->message);
  record_set_waiting(record, "CreateContainerError", error->message);
  pod_worker_wake_at(worker, timestamp_now_us() + MOUNT_RETRY_US);
  return false;
}

bool pod_image_ensure_volumes(PodWorker *worker, ContainerRecord *record)
{
  const json_t *mount_, *volumes = json_at(worker->state.pod, "spec", "volumes", NULL);
  size_t i;
  bool all = true;
  json_array_foreach (json_object_get(record->spec, "volumeMounts"), i, mount_) {
    const char *name = json_str(mount_, "name", "");
    const json_t *source = json_object_get(json_find(volumes, "name", name), "image");
    if (source && !pod_volumes_path(worker->volumes, name))
      all = ensure_volume(worker, record, name, source) && all;
  }
  return all;
}

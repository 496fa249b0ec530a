/* A deployment's status: counts, progress and its deadline. */
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/controllers/workloads/deployment_rollout.h"

bool rollout_has_deadline(const Rollout *rollout)
{
  return json_int(rollout->spec, "progressDeadlineSeconds", INT32_MAX) != INT32_MAX;
}

static const json_t *stored_status(const Rollout *rollout)
{
  return json_object_get(object_json(rollout->deployment), "status");
}

static void set_count(json_t *status, const char *key, int64_t count)
{
  if (count)
    json_object_set_new(status, key, json_integer(count));
  else
    json_object_del(status, key);
}

static void count_replicas(Rollout *rollout)
{
  json_t *status = rollout->status;
  int64_t asked = rollout->new_set ? rollout_size(rollout->new_set).replicas : 0;
  for (unsigned i = 0; i < rollout->old_sets->len; i++)
    asked += rollout_size(g_ptr_array_index(rollout->old_sets, i)).replicas;
  int64_t available = rollout_sum(rollout, "availableReplicas");
  int64_t updated =
      rollout->new_set ? json_int(json_object_get(object_json(rollout->new_set), "status"), "replicas", 0) : 0;
  set_count(status, "observedGeneration",
            json_int(json_object_get(object_json(rollout->deployment), "metadata"), "generation", 0));
  set_count(status, "replicas", rollout_sum(rollout, "replicas"));
  set_count(status, "updatedReplicas", updated);
  set_count(status, "readyReplicas", rollout_sum(rollout, "readyReplicas"));
  set_count(status, "availableReplicas", available);
  set_count(status, "unavailableReplicas", MAX(asked - available, 0));
}

bool rollout_is_complete(const Rollout *rollout)
{
  const json_t *status = rollout->status;
  int64_t replicas = json_int(rollout->spec, "replicas", 1);
  return json_int(status, "updatedReplicas", 0) == replicas && json_int(status, "replicas", 0) == replicas &&
         json_int(status, "availableReplicas", 0) == replicas;
}

static bool has_progressed(const Rollout *rollout)
{
  const json_t *old = stored_status(rollout), *now = rollout->status;
  int64_t updated_before = json_int(old, "updatedReplicas", 0), updated_now = json_int(now, "updatedReplicas", 0);
  return updated_now > updated_before ||
         json_int(now, "replicas", 0) - updated_now < json_int(old, "replicas", 0) - updated_before ||
         json_int(now, "readyReplicas", 0) > json_int(old, "readyReplicas", 0) ||
         json_int(now, "availableReplicas", 0) > json_int(old, "availableReplicas", 0);
}

int64_t rollout_deadline_us(const Rollout *rollout)
{
  const json_t *progressing = condition_get(rollout->status, "Progressing");
  const char *reason = json_str(progressing, "reason", "");
  int64_t updated_us;
  if (!rollout_has_deadline(rollout) || !progressing || rollout_is_complete(rollout) ||
      strcmp(reason, "ProgressDeadlineExceeded") == 0 || strcmp(reason, "NewReplicaSetAvailable") == 0 ||
      !timestamp_parse(json_str(progressing, "lastUpdateTime", NULL), &updated_us))
    return -1;
  return updated_us + json_int(rollout->spec, "progressDeadlineSeconds", INT32_MAX) * G_USEC_PER_SEC;
}

static bool is_late(const Rollout *rollout)
{
  const json_t *progressing = condition_get(rollout->status, "Progressing");
  if (strcmp(json_str(progressing, "reason", ""), "ProgressDeadlineExceeded") == 0)
    return true;
  int64_t deadline_us = rollout_deadline_us(rollout);
  return deadline_us >= 0 && timestamp_now_us() > deadline_us;
}

/* "Deployment "x" …" until there is a new replica set, of which the rest of the rollout is told. */
static char *progress_text(const Rollout *rollout, const char *what)
{
  return g_strdup_printf("%s \"%s\" %s", rollout->new_set ? "ReplicaSet" : "Deployment",
                         object_name(rollout->new_set ? rollout->new_set : rollout->deployment), what);
}

static void note_progress(Rollout *rollout)
{
  json_t *status = rollout->status;
  const json_t *known = condition_get(status, "Progressing");
  bool was_complete = json_int(status, "replicas", 0) == json_int(status, "updatedReplicas", 0) &&
                      strcmp(json_str(known, "reason", ""), "NewReplicaSetAvailable") == 0;
  if (!rollout_has_deadline(rollout)) {
    condition_remove(status, "Progressing");
    return;
  }
  if (was_complete)
    return;
  if (rollout_is_complete(rollout)) {
    g_autofree char *text = progress_text(rollout, "has successfully progressed.");
    condition_set_updated(status, "Progressing", "True", "NewReplicaSetAvailable", text);
  } else if (has_progressed(rollout)) {
    g_autofree char *text = progress_text(rollout, "is progressing.");
    condition_set(status, "Progressing", "True", "ReplicaSetUpdated", text);
    condition_touch(status, "Progressing");
  } else if (is_late(rollout)) {
    g_autofree char *text = progress_text(rollout, "has timed out progressing.");
    condition_set_updated(status, "Progressing", "False", "ProgressDeadlineExceeded", text);
  }
}

static const json_t *find_failure(const Rollout *rollout)
{
  const json_t *failure = NULL;
  if (rollout->new_set)
    failure = condition_get(json_object_get(object_json(rollout->new_set), "status"), "ReplicaFailure");
  for (unsigned i = 0; !failure && i < rollout->old_sets->len; i++) {
    const Object *set = g_ptr_array_index(rollout->old_sets, i);
    failure = condition_get(json_object_get(object_json(set), "status"), "ReplicaFailure");
  }
  return failure;
}

void rollout_make_status(Rollout *rollout, bool progress)
{
  json_t *status = rollout->status;
  count_replicas(rollout);
  int64_t needed = json_int(rollout->spec, "replicas", 1) - deployment_max_unavailable(rollout->spec);
  if (json_int(status, "availableReplicas", 0) >= needed)
    condition_set_updated(status, "Available", "True", "MinimumReplicasAvailable",
                          "Deployment has minimum availability.");
  else
    condition_set_updated(status, "Available", "False", "MinimumReplicasUnavailable",
                          "Deployment does not have minimum availability.");
  if (!progress)
    return;
  note_progress(rollout);
  const json_t *failure = find_failure(rollout);
  if (failure)
    condition_set_updated(status, "ReplicaFailure", json_str(failure, "status", "True"),
                          json_str(failure, "reason", ""), json_str(failure, "message", ""));
  else
    condition_remove(status, "ReplicaFailure");
}

void rollout_note_pause(Rollout *rollout)
{
  if (!rollout_has_deadline(rollout))
    return;
  bool paused = json_flag(rollout->spec, "paused", false);
  const char *reason = json_str(condition_get(rollout->status, "Progressing"), "reason", "");
  /* A rollout that failed its deadline stays failed until there is a new one. */
  if (strcmp(reason, "ProgressDeadlineExceeded") == 0)
    return;
  bool was_paused = strcmp(reason, "DeploymentPaused") == 0;
  if (paused && !was_paused)
    condition_set_updated(rollout->status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
  else if (!paused && was_paused)
    condition_set_updated(rollout->status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
}

#include "clusterd/node/pod/container_state.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"

#define TERMINATION_MESSAGE_MAX 4096 /* bytes */
#define TERMINATION_POD_MAX (12 * 1024)

static json_t *time_json(int64_t time_us)
{
  if (time_us == 0)
    return json_null();
  g_autofree char *text = timestamp_text(time_us);
  return json_string(text);
}

static json_t *container_id(const PodState *state, const ContainerStatus *status)
{
  g_autofree char *id = g_strdup_printf("%s://%s", state->runtime_scheme, status->id);
  return json_string(id);
}

/* What a container may say at its end; all of a pod's share what a status can hold. */
static char *bounded_message(const PodState *state, const char *message)
{
  gsize most = MIN(TERMINATION_MESSAGE_MAX, TERMINATION_POD_MAX / MAX(state->records->len, 1));
  return strlen(message) <= most ? g_strdup(message) : g_utf8_make_valid(message, (gssize)most);
}

static json_t *terminated(const PodState *state, const ContainerStatus *status, const char *message)
{
  const char *reason = status->reason           ? status->reason
                       : status->oom_killed     ? "OOMKilled"
                       : status->exit_code == 0 ? "Completed"
                                                : "Error";
  json_t *value = json_pack("{s:{s:i, s:s, s:o, s:o, s:o}}", "terminated", "exitCode", status->exit_code, "reason",
                            reason, "startedAt", time_json(status->started_us), "finishedAt",
                            time_json(status->finished_us), "containerID", container_id(state, status));
  if (message && *message) {
    g_autofree char *text = bounded_message(state, message);
    json_object_set_new(json_object_get(value, "terminated"), "message", json_string(text));
  }
  return value;
}

static json_t *waiting(const ContainerRecord *record, bool initialized)
{
  const char *reason = record->waiting_reason;
  bool waits_for_init = record->role == ROLE_MAIN || record->role == ROLE_INIT || record->role == ROLE_SIDECAR;
  if (!reason)
    reason = waits_for_init && !initialized ? "PodInitializing" : "ContainerCreating";
  json_t *value = json_pack("{s:{s:s}}", "waiting", "reason", reason);
  if (record->waiting_reason && record->waiting_message)
    json_object_set_new(json_object_get(value, "waiting"), "message", json_string(record->waiting_message));
  return value;
}

bool container_state_waits(const ContainerRecord *record)
{
  return !record->current || record->current->state == CONTAINER_CREATED ||
         (record->waiting_reason && !record_is_running(record));
}

/* How the container that is there has its volumes. */
static json_t *volume_mounts(const PodState *state, const ContainerRecord *record)
{
  json_t *list = json_array();
  const json_t *mount;
  size_t i;
  json_array_foreach (json_object_get(record->spec, "volumeMounts"), i, mount) {
    json_t *entry =
        json_pack("{s:s, s:s}", "name", json_str(mount, "name", ""), "mountPath", json_str(mount, "mountPath", ""));
    json_array_append_new(list, entry);
    if (!json_flag(mount, "readOnly", false))
      continue;
    bool below =
        state->mounts_read_only_below && !g_str_equal(json_str(mount, "recursiveReadOnly", "Disabled"), "Disabled");
    json_object_set_new(entry, "readOnly", json_true());
    json_object_set_new(entry, "recursiveReadOnly", json_string(below ? "Enabled" : "Disabled"));
  }
  return list;
}

static const char *image_shown(const ContainerStatus *shown)
{
  if (shown && shown->image_ref && *shown->image_ref)
    return shown->image_ref;
  return shown && shown->image_id ? shown->image_id : "";
}

json_t *container_state_status(const PodState *state, const ContainerRecord *record, bool initialized)
{
  const ContainerStatus *shown = record->current;
  const ContainerStatus *last = record->last;
  const char *last_message = record->last_message;
  json_t *status = json_object(), *now;
  bool running = record_is_running(record), exited = record_has_exited(record);
  if (container_state_waits(record)) {
    now = waiting(record, initialized);
    if (exited) {
      last = record->current;
      last_message = record->current_message;
    }
  } else if (running) {
    now = json_pack("{s:{s:o}}", "running", "startedAt", time_json(shown->started_us));
  } else {
    now = terminated(state, shown, record->current_message);
  }
  bool done = record->role == ROLE_INIT && exited && shown->exit_code == 0;
  json_object_set_new(status, "name", json_string(record->name));
  json_object_set_new(status, "state", now);
  json_object_set_new(status, "lastState", last ? terminated(state, last, last_message) : json_object());
  json_object_set_new(status, "ready", json_boolean(done || (running && record->ready)));
  unsigned next = record->next_attempt;
  json_object_set_new(status, "restartCount", json_integer(next > 0 ? next - 1 : 0));
  json_object_set_new(status, "image",
                      json_string(shown && shown->image ? shown->image : json_str(record->spec, "image", "")));
  json_object_set_new(status, "imageID", json_string(image_shown(shown)));
  if (shown)
    json_object_set_new(status, "containerID", container_id(state, shown));
  json_object_set_new(status, "started", json_boolean(running && record->started));
  if (shown && json_object_get(record->spec, "volumeMounts"))
    json_object_set_new(status, "volumeMounts", volume_mounts(state, record));
  return status;
}

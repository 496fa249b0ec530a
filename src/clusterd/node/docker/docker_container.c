#include "clusterd/node/docker/docker_container.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/docker/docker_events.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/docker/docker_sandbox.h"
#include "clusterd/node/docker/docker_spec.h"

#define ID_MAX 128
#define GRACE_MAX (INT64_C(10) * 365 * 86400) /* seconds */

/* Ids go into paths of requests. */
static bool check_id(const char *id, GError **error)
{
  size_t length = id ? strlen(id) : 0;
  bool good = length > 0 && length <= ID_MAX;
  for (size_t i = 0; good && i < length; i++)
    good = g_ascii_isalnum(id[i]);
  return good || reason_set(error, REASON_RUNTIME_NOT_FOUND, "container %s not found", id ? id : "");
}

/* True also when there is no such container. */
static bool forgive_absent(GError *failure, GError **error)
{
  if (!failure)
    return true;
  if (reason_is(failure, REASON_RUNTIME_NOT_FOUND)) {
    g_error_free(failure);
    return true;
  }
  g_propagate_error(error, failure);
  return false;
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

/* What has NAME now goes when it does not run: a crash of ours left it between making and remembering it. */
static bool clear_name(DockerRuntime *docker, const char *name, GError **error)
{
  g_autoptr(json_t) there = docker_get(docker, error, "/containers/%s/json", name);
  if (!there)
    return false;
  if (json_flag(json_object_get(there, "State"), "Running", false))
    return reason_set(error, REASON_CONFLICT, "a container named %s runs already", name);
  return docker_container_destroy(docker, json_str(there, "Id", ""), error);
}

char *docker_container_make(DockerRuntime *docker, const char *name, const json_t *body, GError **error)
{
  g_autofree char *escaped = g_uri_escape_string(name, NULL, false);
  g_autofree char *path = g_strdup_printf("/containers/create?name=%s", escaped);
  for (int tries = 0;; tries++) {
    g_autoptr(json_t) reply = NULL;
    g_autoptr(GError) failure = NULL;
    if (docker_call(docker, "POST", path, body, &reply, &failure))
      return g_strdup(json_str(reply, "Id", ""));
    if (tries > 0 || !reason_is(failure, REASON_CONFLICT) || !clear_name(docker, escaped, NULL)) {
      g_propagate_error(error, g_steal_pointer(&failure));
      return NULL;
    }
  }
}

/* The pod's folder of logs leads to dockerd's own file: it is there to be read before the container has begun, and a
 * crash in between leaves nothing to be made good. */
static bool link_log(const DockerRuntime *docker, const char *id, const char *log_path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname(log_path);
  g_autofree char *target = g_strdup_printf("%s/containers/%s/%s-json.log", docker->root_dir, id, id);
  if (!file_make_dirs(folder, 0755, error))
    return false;
  unlink(log_path);
  return symlink(target, log_path) == 0 || reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", log_path);
}

char *docker_container_create(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, sandbox_id, error);
  if (!sandbox)
    return NULL;
  g_autofree char *image = g_uri_escape_string(spec->image_id, ":/@", false);
  g_autoptr(json_t) inspected = docker_get(docker, error, "/images/%s/json", image);
  g_autoptr(json_t) body = inspected ? docker_spec_make(docker, sandbox, spec, inspected, error) : NULL;
  if (!body)
    return NULL;
  const json_t *facts = sandbox->facts;
  g_autofree char *name = docker_name(spec->name, json_str(facts, "name", ""), json_str(facts, "namespace", ""),
                                      json_str(facts, "uid", ""), spec->attempt);
  g_autofree char *id = docker_container_make(docker, name, body, error);
  if (!id)
    return NULL;
  if (!spec->log_path || link_log(docker, id, spec->log_path, error))
    return g_steal_pointer(&id);
  docker_container_destroy(docker, id, NULL);
  return NULL;
}

bool docker_container_start(Runtime *runtime, const char *container_id, GError **error)
{
  g_autofree char *path = g_strdup_printf("/containers/%s/start", container_id);
  return check_id(container_id, error) && docker_call((DockerRuntime *)runtime, "POST", path, NULL, NULL, error);
}

/* --- ending ---------------------------------------------------------------------------------------------------------
 */

/* Waits until the container has ended: true, or time or the runtime is over. */
static bool wait_for_end(DockerRuntime *docker, const char *id, int64_t until_us)
{
  for (;;) {
    uint64_t seen = docker_events_seen(docker);
    g_autoptr(json_t) inspected = docker_container_inspect(docker, id, NULL);
    if (!inspected || !json_flag(json_object_get(inspected, "State"), "Running", false))
      return true;
    if (!docker_events_wait(docker, seen, until_us) || !docker_goes_on(docker, NULL))
      return false;
  }
}

/* dockerd's own stop would go on waiting, and end the container, after we are gone. */
bool docker_container_stop(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  int64_t until_us = g_get_monotonic_time() + CLAMP(grace_seconds, 0, GRACE_MAX) * G_USEC_PER_SEC;
  if (!docker_goes_on(docker, error))
    return false;
  g_autoptr(json_t) inspected = docker_container_inspect(docker, container_id, NULL);
  if (!inspected)
    return true;
  const char *signal = json_str(json_object_get(inspected, "Config"), "StopSignal", "SIGTERM");
  g_autofree char *escaped = g_uri_escape_string(*signal ? signal : "SIGTERM", NULL, false);
  g_autofree char *path = g_strdup_printf("/containers/%s/kill?signal=%s", container_id, escaped);
  g_autoptr(GError) failure = NULL;
  if (docker_call(docker, "POST", path, NULL, NULL, &failure) && wait_for_end(docker, container_id, until_us))
    return true;
  return docker_goes_on(docker, error) && docker_container_kill(docker, container_id, error);
}

bool docker_container_kill(DockerRuntime *docker, const char *id, GError **error)
{
  g_autoptr(GError) killed = NULL;
  GError *failure = NULL;
  g_autofree char *kill_path = g_strdup_printf("/containers/%s/kill", id);
  g_autofree char *wait_path = g_strdup_printf("/containers/%s/wait", id);
  if (!docker_call(docker, "POST", kill_path, NULL, NULL, &killed) && !reason_is(killed, REASON_CONFLICT)) {
    failure = g_steal_pointer(&killed); /* a conflict says that it does not run */
    return forgive_absent(failure, error);
  }
  docker_call(docker, "POST", wait_path, NULL, NULL, &failure);
  return forgive_absent(failure, error);
}

bool docker_container_destroy(DockerRuntime *docker, const char *id, GError **error)
{
  GError *failure = NULL;
  g_autofree char *path = g_strdup_printf("/containers/%s?force=1&v=1", id);
  g_autofree char *wait_path = g_strdup_printf("/containers/%s/wait?condition=removed", id);
  docker_call(docker, "DELETE", path, NULL, NULL, &failure);
  if (reason_is(failure, REASON_CONFLICT)) { /* another request is removing it */
    g_clear_error(&failure);
    docker_call(docker, "POST", wait_path, NULL, NULL, &failure);
  }
  return forgive_absent(failure, error);
}

bool docker_container_remove(Runtime *runtime, const char *container_id, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(json_t) inspected = docker_container_inspect(docker, container_id, NULL);
  const char *log_path = json_str(json_at(inspected, "Config", "Labels", NULL), LABEL_LOG_PATH, "");
  g_autofree char *target = *log_path ? g_file_read_link(log_path, NULL) : NULL;
  if (!check_id(container_id, NULL))
    return true;
  if (!docker_container_destroy(docker, container_id, error))
    return false;
  if (target && strstr(target, container_id)) /* not when a later attempt has taken its place */
    unlink(log_path);
  return true;
}

bool docker_container_reopen_log(Runtime *runtime, const char *container_id, GError **error)
{
  return reason_set(error, REASON_RUNTIME, "dockerd rotates the log of container %s itself", container_id);
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

json_t *docker_container_inspect(DockerRuntime *docker, const char *id, GError **error)
{
  g_autoptr(json_t) inspected = check_id(id, error) ? docker_get(docker, error, "/containers/%s/json", id) : NULL;
  if (!inspected || json_str(json_at(inspected, "Config", "Labels", NULL), LABEL_SANDBOX, NULL))
    return g_steal_pointer(&inspected);
  reason_set(error, REASON_RUNTIME_NOT_FOUND, "container %s not found", id);
  return NULL;
}

static ContainerState state_of(const char *text)
{
  static const struct {
    const char *text;
    ContainerState state;
  } rows[] = { { "created", CONTAINER_CREATED },    { "running", CONTAINER_RUNNING }, { "paused", CONTAINER_RUNNING },
               { "restarting", CONTAINER_RUNNING }, { "exited", CONTAINER_EXITED },   { "removing", CONTAINER_EXITED },
               { "dead", CONTAINER_EXITED } };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (g_str_equal(rows[i].text, text))
      return rows[i].state;
  return CONTAINER_UNKNOWN;
}

/* 0 for dockerd's "not yet", the year 1. */
static int64_t time_of(const json_t *object, const char *key)
{
  int64_t time_us;
  const char *text = json_str(object, key, "");
  return !g_str_has_prefix(text, "0001-") && timestamp_parse(text, &time_us) ? time_us : 0;
}

static ContainerStatus *status_of(const json_t *inspected)
{
  const json_t *config = json_object_get(inspected, "Config"), *labels = json_object_get(config, "Labels");
  const json_t *state = json_object_get(inspected, "State");
  const char *name = json_str(inspected, "Name", "");
  ContainerStatus *status = g_new0(ContainerStatus, 1);
  *status = (ContainerStatus){ .id = g_strdup(json_str(inspected, "Id", "")),
                               .sandbox_id = g_strdup(json_str(labels, LABEL_SANDBOX, "")),
                               .name = g_strdup(json_str(labels, LABEL_CONTAINER, "")),
                               .attempt = docker_name_attempt(name),
                               .image = g_strdup(json_str(config, "Image", "")),
                               .image_id = g_strdup(json_str(inspected, "Image", "")),
                               .image_ref = g_strdup(json_str(labels, LABEL_IMAGE, NULL)),
                               .state = state_of(json_str(state, "Status", "")),
                               .created_us = time_of(inspected, "Created"),
                               .started_us = time_of(state, "StartedAt"),
                               .pid = (int)json_int(state, "Pid", 0) };
  if (status->state == CONTAINER_EXITED) {
    /* the end is timed by who saw it, the start once dockerd heard of it */
    status->finished_us = MAX(time_of(state, "FinishedAt"), status->started_us);
    status->exit_code = (int)json_int(state, "ExitCode", 0);
    status->oom_killed = json_flag(state, "OOMKilled", false);
  }
  return status;
}

ContainerStatus *docker_container_get_status(Runtime *runtime, const char *container_id, GError **error)
{
  g_autoptr(json_t) inspected = docker_container_inspect((DockerRuntime *)runtime, container_id, error);
  return inspected ? status_of(inspected) : NULL;
}

GPtrArray *docker_container_ids(DockerRuntime *docker, const char *sandbox_id, bool running, GError **error)
{
  g_autofree char *of_one = sandbox_id ? g_strdup_printf(",\"" LABEL_SANDBOX "=%s\"", sandbox_id) : g_strdup("");
  g_autofree char *text = g_strdup_printf("{\"label\":[\"" LABEL_TYPE "=" TYPE_CONTAINER "\"%s]}", of_one);
  g_autofree char *filters = g_uri_escape_string(text, NULL, false);
  g_autoptr(json_t) list = docker_get(docker, error, "/containers/json?all=%d&filters=%s", running ? 0 : 1, filters);
  size_t i;
  json_t *item;
  if (!list)
    return NULL;
  GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
  json_array_foreach (list, i, item)
    g_ptr_array_add(ids, g_strdup(json_str(item, "Id", "")));
  return ids;
}

GPtrArray *docker_container_list(Runtime *runtime, const char *sandbox_id, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(GPtrArray) ids = docker_container_ids(docker, sandbox_id, false, error);
  if (!ids)
    return NULL;
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)container_status_free);
  for (guint i = 0; i < ids->len; i++) {
    g_autoptr(GError) failure = NULL;
    ContainerStatus *status = docker_container_get_status(runtime, ids->pdata[i], &failure);
    if (status)
      g_ptr_array_add(list, status);
    else if (!reason_is(failure, REASON_RUNTIME_NOT_FOUND)) { /* else it was removed just now */
      g_propagate_error(error, g_steal_pointer(&failure));
      g_ptr_array_unref(list);
      return NULL;
    }
  }
  return list;
}

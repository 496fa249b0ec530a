#include "clusterd/node/pod/container_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/pod/env.h"
#include "clusterd/node/resources.h"

#define TERMINATION_PATH "/dev/termination-log"

void container_plan_free(ContainerPlan *plan)
{
  if (!plan)
    return;
  g_strfreev(plan->command);
  g_strfreev(plan->args);
  g_strfreev(plan->env);
  g_array_unref(plan->mounts);
  g_array_unref(plan->devices);
  g_ptr_array_unref(plan->strings);
  g_free(plan->log_path);
  g_free(plan->termination_path);
  if (plan->skipped_env)
    g_ptr_array_unref(plan->skipped_env);
  g_free(plan);
}

char *container_plan_termination_path(const char *pod_dir, const char *container, unsigned attempt)
{
  return g_strdup_printf("%s/containers/%s/%u", pod_dir, container, attempt);
}

char *container_plan_log_path(const char *log_dir, const char *container, unsigned attempt)
{
  return g_strdup_printf("%s/%s/%u.log", log_dir, container, attempt);
}

/* Takes HOST_PATH. */
static void add_mount(ContainerPlan *plan, char *host_path, const char *container_path, bool read_only,
                      const char *propagation)
{
  ContainerMount mount = {
    .host_path = host_path, .container_path = container_path, .read_only = read_only, .propagation = propagation
  };
  g_ptr_array_add(plan->strings, host_path);
  g_array_append_val(plan->mounts, mount);
}

static bool is_mounted(const ContainerPlan *plan, const char *path)
{
  for (guint i = 0; i < plan->mounts->len; i++)
    if (g_str_equal(g_array_index(plan->mounts, ContainerMount, i).container_path, path))
      return true;
  return false;
}

static const char *propagation_of(const json_t *mount)
{
  const char *asked = json_str(mount, "mountPropagation", "None");
  return g_str_equal(asked, "Bidirectional") ? "rshared" : g_str_equal(asked, "HostToContainer") ? "rslave" : "private";
}

/* Where the node has what MOUNT, the container's number INDEX, shows; the caller frees. */
static char *mount_source(const PlanContext *context, const ContainerRecord *record, const Env *env,
                          const json_t *mount, size_t index, GError **error)
{
  const char *name = json_str(mount, "name", ""), *expression = json_str(mount, "subPathExpr", "");
  const char *root = pod_volumes_path(context->volumes, name);
  g_autofree char *sub_path =
      *expression ? env_expand_known(env, expression, error) : g_strdup(json_str(mount, "subPath", ""));
  if (!sub_path)
    return NULL;
  if (!root)
    reason_set(error, REASON_INVALID, "volume \"%s\" not found", name);
  if (!root || !*sub_path)
    return g_strdup(root);
  g_autoptr(GError) inner = NULL;
  char *path = pod_volumes_sub_path(context->volumes, name, sub_path, record->name, index, &inner);
  if (!path) {
    g_message("%s: %s", context->pod_dir, inner->message);
    reason_set(error, REASON_INVALID, "failed to prepare subPath for volumeMount \"%s\" of container \"%s\"", name,
               record->name);
  }
  return path;
}

/* Sets whether what is mounted below MOUNT's volume is read-only with it. */
static bool read_below(const PlanContext *context, const json_t *mount, bool *recursive, GError **error)
{
  const char *asked = json_str(mount, "recursiveReadOnly", "Disabled");
  *recursive = context->recursive_read_only && !g_str_equal(asked, "Disabled") && json_flag(mount, "readOnly", false);
  return *recursive || !g_str_equal(asked, "Enabled") ||
         reason_set(
             error, REASON_INVALID,
             "failed to resolve recursive read-only mode: volume \"%s\" requested recursive read-only mode, but it "
             "is not supported by the runtime",
             json_str(mount, "name", ""));
}

static bool add_volume_mount(ContainerPlan *plan, const PlanContext *context, const ContainerRecord *record,
                             const Env *env, size_t index, GError **error)
{
  const json_t *mount = json_array_get(json_object_get(record->spec, "volumeMounts"), index);
  const char *name = json_str(mount, "name", "");
  const json_t *volume = json_find(json_at(context->state->pod, "spec", "volumes", NULL), "name", name);
  bool recursive;
  if (!read_below(context, mount, &recursive, error))
    return false;
  char *path = mount_source(context, record, env, mount, index, error);
  if (!path)
    return false;
  bool read_only = json_flag(mount, "readOnly", false) || pod_volumes_is_read_only(context->volumes, name);
  add_mount(plan, path, json_str(mount, "mountPath", ""), read_only, propagation_of(mount));
  ContainerMount *added = &g_array_index(plan->mounts, ContainerMount, plan->mounts->len - 1);
  added->recursive_read_only = recursive;
  added->no_exec = json_object_get(volume, "image") != NULL;
  return true;
}

static bool add_devices(ContainerPlan *plan, const PlanContext *context, const ContainerRecord *record, GError **error)
{
  const json_t *device;
  size_t i;
  json_array_foreach (json_object_get(record->spec, "volumeDevices"), i, device) {
    const char *name = json_str(device, "name", ""), *path = pod_volumes_device(context->volumes, name);
    if (!path)
      return reason_set(error, REASON_INVALID, "volume \"%s\" not found", name);
    ContainerDevice entry = { g_strdup(path), json_str(device, "devicePath", ""),
                              pod_volumes_is_read_only(context->volumes, name) ? "r" : "rwm" };
    g_ptr_array_add(plan->strings, (char *)(uintptr_t)entry.host_path);
    g_array_append_val(plan->devices, entry);
  }
  return true;
}

/* Files of the pod's folder appear under /etc unless a volume is mounted there. */
static void add_own_files(ContainerPlan *plan, const PlanContext *context)
{
  static const char *const names[] = { "hosts", "resolv.conf", "hostname" };
  static const char *const paths[] = { "/etc/hosts", "/etc/resolv.conf", "/etc/hostname" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (!is_mounted(plan, paths[i]))
      add_mount(plan, g_build_filename(context->pod_dir, names[i], NULL), paths[i], false, "private");
}

static bool add_termination_log(ContainerPlan *plan, const PlanContext *context, const ContainerRecord *record,
                                GError **error)
{
  plan->termination_path = container_plan_termination_path(context->pod_dir, record->name, record->next_attempt);
  g_autofree char *parent = g_path_get_dirname(plan->termination_path);
  if (!file_make_dirs(parent, 0755, error))
    return false;
  file_autofd int fd = open(plan->termination_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0 || fchmod(fd, 0666) != 0) /* whatever user the container has may write */
    return reason_set_errno(error, REASON_FILE, errno, "%s", plan->termination_path);
  add_mount(plan, g_strdup(plan->termination_path), json_str(record->spec, "terminationMessagePath", TERMINATION_PATH),
            false, "private");
  return true;
}

static json_t *effective(const json_t *pod_context, const json_t *context, const char *key)
{
  json_t *own = json_object_get(context, key);
  return own ? own : json_object_get(pod_context, key);
}

static bool check_non_root(const PlanContext *context, const ContainerRecord *record, const ImageStatus *image,
                           GError **error)
{
  const json_t *pod_security = json_at(context->state->pod, "spec", "securityContext", NULL);
  const json_t *security = json_object_get(record->spec, "securityContext");
  const json_t *user = effective(pod_security, security, "runAsUser");
  if (!json_is_true(effective(pod_security, security, "runAsNonRoot")))
    return true;
  if (json_is_integer(user))
    return json_integer_value(user) != 0 ||
           reason_set(error, REASON_INVALID, "container's runAsUser breaks non-root policy");
  g_autofree char *name = g_strndup(image->user ? image->user : "", strcspn(image->user ? image->user : "", ":"));
  guint64 uid;
  if (!*name || g_str_equal(name, "root") || g_str_equal(name, "0"))
    return reason_set(error, REASON_INVALID, "container has runAsNonRoot and image will run as root");
  if (!g_ascii_string_to_unsigned(name, 10, 1, G_MAXUINT32, &uid, NULL))
    return reason_set(error, REASON_INVALID,
                      "container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root",
                      name);
  return true;
}

/* The newest attempt of the container that RECORD, an ephemeral one, is to look into. */
static bool find_target(const PlanContext *context, const ContainerRecord *record, const char **id, GError **error)
{
  const char *name = json_str(record->spec, "targetContainerName", "");
  const ContainerRecord *target = *name ? pod_state_record(context->state, name) : NULL;
  *id = target && target->current ? target->current->id : NULL;
  return !*name || *id || reason_set(error, REASON_INVALID, "unable to find target container %s", name);
}

static void fill_spec(ContainerPlan *plan, const PlanContext *context, const ContainerRecord *record,
                      const ImageStatus *image)
{
  const json_t *spec = record->spec;
  const char *directory = json_str(spec, "workingDir", "");
  ContainerLimits limits = resources_limits(context->state->pod, spec, context->node->memory_bytes);
  plan->spec = (ContainerSpec){
    .name = record->name,
    .attempt = record->next_attempt,
    .image_id = image->id,
    .image_ref = image_status_ref(image, json_str(spec, "image", "")),
    .command = (const char *const *)plan->command,
    .args = (const char *const *)plan->args,
    .working_dir = *directory ? directory : NULL,
    .env = (const char *const *)plan->env,
    .mounts = (const ContainerMount *)(void *)plan->mounts->data,
    .n_mounts = plan->mounts->len,
    .devices = (const ContainerDevice *)(void *)plan->devices->data,
    .n_devices = plan->devices->len,
    .log_path = plan->log_path,
    .tty = json_flag(spec, "tty", false),
    .stdin_ = json_flag(spec, "stdin", false),
    .stdin_once = json_flag(spec, "stdinOnce", false),
    .security_context = json_object_get(spec, "securityContext"),
    .pod_security_context = json_at(context->state->pod, "spec", "securityContext", NULL),
    .cpu_shares = limits.cpu_shares,
    .cpu_quota_us = limits.cpu_quota_us,
    .cpu_period_us = limits.cpu_period_us,
    .memory_limit_bytes = limits.memory_bytes,
    .oom_score_adj = limits.oom_score_adj,
    .termination_message_path = plan->termination_path,
  };
}

ContainerPlan *container_plan_new(const PlanContext *context, const ContainerRecord *record, const ImageStatus *image,
                                  GError **error)
{
  g_autoptr(ContainerPlan) plan = g_new0(ContainerPlan, 1);
  EnvContext env_context = { .pod = context->state->pod,
                             .container = record->spec,
                             .view = context->view,
                             .node = context->node,
                             .pod_ips = pod_state_ips(context->state) };
  plan->devices = g_array_new(FALSE, FALSE, sizeof(ContainerDevice));
  plan->mounts = g_array_new(FALSE, FALSE, sizeof(ContainerMount));
  plan->strings = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(Env) env = env_build(&env_context, &plan->skipped_env, error);
  const char *target_id;
  if (!env || !find_target(context, record, &target_id, error) || !check_non_root(context, record, image, error))
    return NULL;
  plan->env = env_strings(env);
  plan->command = env_expand_all(env, json_object_get(record->spec, "command"));
  plan->args = env_expand_all(env, json_object_get(record->spec, "args"));
  for (size_t i = 0; i < json_array_size(json_object_get(record->spec, "volumeMounts")); i++)
    if (!add_volume_mount(plan, context, record, env, i, error))
      return NULL;
  if (!add_devices(plan, context, record, error))
    return NULL;
  add_own_files(plan, context);
  if (!add_termination_log(plan, context, record, error))
    return NULL;
  plan->log_path = container_plan_log_path(context->log_dir, record->name, record->next_attempt);
  g_autofree char *log_parent = g_path_get_dirname(plan->log_path);
  if (!file_make_dirs(log_parent, 0755, error))
    return NULL;
  fill_spec(plan, context, record, image);
  plan->spec.target_id = target_id;
  return g_steal_pointer(&plan);
}

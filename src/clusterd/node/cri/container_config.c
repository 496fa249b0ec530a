#include "clusterd/node/cri/container_config.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"

enum { LABELS = 4 };

static char **borrow_list(CriArena *arena, const char *const *list, size_t *count)
{
  *count = list ? g_strv_length((char **)(uintptr_t)list) : 0;
  char **borrowed = cri_arena_alloc(arena, (*count + 1) * sizeof *borrowed);
  if (*count > 0)
    memcpy(borrowed, list, *count * sizeof *borrowed);
  return borrowed;
}

/* "K=V" */
static void add_env(CriArena *arena, Cri__ContainerConfig *config, const char *const *env)
{
  size_t count = env ? g_strv_length((char **)(uintptr_t)env) : 0;
  config->envs = cri_arena_alloc(arena, (count + 1) * sizeof *config->envs);
  for (size_t i = 0; i < count; i++) {
    const char *equals = strchr(env[i], '=');
    g_autofree char *key = g_strndup(env[i], equals ? (gsize)(equals - env[i]) : strlen(env[i]));
    /* the wire carries UTF-8 only, and refuses all of a request that has anything else in it */
    if (g_utf8_validate(env[i], -1, NULL))
      config->envs[config->n_envs++] = cri_arena_pair(arena, key, equals ? equals + 1 : "");
  }
}

static Cri__Mount__Propagation propagation(const char *name)
{
  if (g_strcmp0(name, "rslave") == 0)
    return CRI__MOUNT__PROPAGATION__HOST_TO_CONTAINER;
  return g_strcmp0(name, "rshared") == 0 ? CRI__MOUNT__PROPAGATION__BIDIRECTIONAL : CRI__MOUNT__PROPAGATION__PRIVATE;
}

/* The runtime orders them by depth itself. */
static void add_mounts(CriArena *arena, Cri__ContainerConfig *config, const ContainerSpec *spec)
{
  config->mounts = cri_arena_alloc(arena, (spec->n_mounts + 1) * sizeof *config->mounts);
  for (size_t i = 0; i < spec->n_mounts; i++) {
    Cri__Mount *mount = cri_arena_alloc(arena, sizeof *mount);
    cri__mount__init(mount);
    mount->container_path = cri_arena_text(arena, spec->mounts[i].container_path);
    mount->host_path = cri_arena_text(arena, spec->mounts[i].host_path);
    mount->readonly = spec->mounts[i].read_only;
    mount->propagation = propagation(spec->mounts[i].propagation);
    config->mounts[config->n_mounts++] = mount;
  }
}

static void add_devices(CriArena *arena, Cri__ContainerConfig *config, const ContainerSpec *spec)
{
  config->devices = cri_arena_alloc(arena, (spec->n_devices + 1) * sizeof *config->devices);
  for (size_t i = 0; i < spec->n_devices; i++) {
    Cri__Device *device = cri_arena_alloc(arena, sizeof *device);
    cri__device__init(device);
    device->container_path = cri_arena_text(arena, spec->devices[i].container_path);
    device->host_path = cri_arena_text(arena, spec->devices[i].host_path);
    device->permissions = cri_arena_text(arena, spec->devices[i].access);
    config->devices[config->n_devices++] = device;
  }
}

static Cri__Resources *make_resources(CriArena *arena, const ContainerSpec *spec)
{
  Cri__Resources *resources = cri_arena_alloc(arena, sizeof *resources);
  cri__resources__init(resources);
  resources->cpu_shares = spec->cpu_shares;
  resources->cpu_quota = spec->cpu_quota_us;
  resources->cpu_period = spec->cpu_period_us;
  resources->memory_limit_in_bytes = spec->memory_limit_bytes;
  resources->oom_score_adj = spec->oom_score_adj;
  return resources;
}

static void add_labels(CriArena *arena, Cri__ContainerConfig *config, const Cri__SandboxStatus *sandbox)
{
  const Cri__SandboxMetadata *pod = sandbox->metadata;
  const char *const labels[LABELS][2] = { { "io.kubernetes.container.name", config->metadata->name },
                                          { "io.kubernetes.pod.name", pod->name },
                                          { "io.kubernetes.pod.namespace", pod->namespace_ },
                                          { "io.kubernetes.pod.uid", pod->uid } };
  config->labels = cri_arena_alloc(arena, LABELS * sizeof *config->labels);
  for (size_t i = 0; i < LABELS; i++)
    config->labels[config->n_labels++] = cri_arena_pair(arena, labels[i][0], labels[i][1]);
}

/* The log's path below the sandbox's folder of logs. */
static bool set_log_path(CriArena *arena, Cri__ContainerConfig *config, const char *folder, const char *path,
                         GError **error)
{
  g_autofree char *prefix = g_strconcat(folder, "/", NULL);
  if (!path)
    return true;
  if (!g_str_has_prefix(path, prefix))
    return reason_set(error, REASON_RUNTIME, "the log %s is not below the pod's folder %s", path, folder);
  config->log_path = cri_arena_text(arena, path + strlen(prefix));
  return true;
}

static Cri__ContainerConfig *make_config(CriArena *arena, const ContainerSpec *spec)
{
  Cri__ContainerConfig *config = cri_arena_alloc(arena, sizeof *config);
  cri__container_config__init(config);
  config->metadata = cri_arena_alloc(arena, sizeof *config->metadata);
  cri__container_metadata__init(config->metadata);
  config->metadata->name = cri_arena_text(arena, spec->name);
  config->metadata->attempt = spec->attempt;
  config->image = cri_arena_alloc(arena, sizeof *config->image);
  cri__image_spec__init(config->image);
  config->image->image = cri_arena_text(arena, spec->image_id);
  config->command = borrow_list(arena, spec->command, &config->n_command);
  config->args = borrow_list(arena, spec->args, &config->n_args);
  config->working_dir = cri_arena_text(arena, spec->working_dir);
  add_env(arena, config, spec->env);
  add_mounts(arena, config, spec);
  add_devices(arena, config, spec);
  config->with_stdin = spec->stdin_;
  config->stdin_once = spec->stdin_once;
  config->tty = spec->tty;
  return config;
}

/* The configuration the sandbox was made with, as far as its containers depend on it. */
static Cri__SandboxConfig *sandbox_config(CriArena *arena, const Cri__SandboxStatus *sandbox,
                                          const Cri__ContainerSecurity *security)
{
  Cri__SandboxConfig *config = cri_arena_alloc(arena, sizeof *config);
  Cri__LinuxSandbox *linux_ = cri_arena_alloc(arena, sizeof *linux_);
  Cri__SandboxSecurity *of_sandbox = cri_arena_alloc(arena, sizeof *of_sandbox);
  cri__sandbox_config__init(config);
  cri__linux_sandbox__init(linux_);
  cri__sandbox_security__init(of_sandbox);
  of_sandbox->namespace_options = security->namespace_options;
  of_sandbox->privileged = true;
  linux_->security_context = of_sandbox;
  linux_->cgroup_parent =
      cri_arena_text(arena, cri_pair_value(sandbox->annotations, sandbox->n_annotations, CRI_ANNOTATION_CGROUP));
  config->log_directory =
      cri_arena_text(arena, cri_pair_value(sandbox->annotations, sandbox->n_annotations, CRI_ANNOTATION_LOGS));
  config->metadata = sandbox->metadata;
  config->on_linux = linux_;
  return config;
}

Cri__CreateContainerRequest *cri_container_request(CriArena *arena, const Cri__SandboxStatus *sandbox,
                                                   const ContainerSpec *spec, const ImageStatus *image, GError **error)
{
  Cri__CreateContainerRequest *request = cri_arena_alloc(arena, sizeof *request);
  Cri__LinuxContainer *linux_ = cri_arena_alloc(arena, sizeof *linux_);
  cri__create_container_request__init(request);
  cri__linux_container__init(linux_);
  linux_->resources = make_resources(arena, spec);
  linux_->security_context = cri_container_security(arena, sandbox, spec, image, error);
  if (!linux_->security_context)
    return NULL;
  request->pod_sandbox_id = sandbox->id;
  request->config = make_config(arena, spec);
  request->config->on_linux = linux_;
  request->sandbox_config = sandbox_config(arena, sandbox, linux_->security_context);
  add_labels(arena, request->config, sandbox);
  return set_log_path(arena, request->config, request->sandbox_config->log_directory, spec->log_path, error) ? request
                                                                                                             : NULL;
}

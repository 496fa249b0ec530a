#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/container_config.h"
#include "clusterd/node/native/oci_spec.h"

const json_t *cri_security(const ContainerSpec *spec, const char *key)
{
  const json_t *value = json_object_get(spec->security_context, key);
  return value ? value : json_object_get(spec->pod_security_context, key);
}

static char **text_list(CriArena *arena, const json_t *list, size_t *count)
{
  char **texts = cri_arena_alloc(arena, (json_array_size(list) + 1) * sizeof *texts);
  size_t i;
  json_t *value;
  json_array_foreach (list, i, value)
    if (json_is_string(value))
      texts[(*count)++] = cri_arena_text(arena, json_string_value(value));
  return texts;
}

static Cri__Capability *make_capabilities(CriArena *arena, const json_t *wanted)
{
  Cri__Capability *capabilities = cri_arena_alloc(arena, sizeof *capabilities);
  cri__capability__init(capabilities);
  capabilities->add_capabilities = text_list(arena, json_object_get(wanted, "add"), &capabilities->n_add_capabilities);
  capabilities->drop_capabilities =
      text_list(arena, json_object_get(wanted, "drop"), &capabilities->n_drop_capabilities);
  return capabilities;
}

static Cri__Number *make_number(CriArena *arena, int64_t value)
{
  Cri__Number *number = cri_arena_alloc(arena, sizeof *number);
  cri__number__init(number);
  number->value = value;
  return number;
}

/* The interface takes a group only together with a user: then the image's, as upstream. */
static void set_user(CriArena *arena, Cri__ContainerSecurity *security, const ContainerSpec *spec,
                     const ImageStatus *image)
{
  const json_t *user = cri_security(spec, "runAsUser"), *group = cri_security(spec, "runAsGroup");
  guint64 number = 0;
  if (json_is_integer(user)) {
    security->run_as_user = make_number(arena, json_integer_value(user));
  } else if (json_is_integer(group)) {
    g_auto(GStrv) parts = g_strsplit(image && image->user ? image->user : "", ":", 2);
    const char *name = parts[0] ? parts[0] : "";
    if (!*name || g_ascii_string_to_unsigned(name, 10, 0, G_MAXINT32, &number, NULL))
      security->run_as_user = make_number(arena, (int64_t)number);
    else
      security->run_as_username = cri_arena_text(arena, name);
  }
  if (json_is_integer(group))
    security->run_as_group = make_number(arena, json_integer_value(group));
}

static void add_groups(CriArena *arena, Cri__ContainerSecurity *security, const json_t *pod)
{
  const json_t *list = json_object_get(pod, "supplementalGroups"), *volumes = json_object_get(pod, "fsGroup");
  security->supplemental_groups = cri_arena_alloc(arena, (json_array_size(list) + 1) * sizeof(int64_t));
  size_t i;
  json_t *group;
  if (json_is_integer(volumes))
    security->supplemental_groups[security->n_supplemental_groups++] = json_integer_value(volumes);
  json_array_foreach (list, i, group)
    security->supplemental_groups[security->n_supplemental_groups++] = json_integer_value(group);
}

static bool set_seccomp(CriArena *arena, Cri__ContainerSecurity *security, const ContainerSpec *spec, GError **error)
{
  const json_t *wanted = cri_security(spec, "seccompProfile");
  const char *type = security->privileged ? "Unconfined" : json_str(wanted, "type", "Unconfined");
  Cri__Profile *profile = cri_arena_alloc(arena, sizeof *profile);
  cri__profile__init(profile);
  security->seccomp = profile;
  profile->profile_type = CRI__PROFILE__TYPE__UNCONFINED;
  if (g_str_equal(type, "RuntimeDefault"))
    profile->profile_type = CRI__PROFILE__TYPE__DEFAULT;
  if (!g_str_equal(type, "Localhost"))
    return true;
  g_autofree char *path = oci_seccomp_local_path(wanted, error);
  profile->profile_type = CRI__PROFILE__TYPE__LOCALHOST;
  profile->localhost_ref = path ? cri_arena_text(arena, path) : profile->localhost_ref;
  return path != NULL;
}

static char **path_list(CriArena *arena, const char *const *paths, size_t *count)
{
  *count = g_strv_length((char **)(uintptr_t)paths);
  char **list = cri_arena_alloc(arena, (*count + 1) * sizeof *list);
  memcpy(list, paths, *count * sizeof *list);
  return list;
}

/* The sandbox's; but one of a process namespace of its own may be in another container's. */
static Cri__NamespaceOption *make_namespaces(CriArena *arena, const Cri__SandboxStatus *sandbox,
                                             const ContainerSpec *spec)
{
  Cri__NamespaceOption *namespaces = cri_arena_alloc(arena, sizeof *namespaces);
  const Cri__NamespaceOption *of_sandbox =
      sandbox->on_linux && sandbox->on_linux->namespaces ? sandbox->on_linux->namespaces->options : NULL;
  cri__namespace_option__init(namespaces);
  namespaces->pid = CRI__MODE__CONTAINER;
  if (of_sandbox) {
    namespaces->network = of_sandbox->network;
    namespaces->pid = of_sandbox->pid;
    namespaces->ipc = of_sandbox->ipc;
  }
  if (spec->target_id && namespaces->pid == CRI__MODE__CONTAINER) {
    namespaces->pid = CRI__MODE__TARGET;
    namespaces->target_id = cri_arena_text(arena, spec->target_id);
  }
  return namespaces;
}

Cri__ContainerSecurity *cri_container_security(CriArena *arena, const Cri__SandboxStatus *sandbox,
                                               const ContainerSpec *spec, const ImageStatus *image, GError **error)
{
  Cri__ContainerSecurity *security = cri_arena_alloc(arena, sizeof *security);
  Cri__Profile *apparmor = cri_arena_alloc(arena, sizeof *apparmor);
  cri__container_security__init(security);
  cri__profile__init(apparmor);
  apparmor->profile_type = CRI__PROFILE__TYPE__UNCONFINED;
  security->apparmor = apparmor;
  security->privileged = json_flag(spec->security_context, "privileged", false);
  security->namespace_options = make_namespaces(arena, sandbox, spec);
  security->capabilities = make_capabilities(arena, cri_security(spec, "capabilities"));
  security->readonly_rootfs = json_is_true(cri_security(spec, "readOnlyRootFilesystem"));
  security->no_new_privs = json_is_false(cri_security(spec, "allowPrivilegeEscalation"));
  set_user(arena, security, spec, image);
  add_groups(arena, security, spec->pod_security_context);
  if (!security->privileged) {
    security->masked_paths = path_list(arena, oci_masked_paths, &security->n_masked_paths);
    security->readonly_paths = path_list(arena, oci_readonly_paths, &security->n_readonly_paths);
  }
  return set_seccomp(arena, security, spec, error) ? security : NULL;
}

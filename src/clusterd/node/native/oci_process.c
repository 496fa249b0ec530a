#include <string.h>
#include <sys/resource.h>

#include "base/capability.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/native/oci_spec.h"
#include "clusterd/node/native/oci_user.h"
#include "clusterd/node/sandbox/oom_score.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define OPEN_FILES_MAX 1048576
/* More than a cluster of thousands of services gives its pods. crun's time grows with the square of it, so that the
 * image of somebody who means harm could have a core for minutes. */
#define VARIABLES_MAX 20000

/* What docker and containerd give to every container. */
static const char *const default_capabilities[] = { "CHOWN",   "DAC_OVERRIDE", "FSETID",           "FOWNER",
                                                    "MKNOD",   "NET_RAW",      "SETGID",           "SETUID",
                                                    "SETFCAP", "SETPCAP",      "NET_BIND_SERVICE", "SYS_CHROOT",
                                                    "KILL",    "AUDIT_WRITE" };

static bool list_mask(const json_t *list, uint64_t all, uint64_t *mask, GError **error)
{
  size_t i;
  json_t *value;
  *mask = 0;
  json_array_foreach (list, i, value) {
    const char *name = json_string_value(value);
    int number = capability_number(name);
    if (name && g_ascii_strcasecmp(name, "ALL") == 0)
      *mask |= all;
    else if (number >= 0)
      *mask |= UINT64_C(1) << number;
    else
      return reason_set(error, REASON_RUNTIME, "unknown capability \"%s\"", name ? name : "");
  }
  return true;
}

json_t *oci_capabilities(const OciInput *input, GError **error)
{
  const json_t *wanted = oci_security(input, "capabilities");
  uint64_t all = own_capabilities(), add, drop, mask = 0;
  if (!list_mask(json_object_get(wanted, "add"), all, &add, error) ||
      !list_mask(json_object_get(wanted, "drop"), all, &drop, error))
    return NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(default_capabilities); i++)
    mask |= UINT64_C(1) << capability_number(default_capabilities[i]);
  if (drop == all) /* "drop ALL, add X" leaves X, whichever is written first */
    mask = add == all ? 0 : add;
  else
    mask = (mask | add) & ~drop;
  if (oci_privileged(input))
    mask = all;
  return capability_names(mask & all);
}

static void append_strings(json_t *array, const char *const *list)
{
  for (; list && *list; list++)
    json_array_append_new(array, json_string(*list));
}

/* Kubernetes' rule: command replaces the entrypoint and with it the image's cmd; args replace the cmd. */
static json_t *make_args(const OciInput *input, GError **error)
{
  const json_t *config = json_object_get(input->image->config, "config");
  json_t *args = json_array();
  if (input->spec->command)
    append_strings(args, input->spec->command);
  else
    json_array_extend(args, json_object_get(config, "Entrypoint"));
  if (input->spec->args)
    append_strings(args, input->spec->args);
  else if (!input->spec->command)
    json_array_extend(args, json_object_get(config, "Cmd"));
  if (json_array_size(args) > 0)
    return args;
  json_decref(args);
  reason_set(error, REASON_RUNTIME, "no command specified: neither the container nor its image names one");
  return NULL;
}

/* Sets "K=V" in ENV, over an earlier value of K. */
static void set_variable(json_t *env, GHashTable *places, const char *pair)
{
  const char *equals = strchr(pair, '=');
  g_autofree char *key = g_strndup(pair, equals ? (gsize)(equals - pair) : strlen(pair));
  gpointer place;
  json_t *value = json_string(pair);
  if (!value) /* not UTF-8: nothing a JSON document can carry */
    return;
  if (g_hash_table_lookup_extended(places, key, NULL, &place)) {
    json_array_set_new(env, GPOINTER_TO_SIZE(place), value);
    return;
  }
  g_hash_table_insert(places, g_steal_pointer(&key), GSIZE_TO_POINTER(json_array_size(env)));
  json_array_append_new(env, value);
}

static json_t *make_env(const OciInput *input, const char *home)
{
  g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *hostname = g_strdup_printf("HOSTNAME=%s", input->hostname);
  g_autofree char *home_variable = g_strdup_printf("HOME=%s", home);
  json_t *env = json_array(), *value;
  size_t i;
  set_variable(env, places, DEFAULT_PATH);
  set_variable(env, places, hostname);
  set_variable(env, places, home_variable);
  if (input->spec->tty)
    set_variable(env, places, "TERM=xterm");
  json_array_foreach (json_at(input->image->config, "config", "Env", NULL), i, value)
    if (json_is_string(value))
      set_variable(env, places, json_string_value(value));
  for (const char *const *pair = input->spec->env; pair && *pair; pair++)
    set_variable(env, places, *pair);
  return env;
}

static int64_t integer_of(const json_t *value)
{
  return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool resolve_user(const OciInput *input, OciUser *user, GError **error)
{
  OciUserWanted wanted = {
    .image_user = json_str(json_object_get(input->image->config, "config"), "User", NULL),
    .run_as_user = integer_of(oci_security(input, "runAsUser")),
    .run_as_group = integer_of(oci_security(input, "runAsGroup")),
    .supplemental_groups = json_object_get(input->spec->pod_security_context, "supplementalGroups"),
    .strict = g_str_equal(json_str(input->spec->pod_security_context, "supplementalGroupsPolicy", "Merge"), "Strict"),
    .fs_group = json_int(input->spec->pod_security_context, "fsGroup", -1),
  };
  return oci_user_resolve(input->rootfs_fd, &wanted, user, error);
}

static json_t *make_rlimits(void)
{
  struct rlimit files = { OPEN_FILES_MAX, OPEN_FILES_MAX };
  getrlimit(RLIMIT_NOFILE, &files);
  json_int_t most = (json_int_t)MIN(files.rlim_max, OPEN_FILES_MAX);
  return json_pack("[{s:s, s:I, s:I}]", "type", "RLIMIT_NOFILE", "soft", most, "hard", most);
}

static const char *working_dir(const OciInput *input)
{
  const char *of_image = json_str(json_object_get(input->image->config, "config"), "WorkingDir", "");
  if (input->spec->working_dir && *input->spec->working_dir)
    return input->spec->working_dir;
  return *of_image ? of_image : "/";
}

json_t *oci_process_make(const OciInput *input, GError **error)
{
  const json_t *escalation = oci_security(input, "allowPrivilegeEscalation");
  g_auto(OciUser) user = { 0 };
  g_autoptr(json_t) args = make_args(input, error);
  g_autoptr(json_t) capabilities = args ? oci_capabilities(input, error) : NULL;
  if (!capabilities || !resolve_user(input, &user, error))
    return NULL;
  g_autoptr(json_t) env = make_env(input, user.home);
  if (json_array_size(env) > VARIABLES_MAX) {
    reason_set(error, REASON_BAD_REQUEST, "%zu environment variables: argument list too long", json_array_size(env));
    return NULL;
  }
  return json_pack("{s:b, s:{s:I, s:I, s:O}, s:O, s:O, s:s, s:{s:O, s:O, s:O}, s:o, s:b, s:i}", "terminal",
                   input->spec->tty, "user", "uid", (json_int_t)user.uid, "gid", (json_int_t)user.gid, "additionalGids",
                   user.additional_gids, "args", args, "env", env, "cwd", working_dir(input), "capabilities",
                   "bounding", capabilities, "effective", capabilities, "permitted", capabilities, "rlimits",
                   make_rlimits(), "noNewPrivileges", json_is_false(escalation), "oomScoreAdj",
                   oom_score_allowed(input->spec->oom_score_adj));
}

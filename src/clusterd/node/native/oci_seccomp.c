#include <string.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/native/oci_spec.h"

/*
 * Profiles in docker's form: rules carry conditions (includes, excludes) on capabilities and architecture, which are
 * decided here; the OCI's linux.seccomp has none. Source: github.com/containers/common/pkg/seccomp.
 */

#if defined(__x86_64__)
#define SECCOMP_ARCHITECTURE "SCMP_ARCH_X86_64"
#define GO_ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define SECCOMP_ARCHITECTURE "SCMP_ARCH_AARCH64"
#define GO_ARCHITECTURE "arm64"
#else
#error "name this architecture as libseccomp does"
#endif

static bool any_of(const json_t *list, const json_t *present)
{
  size_t i;
  json_t *value;
  json_array_foreach (list, i, value)
    if (json_has_text(present, json_string_value(value)))
      return true;
  return false;
}

static bool all_of(const json_t *list, const json_t *present)
{
  size_t i;
  json_t *value;
  json_array_foreach (list, i, value)
    if (!json_has_text(present, json_string_value(value)))
      return false;
  return true;
}

/* "4.8" or more runs here? */
static bool kernel_at_least(const char *wanted)
{
  struct utsname name;
  unsigned long have[2] = { 0 }, want[2] = { 0 };
  char *end;
  if (!wanted || uname(&name) < 0)
    return true;
  have[0] = strtoul(name.release, &end, 10);
  have[1] = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
  want[0] = strtoul(wanted, &end, 10);
  want[1] = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
  return have[0] != want[0] ? have[0] > want[0] : have[1] >= want[1];
}

static bool applies(const json_t *rule, const json_t *capabilities)
{
  const json_t *includes = json_object_get(rule, "includes"), *excludes = json_object_get(rule, "excludes");
  const json_t *arches = json_object_get(includes, "arches");
  return !any_of(json_object_get(excludes, "caps"), capabilities) &&
         !json_has_text(json_object_get(excludes, "arches"), GO_ARCHITECTURE) &&
         (json_array_size(arches) == 0 || json_has_text(arches, GO_ARCHITECTURE)) &&
         all_of(json_object_get(includes, "caps"), capabilities) &&
         kernel_at_least(json_str(includes, "minKernel", NULL));
}

static json_t *make_rule(const json_t *rule)
{
  static const char *const copied[] = { "action", "errnoRet" };
  json_t *made = json_object();
  const json_t *args = json_object_get(rule, "args");
  const char *name = json_str(rule, "name", NULL);
  if (name)
    json_object_set_new(made, "names", json_pack("[s]", name));
  else
    json_object_set(made, "names", json_object_get(rule, "names"));
  for (size_t i = 0; i < G_N_ELEMENTS(copied); i++)
    if (json_is_string(json_object_get(rule, copied[i])) || json_is_integer(json_object_get(rule, copied[i])))
      json_object_set(made, copied[i], json_object_get(rule, copied[i]));
  if (json_array_size(args) > 0)
    json_object_set_new(made, "args", json_deep_copy(args));
  return made;
}

/* This machine's architecture and those it can also run. */
static json_t *make_architectures(const json_t *profile)
{
  json_t *list = json_pack("[s]", SECCOMP_ARCHITECTURE);
  size_t i;
  json_t *entry;
  json_array_foreach (json_object_get(profile, "archMap"), i, entry)
    if (g_str_equal(json_str(entry, "architecture", ""), SECCOMP_ARCHITECTURE))
      json_array_extend(list, json_object_get(entry, "subArchitectures"));
  const json_t *plain = json_object_get(profile, "architectures");
  if (json_array_size(plain) > 0) {
    json_decref(list);
    list = json_deep_copy(plain);
  }
  return list;
}

json_t *oci_seccomp_read(const char *path, const json_t *capabilities, GError **error)
{
  g_autoptr(json_t) profile = json_read_file(path, error);
  if (!profile)
    return NULL;
  json_t *seccomp = json_pack("{s:s, s:o, s:[]}", "defaultAction", json_str(profile, "defaultAction", "SCMP_ACT_ERRNO"),
                              "architectures", make_architectures(profile), "syscalls");
  size_t i;
  json_t *rule;
  if (json_is_integer(json_object_get(profile, "defaultErrnoRet")))
    json_object_set(seccomp, "defaultErrnoRet", json_object_get(profile, "defaultErrnoRet"));
  json_array_foreach (json_object_get(profile, "syscalls"), i, rule)
    if (applies(rule, capabilities))
      json_array_append_new(json_object_get(seccomp, "syscalls"), make_rule(rule));
  return seccomp;
}

#include <string.h>

#include "base/json.h"
#include "clusterd/node/native/oci_spec.h"

/* What every container sees, before its own volumes. Options are separated by commas. */
typedef struct BaseMount {
  const char *destination, *type, *source, *options;
  const char *privileged_options; /* NULL: the same */
} BaseMount;

static const BaseMount base_mounts[] = {
  { "/proc", "proc", "proc", "nosuid,noexec,nodev", NULL },
  { "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k", NULL },
  { "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5", NULL },
  { "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev", NULL },
  { "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro", "nosuid,noexec,nodev,rw" },
  { "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro", "nosuid,noexec,nodev,relatime,rw" },
};

static bool replaced(const OciInput *input, const char *destination)
{
  for (size_t i = 0; i < input->spec->n_mounts; i++) {
    g_autofree char *path = g_canonicalize_filename(input->spec->mounts[i].container_path, "/");
    if (g_str_equal(path, destination))
      return true;
  }
  return false;
}

static json_t *make_mount(const char *destination, const char *type, const char *source, const char *options)
{
  json_t *list = json_array();
  g_auto(GStrv) parts = g_strsplit(options, ",", -1);
  for (char **part = parts; *part; part++)
    json_array_append_new(list, json_string(*part));
  return json_pack("{s:s, s:s, s:s, s:o}", "destination", destination, "type", type, "source", source, "options", list);
}

static void add_bind(const OciInput *input, json_t *mounts, const char *destination, const char *source,
                     const char *options)
{
  if (source && !replaced(input, destination))
    json_array_append_new(mounts, make_mount(destination, "bind", source, options));
}

static unsigned depth(const char *path)
{
  unsigned slashes = 0;
  for (; *path; path++)
    slashes += path[0] == '/' && path[1] != '/' && path[1] != '\0';
  return slashes;
}

static int by_depth(const void *a, const void *b)
{
  const ContainerMount *const *left = a, *const *right = b;
  unsigned one = depth((*left)->container_path), other = depth((*right)->container_path);
  if (one != other)
    return one < other ? -1 : 1;
  return *left < *right ? -1 : *left > *right; /* as they were written */
}

static void add_volume(json_t *mounts, const ContainerMount *mount)
{
  const char *propagation = mount->propagation ? mount->propagation : "private";
  const char *option = g_str_has_prefix(propagation, "r") ? propagation : "rprivate";
  g_autofree char *options = g_strdup_printf("rbind,%s,%s%s%s", option, mount->read_only ? "ro" : "rw",
                                             mount->read_only && mount->recursive_read_only ? ",rro" : "",
                                             mount->no_exec ? ",noexec,nosuid,nodev" : "");
  json_array_append_new(mounts, make_mount(mount->container_path, "bind", mount->host_path, options));
}

json_t *oci_mounts_make(const OciInput *input)
{
  json_t *mounts = json_array();
  for (size_t i = 0; i < G_N_ELEMENTS(base_mounts); i++) {
    const BaseMount *base = &base_mounts[i];
    bool open = base->privileged_options && oci_privileged(input);
    if (!replaced(input, base->destination))
      json_array_append_new(mounts, make_mount(base->destination, base->type, base->source,
                                               open ? base->privileged_options : base->options));
  }
  add_bind(input, mounts, "/dev/shm", input->shm, "rbind,rprivate,nosuid,noexec,nodev,rw");
  add_bind(input, mounts, "/etc/hostname", input->hostname_file, "bind,rprivate,ro");
  /* outer folders first, or they would hide what was mounted inside them */
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  g_autofree ContainerMount *copy = g_memdup2(input->spec->mounts, input->spec->n_mounts * sizeof *copy);
  for (size_t i = 0; i < input->spec->n_mounts; i++)
    g_ptr_array_add(sorted, &copy[i]);
  g_ptr_array_sort(sorted, by_depth);
  for (guint i = 0; i < sorted->len; i++)
    add_volume(mounts, g_ptr_array_index(sorted, i));
  return mounts;
}

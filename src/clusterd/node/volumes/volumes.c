#include "clusterd/node/volumes/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "clusterd/node/volumes/atomic_dir.h"
#include "clusterd/node/volumes/claim_volume.h"
#include "clusterd/node/volumes/host_path.h"
#include "clusterd/node/volumes/nfs_volume.h"

struct PodVolumes {
  char *dir;
  GHashTable *paths;     /* name → host path */
  GHashTable *read_only; /* set of names: whatever a container says */
  int64_t refresh_us;
};

PodVolumes *pod_volumes_new(const char *dir)
{
  PodVolumes *volumes = g_new0(PodVolumes, 1);
  volumes->dir = g_build_filename(dir, "volumes", NULL);
  volumes->paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  volumes->read_only = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  volumes->refresh_us = INT64_MAX;
  return volumes;
}

void pod_volumes_free(PodVolumes *volumes)
{
  if (!volumes)
    return;
  g_free(volumes->dir);
  g_hash_table_unref(volumes->paths);
  g_hash_table_unref(volumes->read_only);
  g_free(volumes);
}

int64_t pod_volumes_refresh_us(const PodVolumes *volumes)
{
  return volumes->refresh_us;
}

const char *pod_volumes_path(const PodVolumes *volumes, const char *name)
{
  return g_hash_table_lookup(volumes->paths, name);
}

bool pod_volumes_is_read_only(const PodVolumes *volumes, const char *name)
{
  return g_hash_table_contains(volumes->read_only, name);
}

static gid_t fs_group(const json_t *pod)
{
  return (gid_t)json_int(json_at(pod, "spec", "securityContext", NULL), "fsGroup", -1);
}

static bool is_mount_point(const char *path)
{
  struct stat here, above;
  g_autofree char *parent = g_build_filename(path, "..", NULL);
  return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

static bool mount_memory(const char *path, const json_t *source, GError **error)
{
  const char *text = json_str(source, "sizeLimit", NULL);
  Quantity limit;
  g_autofree char *options = text && quantity_parse(text, &limit, NULL) && limit.nano > 0
                                 ? g_strdup_printf("mode=0777,size=%" G_GINT64_FORMAT, quantity_value(limit))
                                 : g_strdup("mode=0777");
  if (is_mount_point(path))
    return true; /* from before a restart of ours */
  return mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID, options) == 0 ||
         reason_set_errno(error, REASON_FILE, errno, "tmpfs on %s", path);
}

static bool set_up_empty_dir(const char *path, const json_t *source, gid_t group, GError **error)
{
  if (!file_make_dirs(path, 0777, error))
    return false;
  if (g_str_equal(json_str(source, "medium", ""), "Memory") && !mount_memory(path, source, error))
    return false;
  if (chmod(path, group == (gid_t)-1 ? 0777 : 02777) != 0 || (group != (gid_t)-1 && chown(path, (uid_t)-1, group) != 0))
    return reason_set_errno(error, REASON_FILE, errno, "%s", path);
  return true;
}

static bool set_up_files(PodVolumes *volumes, const VolumeContext *context, const json_t *volume, const char *path,
                         GError **error)
{
  g_autoptr(GPtrArray) files = volume_files_read(context, volume, &volumes->refresh_us, error);
  return files && file_make_dirs(path, 0755, error) && atomic_dir_write(path, files, fs_group(context->pod), error);
}

/* What is mounted stays, whatever becomes of the claim: its pod runs. */
static char *set_up_claim(const PodVolumes *volumes, const VolumeContext *context, const json_t *volume, GError **error)
{
  const char *there = pod_volumes_path(volumes, json_str(volume, "name", ""));
  return there ? g_strdup(there) : claim_volume_path(context, volumes->dir, volume, error);
}

static char *set_up(PodVolumes *volumes, const VolumeContext *context, const json_t *volume, GError **error)
{
  const char *name = json_str(volume, "name", "");
  const json_t *source;
  if ((source = json_object_get(volume, "hostPath")))
    return host_path_prepare(json_str(source, "path", ""), json_str(source, "type", ""), error);
  if ((source = json_object_get(volume, "nfs")))
    return nfs_volume_mount(volumes->dir, name, source, NULL, error);
  bool is_files = volume_files_handles(volume);
  g_autofree char *path = g_build_filename(volumes->dir, is_files ? "files" : "empty-dir", name, NULL);
  if (is_files ? !set_up_files(volumes, context, volume, path, error)
               : !set_up_empty_dir(path, json_object_get(volume, "emptyDir"), fs_group(context->pod), error))
    return NULL;
  return g_steal_pointer(&path);
}

static bool is_supported(const json_t *volume)
{
  return volume_files_handles(volume) || json_object_get(volume, "emptyDir") || json_object_get(volume, "hostPath") ||
         json_object_get(volume, "nfs") ||
         json_object_size(volume) <= 1; /* no source: an empty folder, as the API defaults it */
}

static char *set_up_any(PodVolumes *volumes, const VolumeContext *context, const json_t *volume, GError **error)
{
  char *path = NULL;
  if (claim_volume_handles(context->pod, volume, NULL))
    return set_up_claim(volumes, context, volume, error);
  if (is_supported(volume))
    path = set_up(volumes, context, volume, error);
  else
    reason_set(error, REASON_INVALID, "no volume plugin matched");
  if (!path)
    g_prefix_error(error, "MountVolume.SetUp failed for volume \"%s\" : ", json_str(volume, "name", ""));
  return path;
}

bool pod_volumes_set_up(PodVolumes *volumes, const VolumeContext *context, GError **error)
{
  const json_t *volume;
  size_t i;
  volumes->refresh_us = INT64_MAX;
  json_array_foreach (json_at(context->pod, "spec", "volumes", NULL), i, volume) {
    const char *name = json_str(volume, "name", "");
    char *path = set_up_any(volumes, context, volume, error);
    if (!path)
      return false;
    g_hash_table_insert(volumes->paths, g_strdup(name), path);
    if (json_flag(json_object_get(volume, "persistentVolumeClaim"), "readOnly", false))
      g_hash_table_add(volumes->read_only, g_strdup(name));
  }
  return true;
}

bool pod_volumes_depend_on(const json_t *pod, const char *plural, const char *name)
{
  const json_t *volume, *source;
  size_t i, k;
  const char *key = g_strcmp0(plural, "configmaps") == 0 ? "configMap" : "secret";
  json_array_foreach (json_at(pod, "spec", "volumes", NULL), i, volume) {
    if (g_strcmp0(plural, "persistentvolumeclaims") == 0) {
      g_autofree char *claim = NULL;
      if (claim_volume_handles(pod, volume, &claim) && g_str_equal(claim, name))
        return true;
      continue;
    }
    const json_t *direct = json_object_get(volume, plural ? key : "downwardAPI");
    if (direct && (!plural || g_str_equal(json_str(direct, "name", json_str(direct, "secretName", "")), name)))
      return true;
    json_array_foreach (json_at(volume, "projected", "sources", NULL), k, source) {
      const json_t *part = json_object_get(source, plural ? key : "downwardAPI");
      if (part && (!plural || g_str_equal(json_str(part, "name", ""), name)))
        return true;
    }
  }
  return false;
}

/* RESOLVE_IN_ROOT makes ".." and links stay below ROOT, whatever a container wrote there. */
static int open_beneath(int root, const char *path, uint64_t flags)
{
  struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

char *volume_sub_path(const char *root, const char *sub_path, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(sub_path, "/", -1);
  if (*sub_path == '/' || g_strv_contains((const char *const *)parts, "..")) {
    reason_set(error, REASON_INVALID, "subPath \"%s\" must be relative and without \"..\"", sub_path);
    return NULL;
  }
  file_autofd int base = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_autoptr(GString) so_far = g_string_new(".");
  for (char **part = parts; *part; part++) {
    file_autofd int parent = open_beneath(base, so_far->str, O_PATH | O_DIRECTORY);
    g_string_append_printf(so_far, "/%s", *part);
    file_autofd int there = open_beneath(base, so_far->str, O_PATH);
    if (there < 0 && (errno != ENOENT || mkdirat(parent, *part, 0755) != 0)) {
      reason_set_errno(error, REASON_FILE, errno, "subPath \"%s\"", sub_path);
      return NULL;
    }
  }
  file_autofd int fd = open_beneath(base, so_far->str, O_PATH);
  g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
  char *path = fd >= 0 ? g_file_read_link(link, NULL) : NULL;
  if (!path)
    reason_set_errno(error, REASON_FILE, errno, "subPath \"%s\"", sub_path);
  return path;
}

bool pod_volumes_tear_down(PodVolumes *volumes, GError **error)
{
  g_autofree char *dirs = g_build_filename(volumes->dir, "empty-dir", NULL);
  g_autoptr(GDir) dir = g_dir_open(dirs, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(dirs, name, NULL);
    if (is_mount_point(path) && umount2(path, MNT_DETACH) != 0)
      return reason_set_errno(error, REASON_FILE, errno, "unmount %s", path);
  }
  return nfs_volume_unmount_all(volumes->dir, error) && file_remove_tree(volumes->dir, error);
}

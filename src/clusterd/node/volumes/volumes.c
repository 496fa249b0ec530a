#include "clusterd/node/volumes/volumes.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "clusterd/node/volumes/atomic_dir.h"
#include "clusterd/node/volumes/block_volume.h"
#include "clusterd/node/volumes/claim_volume.h"
#include "clusterd/node/volumes/host_path.h"
#include "clusterd/node/volumes/mounts.h"
#include "clusterd/node/volumes/nfs_volume.h"
#include "clusterd/node/volumes/sub_path.h"

/* A volume that is there. */
typedef struct Volume {
  char *path;
  bool read_only; /* whatever a container says */
  bool is_device;
} Volume;

struct PodVolumes {
  char *dir;
  GHashTable *table; /* name → Volume */
  GHashTable *tokens;
  int64_t refresh_us;
  bool failed_device; /* what failed last is a volume of mode Block */
};

static void volume_free(Volume *volume)
{
  g_free(volume->path);
  g_free(volume);
}

PodVolumes *pod_volumes_new(const char *dir)
{
  PodVolumes *volumes = g_new0(PodVolumes, 1);
  volumes->dir = g_build_filename(dir, "volumes", NULL);
  volumes->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)volume_free);
  volumes->tokens = volume_tokens_new();
  volumes->refresh_us = INT64_MAX;
  return volumes;
}

void pod_volumes_free(PodVolumes *volumes)
{
  if (!volumes)
    return;
  g_free(volumes->dir);
  g_hash_table_unref(volumes->table);
  g_hash_table_unref(volumes->tokens);
  g_free(volumes);
}

int64_t pod_volumes_refresh_us(const PodVolumes *volumes)
{
  return volumes->refresh_us;
}

const char *pod_volumes_event(const PodVolumes *volumes)
{
  return volumes->failed_device ? "FailedMapVolume" : "FailedMount";
}

const char *pod_volumes_path(const PodVolumes *volumes, const char *name)
{
  const Volume *volume = g_hash_table_lookup(volumes->table, name);
  return volume && !volume->is_device ? volume->path : NULL;
}

const char *pod_volumes_device(const PodVolumes *volumes, const char *name)
{
  const Volume *volume = g_hash_table_lookup(volumes->table, name);
  return volume && volume->is_device ? volume->path : NULL;
}

bool pod_volumes_is_read_only(const PodVolumes *volumes, const char *name)
{
  const Volume *volume = g_hash_table_lookup(volumes->table, name);
  return volume && volume->read_only;
}

/* Takes PATH. */
static void add(PodVolumes *volumes, const char *name, char *path, bool read_only, bool is_device)
{
  Volume *volume = g_new(Volume, 1);
  *volume = (Volume){ path, read_only, is_device };
  g_hash_table_insert(volumes->table, g_strdup(name), volume);
}

static gid_t fs_group(const json_t *pod)
{
  return (gid_t)json_int(json_at(pod, "spec", "securityContext", NULL), "fsGroup", -1);
}

static bool mount_memory(const char *path, const json_t *source, GError **error)
{
  const char *text = json_str(source, "sizeLimit", NULL);
  Quantity limit;
  g_autofree char *options = text && quantity_parse(text, &limit, NULL) && limit.nano > 0
                                 ? g_strdup_printf("mode=0777,size=%" G_GINT64_FORMAT, quantity_value(limit))
                                 : g_strdup("mode=0777");
  if (mounts_is_point(path))
    return true; /* from before a restart of ours */
  return mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID, options) == 0 ||
         reason_set_errno(error, REASON_FILE, errno, "tmpfs on %s", path);
}

static bool set_up_empty_dir(const char *path, const json_t *source, gid_t group, GError **error)
{
  g_autofree char *parent = g_path_get_dirname(path);
  if (!file_make_dirs(parent, 0700, error) || !file_make_dirs(path, 0777, error))
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
  g_autoptr(GPtrArray) files = volume_files_read(context, volume, volumes->tokens, &volumes->refresh_us, error);
  return files && file_make_dirs(path, 0755, error) && atomic_dir_write(path, files, fs_group(context->pod), error);
}

static bool names(const json_t *list, const char *name)
{
  return json_find(list, "name", name) != NULL;
}

/* Whether containers mount volume NAME, or want its device: what no container uses is none of the node's business. */
static VolumeUse use_of(const json_t *pod, const char *name)
{
  static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };
  VolumeUse use = { 0 };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    const json_t *container;
    size_t k;
    json_array_foreach (json_at(pod, "spec", lists[i], NULL), k, container) {
      use.mounted = use.mounted || names(json_object_get(container, "volumeMounts"), name);
      use.mapped = use.mapped || names(json_object_get(container, "volumeDevices"), name);
    }
  }
  return use;
}

/* What is mounted stays, whatever becomes of the claim: its pod runs. */
static bool set_up_claim(PodVolumes *volumes, const VolumeContext *context, const json_t *volume, VolumeUse use,
                         GError **error)
{
  const char *name = json_str(volume, "name", "");
  bool read_only = json_flag(json_object_get(volume, "persistentVolumeClaim"), "readOnly", false);
  if (g_hash_table_contains(volumes->table, name))
    return true;
  char *path = claim_volume_path(context, volumes->dir, volume, use, error);
  volumes->failed_device = !path && g_str_has_prefix((*error)->message, "MapVolume.");
  if (path)
    add(volumes, name, path, read_only, use.mapped);
  return path != NULL;
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

static char *image_target(const PodVolumes *volumes, const char *name)
{
  return g_build_filename(volumes->dir, "images", name, NULL);
}

char *pod_volumes_image_target(const PodVolumes *volumes, const char *name, GError **error)
{
  g_autofree char *target = image_target(volumes, name);
  return file_make_dirs(target, 0700, error) ? g_steal_pointer(&target) : NULL;
}

void pod_volumes_add_image(PodVolumes *volumes, const char *name)
{
  add(volumes, name, image_target(volumes, name), true, false);
}

/* What is mounted from before a restart of ours stays as it is; the rest comes when the image is there. */
static bool set_up_image(PodVolumes *volumes, const char *name)
{
  g_autofree char *target = image_target(volumes, name);
  if (!g_hash_table_contains(volumes->table, name) && mounts_is_point(target))
    pod_volumes_add_image(volumes, name);
  return true;
}

static bool is_supported(const json_t *volume)
{
  return volume_files_handles(volume) || json_object_get(volume, "emptyDir") || json_object_get(volume, "hostPath") ||
         json_object_get(volume, "nfs") ||
         json_object_size(volume) <= 1; /* no source: an empty folder, as the API defaults it */
}

static bool set_up_any(PodVolumes *volumes, const VolumeContext *context, const json_t *volume, GError **error)
{
  const char *name = json_str(volume, "name", "");
  VolumeUse use = use_of(context->pod, name);
  char *path = NULL;
  volumes->failed_device = false;
  if (!use.mounted && !use.mapped)
    return true;
  if (claim_volume_handles(context->pod, volume, NULL))
    return set_up_claim(volumes, context, volume, use, error);
  if (json_object_get(volume, "image"))
    return set_up_image(volumes, name);
  if (is_supported(volume))
    path = set_up(volumes, context, volume, error);
  else
    reason_set(error, REASON_INVALID, "no volume plugin matched");
  if (path)
    add(volumes, name, path, false, false);
  else
    g_prefix_error(error, "MountVolume.SetUp failed for volume \"%s\" : ", name);
  return path != NULL;
}

bool pod_volumes_set_up(PodVolumes *volumes, const VolumeContext *context, GError **error)
{
  const json_t *volume;
  size_t i;
  volumes->refresh_us = INT64_MAX;
  json_array_foreach (json_at(context->pod, "spec", "volumes", NULL), i, volume) {
    g_autoptr(GError) inner = NULL;
    if (set_up_any(volumes, context, volume, &inner))
      continue;
    g_propagate_error(error, g_steal_pointer(&inner));
    return false;
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

char *pod_volumes_sub_path(const PodVolumes *volumes, const char *name, const char *sub_path, const char *container,
                           size_t index, GError **error)
{
  const char *root = pod_volumes_path(volumes, name);
  g_autofree char *number = g_strdup_printf("%zu", index);
  g_autofree char *target = g_build_filename(volumes->dir, "sub-paths", name, container, number, NULL);
  return sub_path_bind(root, sub_path, target, error) ? g_steal_pointer(&target) : NULL;
}

bool pod_volumes_tear_down(PodVolumes *volumes, GError **error)
{
  return mounts_detach_below(volumes->dir, error) && block_volume_detach_all(volumes->dir, error) &&
         file_remove_tree(volumes->dir, error);
}

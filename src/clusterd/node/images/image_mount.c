#include "clusterd/node/images/image_mount.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/images/image_index.h"
#include "clusterd/node/native/rootfs.h"

#define SOURCE_PREFIX "image:" /* before the id, where other mounts have their device */
#define EMPTY_FOLDER "empty"

bool image_mount_layers(const char *const *layers, const char *id, const char *data_dir, const char *target,
                        GError **error)
{
  g_autofree char *empty = g_build_filename(data_dir, EMPTY_FOLDER, NULL);
  g_autofree char *source = g_strconcat(SOURCE_PREFIX, id, NULL);
  return file_make_dirs(empty, 0700, error) && rootfs_mount_read_only(layers, source, empty, target, error);
}

bool image_mount(ImageStore *store, const char *reference, const char *target, GError **error)
{
  file_autofd int held = image_store_hold(store, error);
  g_autoptr(Image) image = held >= 0 ? image_store_find(store, reference, error) : NULL;
  return image && image_mount_layers((const char *const *)image->layers, image->id, store->dir, target, error);
}

/* A line of mountinfo: "ID PARENT DEVICE ROOT POINT OPTIONS [FIELD…] - TYPE SOURCE OPTIONS". */
void image_mount_add_used(json_t *used)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
    return;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++) {
    const char *after = strstr(*line, " - overlay " SOURCE_PREFIX);
    if (!after)
      continue;
    after += strlen(" - overlay " SOURCE_PREFIX);
    g_autofree char *id = g_strndup(after, strcspn(after, " "));
    json_object_set_new(used, id, json_true());
  }
}

bool image_mount_used(const char *id)
{
  g_autoptr(json_t) used = json_object();
  image_mount_add_used(used);
  return json_object_get(used, id) != NULL;
}

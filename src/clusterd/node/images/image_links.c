/* Layers with hard links to files of the layers below them: rare, but builders that never mount an image make them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/layer_entry.h"

/* The folder of the layer NAME: still in the making, or in the store. The caller frees. */
static char *folder_of(const ImageLoader *loader, const char *name)
{
  g_autofree char *staged = g_build_filename(loader->staging, name + strlen("sha256:"), NULL);
  return access(staged, F_OK) == 0 ? g_steal_pointer(&staged) : image_layer_path(loader->store->dir, name);
}

/* Looks for the target of LINK in the layers BELOW, the highest first. */
static bool make_link(const ImageLoader *loader, int root, const LayerLink *link, const json_t *below, GError **error)
{
  bool found = false, removed = false;
  for (size_t i = json_array_size(below); i > 0 && !found && !removed; i--) {
    g_autofree char *folder = folder_of(loader, json_string_value(json_array_get(below, i - 1)));
    file_autofd int source = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0)
      return reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", folder);
    if (!layer_entry_copy(root, source, link, &found, &removed, error))
      return false;
  }
  return found || reason_set(error, REASON_BAD_REQUEST, "Malformed image: link %s to %s, which is not there",
                             link->path, link->target);
}

static bool move(const ImageLoader *loader, const char *from, const char *to, const char *suffix, GError **error)
{
  g_autofree char *old = g_strdup_printf("%s/%s%s", loader->staging, from + strlen("sha256:"), suffix);
  g_autofree char *new = g_strdup_printf("%s/%s%s", loader->staging, to + strlen("sha256:"), suffix);
  return rename(old, new) == 0 || reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", new);
}

bool image_loader_complete(const ImageLoader *loader, LoadedLayer *layer, const json_t *below, const char *chain,
                           GError **error)
{
  if (!layer->missing || (g_str_equal(layer->name, chain) && json_array_size(below) > 0))
    return true;
  if (!g_str_equal(layer->name, layer->diff_id))
    return reason_set(error, REASON_BAD_REQUEST, "Layer %s has links to the files of more than one image",
                      layer->diff_id);
  g_autofree char *folder = folder_of(loader, layer->name);
  file_autofd int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", folder);
  for (guint i = 0; i < layer->missing->len; i++)
    if (!make_link(loader, root, g_ptr_array_index(layer->missing, i), below, error))
      return false;
  if (!move(loader, layer->name, chain, IMAGE_RECIPE_SUFFIX, error) || !move(loader, layer->name, chain, "", error))
    return false;
  g_free(layer->name);
  layer->name = g_strdup(chain);
  return true;
}

#include "clusterd/node/cri/snapshots.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_reference.h"

#define SERVICE "snapshots.v1.Snapshots/"
#define DRIVER_MARK "snapshotter.v1." /* what the name follows in the path of a driver's folder */
#define LOWER "lowerdir="

char *snapshots_driver(CriRuntime *cri)
{
  g_autofree char *place = cri_image_place(&cri->table);
  const char *mark = place ? strstr(place, DRIVER_MARK) : NULL, *name = mark ? mark + strlen(DRIVER_MARK) : "";
  return *name && !strchr(name, '/') ? g_strdup(name) : NULL;
}

static char *new_key(void)
{
  g_autofree char *random = g_uuid_string_random();
  return g_strconcat("launcher-", random, NULL);
}

/* Makes the snapshot KEY on top of PARENT ("": of nothing); where it is. */
static Containerd__SnapshotMounts *make(StoreLease *lease, const char *method, const char *driver, const char *key,
                                        const char *parent, GError **error)
{
  Containerd__SnapshotRequest request;
  containerd__snapshot_request__init(&request);
  request.snapshotter = (char *)(uintptr_t)driver;
  request.key = (char *)(uintptr_t)key;
  request.parent = (char *)(uintptr_t)parent;
  return store_ask(lease, method, &request, &containerd__snapshot_mounts__descriptor, error);
}

/* What cannot be removed now goes with the lease. */
static void remove_snapshot(StoreLease *lease, const char *driver, const char *key)
{
  g_autoptr(GError) error = NULL;
  Containerd__SnapshotRequest request;
  containerd__snapshot_request__init(&request);
  request.snapshotter = (char *)(uintptr_t)driver;
  request.key = (char *)(uintptr_t)key;
  if (!store_order(lease, SERVICE "Remove", &request, &error))
    g_info("containerd: %s", error->message);
}

/* --- unpacking ------------------------------------------------------------------------------------------------------
 */

/* The digest of what was unpacked: that of the layer without its packing. */
static char *apply(StoreLease *lease, const json_t *layer, const Containerd__SnapshotMounts *place, GError **error)
{
  Containerd__ApplyRequest request;
  containerd__apply_request__init(&request);
  Containerd__Descriptor diff;
  containerd__descriptor__init(&diff);
  diff.media_type = (char *)(uintptr_t)json_str(layer, "mediaType", "");
  diff.digest = (char *)(uintptr_t)json_str(layer, "digest", "");
  diff.size = json_int(layer, "size", 0);
  request.diff = &diff;
  request.mounts = place->mounts;
  request.n_mounts = place->n_mounts;
  cri_auto Containerd__ApplyResponse *reply =
      store_ask(lease, "diff.v1.Diff/Apply", &request, &containerd__apply_response__descriptor, error);
  if (reply && reply->applied && image_digest_valid(reply->applied->digest))
    return g_strdup(reply->applied->digest);
  if (reply)
    reason_set(error, REASON_RUNTIME, "containerd does not tell what it has unpacked");
  return NULL;
}

/* Gives the snapshot KEY its lasting name; somebody else's of that name is as good. */
static bool commit(StoreLease *lease, const char *driver, const char *key, const char *name, GError **error)
{
  g_autoptr(GError) failure = NULL;
  Containerd__CommitRequest request;
  containerd__commit_request__init(&request);
  request.snapshotter = (char *)(uintptr_t)driver;
  request.key = (char *)(uintptr_t)key;
  request.name = (char *)(uintptr_t)name;
  if (store_order(lease, SERVICE "Commit", &request, &failure))
    return true;
  remove_snapshot(lease, driver, key);
  if (reason_is(failure, REASON_CONFLICT))
    return true;
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

/* The chain id of LAYER on top of PARENT (NULL: of nothing). */
static char *unpack_layer(StoreLease *lease, const char *driver, const json_t *layer, const char *parent,
                          GError **error)
{
  g_autofree char *key = new_key();
  cri_auto Containerd__SnapshotMounts *place = make(lease, SERVICE "Prepare", driver, key, parent ? parent : "", error);
  if (!place)
    return NULL;
  g_autofree char *diff_id = apply(lease, layer, place, error);
  if (!diff_id) {
    remove_snapshot(lease, driver, key);
    return NULL;
  }
  g_autofree char *chain_id = image_chain_id(parent, diff_id);
  return commit(lease, driver, key, chain_id, error) ? g_steal_pointer(&chain_id) : NULL;
}

char *snapshots_unpack(StoreLease *lease, const char *driver, const json_t *manifest, GError **error)
{
  char *chain_id = NULL;
  size_t i;
  json_t *layer;
  json_array_foreach (json_object_get(manifest, "layers"), i, layer) {
    g_autofree char *parent = chain_id;
    chain_id = unpack_layer(lease, driver, layer, parent, error);
    if (!chain_id)
      return NULL;
  }
  return chain_id ? chain_id : g_strdup("");
}

/* --- looking --------------------------------------------------------------------------------------------------------
 */

/* An overlay has its layers in an option, the highest first; one layer is a folder of its own. */
static char **folders_of(const Containerd__Mount *mount)
{
  g_autoptr(GStrvBuilder) folders = g_strv_builder_new();
  if (g_str_equal(mount->type, "bind"))
    g_strv_builder_add(folders, mount->source);
  for (size_t i = 0; g_str_equal(mount->type, "overlay") && i < mount->n_options; i++) {
    if (!g_str_has_prefix(mount->options[i], LOWER))
      continue;
    g_auto(GStrv) lower = g_strsplit(mount->options[i] + strlen(LOWER), ":", -1);
    for (guint k = g_strv_length(lower); k > 0; k--)
      g_strv_builder_add(folders, lower[k - 1]);
  }
  return g_strv_builder_end(folders);
}

char **snapshots_layers(StoreLease *lease, const char *driver, const char *chain_id, GError **error)
{
  g_autofree char *key = new_key();
  cri_auto Containerd__SnapshotMounts *view = make(lease, SERVICE "View", driver, key, chain_id, error);
  if (!view)
    return NULL;
  remove_snapshot(lease, driver, key);
  g_auto(GStrv) folders = view->n_mounts == 1 ? folders_of(view->mounts[0]) : NULL;
  if (folders && folders[0])
    return g_steal_pointer(&folders);
  reason_set(error, REASON_RUNTIME, "containerd's snapshotter %s has no image volumes", driver);
  return NULL;
}

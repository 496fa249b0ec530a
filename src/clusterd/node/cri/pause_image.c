#include "clusterd/node/cri/pause_image.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/store.h"
#include "clusterd/node/sandbox/pause.h"
#include "clusterd/node/sandbox/pause_layer.h"

#define PROGRAM_MAX (16u << 20) /* bytes */

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#error "name this architecture as Go does"
#endif

/* The configuration's text; its digest is the image's id, and another program makes another. */
static char *make_config(GBytes *layer)
{
  g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, layer);
  g_autofree char *diff_id = g_strconcat("sha256:", hex, NULL);
  g_autoptr(json_t) config =
      json_pack("{s:s, s:s, s:{s:[s]}, s:{s:s, s:[s]}}", "architecture", ARCHITECTURE, "os", "linux", "config",
                "Entrypoint", PAUSE_NAME, "rootfs", "type", "layers", "diff_ids", diff_id);
  return json_text(config);
}

static bool make_image(StoreLease *lease, GBytes *layer, const char *config, GError **error)
{
  gsize length;
  const void *tar = g_bytes_get_data(layer, &length);
  g_autoptr(StoreBlob) root = store_write_bytes(lease, tar, length, NULL, error);
  g_autoptr(StoreBlob) settings = root ? store_write_bytes(lease, config, strlen(config), NULL, error) : NULL;
  g_autoptr(GPtrArray) children = g_ptr_array_new();
  if (!settings)
    return false;
  g_autoptr(json_t) manifest =
      json_pack("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType", STORE_OCI "manifest.v1+json", "config",
                store_descriptor(STORE_OCI "config.v1+json", settings), "layers",
                store_descriptor(STORE_OCI "layer.v1.tar", root));
  g_autofree char *text = json_text(manifest);
  g_ptr_array_add(children, settings->digest);
  g_ptr_array_add(children, root->digest);
  g_autoptr(StoreBlob) stored = store_write_bytes(lease, text, strlen(text), children, error);
  return stored && store_name(lease, CRI_PAUSE_IMAGE, STORE_OCI "manifest.v1+json", stored, error);
}

bool cri_pause_image(CriRuntime *cri, const char *program, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(program, PROGRAM_MAX, error);
  if (!bytes)
    return false;
  g_autoptr(GBytes) layer = pause_layer(bytes);
  g_autofree char *config = make_config(layer);
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, config, -1);
  g_autofree char *id = g_strconcat("sha256:", hex, NULL);
  if (cri_image_is(cri, CRI_PAUSE_IMAGE, id))
    return true;
  g_autoptr(StoreLease) lease = store_lease_new(cri, error);
  return lease && make_image(lease, layer, config, error);
}

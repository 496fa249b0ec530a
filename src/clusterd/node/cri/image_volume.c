/* Images of containerd as volumes. Versions before 2.1 have no word for them; what they have unpacked is mounted here.
 */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/node/cri/snapshots.h"
#include "clusterd/node/images/image_mount.h"

/* The name of all the image's layers together. NULL with an error. */
static char *find_chain(CriRuntime *cri, const char *image_id, GError **error)
{
  Cri__ImageStatusRequest request;
  cri__image_status_request__init(&request);
  Cri__ImageSpec image;
  cri__image_spec__init(&image);
  g_autofree char *name = g_strdup(image_id);
  image.image = name;
  request.image = &image;
  request.verbose = true;
  cri_auto Cri__ImageStatusResponse *reply =
      cri_call(cri, "ImageService/ImageStatus", &request, &cri__image_status_response__descriptor, CRI_CALL_MS, error);
  if (!reply)
    return NULL;
  g_autoptr(json_t) info = cri_info(reply->info, reply->n_info, "info");
  const char *chain_id = json_str(info, "chainID", "");
  if (*chain_id)
    return g_strdup(chain_id);
  if (reply->image)
    reason_set(error, REASON_RUNTIME, "containerd: the image %s has no layers", image_id);
  else
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" is not present", image_id);
  return NULL;
}

bool cri_mount_image(Runtime *runtime, const char *image_id, const char *target, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  g_autofree char *data_dir = g_build_filename(cri->data_dir, "images", NULL), *driver = snapshots_driver(cri);
  if (!driver)
    return reason_set(error, REASON_RUNTIME, "containerd does not tell its snapshotter");
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&cri->image_lock);
  g_autofree char *chain_id = find_chain(cri, image_id, error);
  g_autoptr(StoreLease) lease = chain_id ? store_lease_new(cri, error) : NULL;
  g_auto(GStrv) layers = lease ? snapshots_layers(lease, driver, chain_id, error) : NULL;
  return layers && image_mount_layers((const char *const *)layers, image_id, data_dir, target, error);
}

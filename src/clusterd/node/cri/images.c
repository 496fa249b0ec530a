#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/node/cri/pause_image.h"
#include "clusterd/node/cri/preload.h"
#include "clusterd/node/images/image_mount.h"
#include "clusterd/node/images/image_reference.h"

static char **copy_list(char *const *list, size_t count)
{
  char **copy = g_new0(char *, count + 1);
  for (size_t i = 0; i < count; i++)
    copy[i] = g_strdup(list[i]);
  return copy;
}

static ImageStatus *make_status(const Cri__Image *image)
{
  ImageStatus *status = g_new0(ImageStatus, 1);
  status->id = g_strdup(image->id);
  status->repo_tags = copy_list(image->repo_tags, image->n_repo_tags);
  status->repo_digests = copy_list(image->repo_digests, image->n_repo_digests);
  status->size_bytes = (int64_t)MIN(image->size, G_MAXINT64);
  status->pinned = image->pinned || g_strv_contains((const char *const *)status->repo_tags, CRI_PAUSE_IMAGE);
  status->user =
      image->uid ? g_strdup_printf("%" G_GINT64_FORMAT, (gint64)image->uid->value) : g_strdup(image->username);
  return status;
}

/* REFERENCE as the runtime wants it, in full; an id stays as it is. */
static char *full_reference(const char *reference, GError **error)
{
  g_auto(ImageReference) parsed = { 0 };
  if (image_digest_valid(reference))
    return g_strdup(reference);
  return image_reference_parse(reference, &parsed, error) ? image_reference_text(&parsed) : NULL;
}

/* What the runtime itself has under NAME, which is in full. */
static ImageStatus *find_image(CriRuntime *cri, char *name, GError **error)
{
  Cri__ImageStatusRequest request;
  cri__image_status_request__init(&request);
  Cri__ImageSpec image;
  cri__image_spec__init(&image);
  image.image = name;
  request.image = &image;
  cri_auto Cri__ImageStatusResponse *reply =
      cri_call(cri, "ImageService/ImageStatus", &request, &cri__image_status_response__descriptor, CRI_CALL_MS, error);
  if (reply && reply->image)
    return make_status(reply->image);
  if (reply)
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" is not present", name);
  return NULL;
}

bool cri_image_is(CriRuntime *cri, const char *name, const char *id)
{
  g_autofree char *own_name = g_strdup(name);
  g_autoptr(ImageStatus) image = find_image(cri, own_name, NULL);
  return image && g_str_equal(image->id, id);
}

ImageStatus *cri_image_status(Runtime *runtime, const char *reference, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  g_autofree char *name = full_reference(reference, error);
  g_autoptr(GError) absent = NULL;
  if (name && cri->is_containerd)
    cri_take_loaded(cri, name);
  ImageStatus *image = name ? find_image(cri, name, &absent) : NULL;
  if (image || !name)
    return image;
  if (cri->is_containerd && reason_is(absent, REASON_RUNTIME_NOT_FOUND) && cri_preload(cri, name))
    return find_image(cri, name, error);
  g_propagate_error(error, g_steal_pointer(&absent));
  return NULL;
}

static char *auth_member(CriArena *arena, const json_t *auth, const char *key)
{
  return cri_arena_text(arena, json_str(auth, key, ""));
}

ImageStatus *cri_pull_image(Runtime *runtime, const char *reference, const json_t *auth, GError **error)
{
  Cri__PullImageRequest request;
  cri__pull_image_request__init(&request);
  Cri__ImageSpec image;
  cri__image_spec__init(&image);
  Cri__Auth login;
  cri__auth__init(&login);
  g_autoptr(GPtrArray) arena = cri_arena_new();
  g_autofree char *name = full_reference(reference, error);
  if (!name)
    return NULL;
  image.image = name;
  request.image = &image;
  if (auth) {
    login.username = auth_member(arena, auth, "username");
    login.password = auth_member(arena, auth, "password");
    login.auth = auth_member(arena, auth, "auth");
    login.identity_token = auth_member(arena, auth, "identitytoken");
    login.registry_token = auth_member(arena, auth, "registrytoken");
    request.auth = &login;
  }
  cri_auto Cri__PullImageResponse *reply = cri_call((CriRuntime *)runtime, "ImageService/PullImage", &request,
                                                    &cri__pull_image_response__descriptor, CRI_PULL_MS, error);
  return reply ? cri_image_status(runtime, reply->image_ref, error) : NULL;
}

static Cri__ListImagesResponse *list_images(CriRuntime *cri, GError **error)
{
  Cri__ListImagesRequest request;
  cri__list_images_request__init(&request);
  return cri_call(cri, "ImageService/ListImages", &request, &cri__list_images_response__descriptor, CRI_CALL_MS, error);
}

GPtrArray *cri_list_images(Runtime *runtime, GError **error)
{
  cri_auto Cri__ListImagesResponse *reply = list_images((CriRuntime *)runtime, error);
  if (!reply)
    return NULL;
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)image_status_free);
  for (size_t i = 0; i < reply->n_images; i++)
    g_ptr_array_add(list, make_status(reply->images[i]));
  return list;
}

/* Whether a container, of any state, is made of IMAGE. The runtime itself would not mind. */
static bool in_use(const Cri__Container *container, const ImageStatus *image)
{
  const char *spec = container->image ? container->image->image : "";
  return g_str_equal(container->image_ref, image->id) || g_str_equal(container->image_id, image->id) ||
         g_str_equal(spec, image->id) ||
         g_strv_contains((const char *const *)image->repo_digests, container->image_ref) ||
         g_strv_contains((const char *const *)image->repo_tags, spec);
}

bool cri_remove_image(Runtime *runtime, const char *reference, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  Cri__ImageStatusRequest request;
  cri__image_status_request__init(&request);
  Cri__ImageSpec spec;
  cri__image_spec__init(&spec);
  g_autoptr(ImageStatus) image = cri_image_status(runtime, reference, error);
  cri_auto Cri__ListContainersResponse *containers = image ? cri_find_containers(cri, NULL, NULL, error) : NULL;
  if (!containers)
    return false;
  for (size_t i = 0; i < containers->n_containers; i++)
    if (in_use(containers->containers[i], image))
      return reason_set(error, REASON_CONFLICT, "image %s is used by container %s", reference,
                        containers->containers[i]->id);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&cri->image_lock);
  if (image_mount_used(image->id))
    return reason_set(error, REASON_CONFLICT, "image %s is used by a volume", reference);
  spec.image = image->id;
  request.image = &spec;
  return cri_order(cri, "ImageService/RemoveImage", &request, CRI_CALL_MS, true, error);
}

char *cri_image_place(Runtime *runtime)
{
  Cri__ImageFsInfoRequest request;
  cri__image_fs_info_request__init(&request);
  cri_auto Cri__ImageFsInfoResponse *reply = cri_call((CriRuntime *)runtime, "ImageService/ImageFsInfo", &request,
                                                      &cri__image_fs_info_response__descriptor, CRI_CALL_MS, NULL);
  const Cri__FilesystemId *id = reply && reply->n_image_filesystems > 0 ? reply->image_filesystems[0]->fs_id : NULL;
  return id && *id->mountpoint ? g_strdup(id->mountpoint) : NULL;
}

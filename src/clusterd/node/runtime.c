#include "clusterd/node/runtime.h"

#include <string.h>

#include "base/reason.h"
#include "clusterd/node/images/image_reference.h"

const char *runtime_scheme(const Runtime *runtime)
{
  return g_str_equal(runtime->name, "native") ? "crun" : runtime->name;
}

void sandbox_status_clear(SandboxStatus *status)
{
  g_clear_pointer(&status->ip, g_free);
  g_clear_pointer(&status->other_ip, g_free);
  g_clear_pointer(&status->network_namespace, g_free);
  status->ready = false;
  status->created_us = 0;
}

void container_status_free(ContainerStatus *status)
{
  if (!status)
    return;
  g_free(status->id);
  g_free(status->sandbox_id);
  g_free(status->name);
  g_free(status->image);
  g_free(status->image_id);
  g_free(status->image_ref);
  g_free(status->reason);
  g_free(status->message);
  g_free(status);
}

void image_status_free(ImageStatus *status)
{
  if (!status)
    return;
  g_free(status->id);
  g_strfreev(status->repo_tags);
  g_strfreev(status->repo_digests);
  g_free(status->user);
  g_free(status);
}

const char *image_status_ref(const ImageStatus *image, const char *reference)
{
  g_auto(ImageReference) asked = { 0 };
  bool named = image_reference_parse(reference, &asked, NULL);
  for (char **digest = image->repo_digests; named && digest && *digest; digest++)
    if (g_str_has_prefix(*digest, asked.name) && (*digest)[strlen(asked.name)] == '@')
      return *digest;
  return image->repo_digests && *image->repo_digests ? *image->repo_digests : image->id;
}

bool runtime_save_image(Runtime *runtime, const char *const *references, int fd, GError **error)
{
  if (runtime->save_image)
    return runtime->save_image(runtime, references, fd, error);
  return reason_set(error, REASON_RUNTIME, "saving images is not supported by the container runtime %s", runtime->name);
}

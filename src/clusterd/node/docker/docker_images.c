#include "clusterd/node/docker/docker_images.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/docker/docker_pause.h"
#include "clusterd/node/docker/docker_preload.h"
#include "clusterd/node/images/image_mount.h"
#include "clusterd/node/images/image_reference.h"

#define NOTHING "<none>" /* dockerd's word for a name that is not there */

/* dockerd writes "busybox:1.36", everybody else "docker.io/library/busybox:1.36". The caller frees. */
static char *full_name(const char *name)
{
  g_auto(ImageReference) reference = { 0 };
  return image_reference_parse(name, &reference, NULL) ? image_reference_text(&reference) : g_strdup(name);
}

static char **full_names(const json_t *list)
{
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item) {
    const char *text = json_string_value(item);
    if (!text || strstr(text, NOTHING))
      continue;
    g_autofree char *name = full_name(text);
    g_strv_builder_add(names, name);
  }
  return g_strv_builder_end(names);
}

static ImageStatus *status_of(const json_t *image, const char *user)
{
  ImageStatus *status = g_new0(ImageStatus, 1);
  *status = (ImageStatus){ .id = g_strdup(json_str(image, "Id", "")),
                           .repo_tags = full_names(json_object_get(image, "RepoTags")),
                           .repo_digests = full_names(json_object_get(image, "RepoDigests")),
                           .size_bytes = json_int(image, "Size", 0),
                           .user = g_strdup(user) };
  return status;
}

static json_t *inspect(DockerRuntime *docker, const char *reference, GError **error)
{
  g_autofree char *escaped = g_uri_escape_string(reference, ":/@", false);
  return docker_get(docker, error, "/images/%s/json", escaped);
}

/* Ids go to dockerd as they are; names are completed, so that nothing else can be meant. NULL with REASON_BAD_REQUEST.
 */
static char *target_of(const char *reference, GError **error)
{
  g_auto(ImageReference) parsed = { 0 };
  if (image_digest_valid(reference))
    return g_strdup(reference);
  return image_reference_parse(reference, &parsed, error) ? image_reference_text(&parsed) : NULL;
}

ImageStatus *docker_image_status(Runtime *runtime, const char *reference, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(GError) absent = NULL;
  g_autofree char *target = target_of(reference, error);
  if (!target)
    return NULL;
  if (!image_digest_valid(target))
    docker_take_loaded(docker, target);
  g_autoptr(json_t) image = inspect(docker, target, &absent);
  if (!image && reason_is(absent, REASON_RUNTIME_NOT_FOUND) && docker_preload(docker, target, NULL))
    image = inspect(docker, target, error);
  else if (!image)
    g_propagate_error(error, g_steal_pointer(&absent));
  return image ? status_of(image, json_str(json_object_get(image, "Config"), "User", "")) : NULL;
}

/* --- pulling --------------------------------------------------------------------------------------------------------
 */

/* dockerd's X-Registry-Auth from an entry of a docker configuration. NULL: no credentials. The caller frees. */
static char *make_auth(const ImageReference *reference, const json_t *auth)
{
  static const char *const copied[] = { "username", "password", "identitytoken", "registrytoken" };
  g_autoptr(json_t) value = json_object();
  const char *packed = json_str(auth, "auth", "");
  gsize length = 0;
  if (!auth)
    return NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(copied); i++)
    if (json_is_string(json_object_get(auth, copied[i])))
      json_object_set(value, copied[i], json_object_get(auth, copied[i]));
  if (*packed && !json_object_get(value, "username")) {
    g_autofree guchar *bytes = g_base64_decode(packed, &length);
    g_autofree char *text = g_strndup((const char *)bytes, length);
    char *colon = strchr(text, ':');
    if (colon) {
      *colon = '\0';
      json_object_set_new(value, "username", json_string(text));
      json_object_set_new(value, "password", json_string(colon + 1));
    }
  }
  g_autofree char *host = g_strndup(reference->name, strcspn(reference->name, "/"));
  json_object_set_new(value, "serveraddress", json_string(host));
  g_autofree char *json = json_text(value);
  g_autofree char *base64 = g_base64_encode((const guchar *)json, strlen(json));
  g_strdelimit(base64, "+", '-');
  g_strdelimit(base64, "/", '_');
  return g_strconcat("X-Registry-Auth: ", base64, NULL);
}

static bool tell_progress(const json_t *message, void *data)
{
  const char *reference = data, *status = json_str(message, "status", "");
  if (!json_object_get(message, "progressDetail") && *status)
    g_debug("docker: %s: %s", reference, status);
  return true;
}

/* What dockerd passes on of a registry that says no; everything else is one that could not be asked. */
static Reason pull_reason(const GError *failure)
{
  static const struct {
    const char *text;
    Reason reason;
  } rows[] = { { "unauthorized", REASON_UNAUTHORIZED },
               { "denied", REASON_FORBIDDEN },
               { "not found", REASON_NOT_FOUND },
               { "manifest unknown", REASON_NOT_FOUND },
               { "does not exist", REASON_NOT_FOUND } };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (strstr(failure->message, rows[i].text))
      return rows[i].reason;
  return reason_is(failure, REASON_RUNTIME_NOT_FOUND) ? REASON_NOT_FOUND : REASON_DOWNLOAD;
}

ImageStatus *docker_image_pull(Runtime *runtime, const char *text, const json_t *auth, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_auto(ImageReference) reference = { 0 };
  g_autoptr(GError) failure = NULL;
  if (!image_reference_parse(text, &reference, error))
    return NULL;
  g_autofree char *header = make_auth(&reference, auth);
  g_autofree char *name = g_uri_escape_string(reference.name, NULL, false);
  g_autofree char *tag = g_uri_escape_string(reference.digest ? reference.digest : reference.tag, NULL, false);
  g_autofree char *path = g_strdup_printf("/images/create?fromImage=%s&tag=%s", name, tag);
  const DockerStream stream = {
    .method = "POST", .path = path, .header = header, .message = tell_progress, .data = (void *)(uintptr_t)text
  };
  if (docker_stream(docker, &stream, &failure))
    return docker_image_status(runtime, text, error);
  reason_set(error, pull_reason(failure), "%s", failure->message);
  return NULL;
}

/* --- the others -----------------------------------------------------------------------------------------------------
 */

/* What pods stand on is no image that anybody may clean up. */
static bool is_pause(const json_t *image)
{
  const json_t *tags = json_object_get(image, "RepoTags");
  const char *first = json_string_value(json_array_get(tags, 0));
  return json_array_size(tags) == 1 && g_str_has_prefix(first, PAUSE_REPOSITORY ":");
}

GPtrArray *docker_image_list(Runtime *runtime, GError **error)
{
  g_autoptr(json_t) list = docker_get((DockerRuntime *)runtime, error, "/images/json");
  size_t i;
  json_t *image;
  if (!list)
    return NULL;
  GPtrArray *images = g_ptr_array_new_with_free_func((GDestroyNotify)image_status_free);
  json_array_foreach (list, i, image)
    if (!is_pause(image))
      g_ptr_array_add(images, status_of(image, ""));
  return images;
}

static bool remove_name(DockerRuntime *docker, const char *name, GError **error)
{
  g_autofree char *escaped = g_uri_escape_string(name, ":/@", false);
  g_autofree char *path = g_strdup_printf("/images/%s", escaped);
  return docker_call(docker, "DELETE", path, NULL, NULL, error);
}

/* An id stands for all of its names: dockerd wants each of them taken away. */
static bool remove_all(DockerRuntime *docker, const json_t *image, const char *id, GError **error)
{
  static const char *const lists[] = { "RepoTags", "RepoDigests" };
  size_t removed = 0, k;
  json_t *name;
  for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
    json_array_foreach (json_object_get(image, lists[i]), k, name) {
      g_autoptr(GError) failure = NULL;
      if (remove_name(docker, json_string_value(name), &failure))
        removed++;
      else if (!reason_is(failure, REASON_RUNTIME_NOT_FOUND)) { /* a digest goes with its last tag */
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
      }
    }
  return removed > 0 || remove_name(docker, id, error);
}

bool docker_image_remove(Runtime *runtime, const char *reference, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autofree char *target = target_of(reference, error);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->image_lock);
  g_autoptr(json_t) image = target ? inspect(docker, target, error) : NULL;
  if (!image)
    return false;
  bool is_id = image_digest_valid(target);
  if ((is_id || json_array_size(json_object_get(image, "RepoTags")) <= 1) &&
      image_mount_used(json_str(image, "Id", "")))
    return reason_set(error, REASON_CONFLICT, "image %s is used by a volume", reference); /* dockerd does not know */
  return is_id ? remove_all(docker, image, target, error) : remove_name(docker, target, error);
}

/* "Loaded image: busybox:1.36" or "Loaded image ID: sha256:…" */
static bool take_loaded(const json_t *message, void *data)
{
  static const char name_prefix[] = "Loaded image: ", id_prefix[] = "Loaded image ID: ";
  g_autofree char *text = g_strdup(json_str(message, "stream", ""));
  g_strchomp(text);
  if (g_str_has_prefix(text, name_prefix)) {
    g_autofree char *name = full_name(text + sizeof name_prefix - 1);
    json_array_append_new(data, json_string(name));
  } else if (g_str_has_prefix(text, id_prefix)) {
    json_array_append_new(data, json_string(text + sizeof id_prefix - 1));
  }
  return true;
}

bool docker_image_load(Runtime *runtime, int fd, json_t **loaded, GError **error)
{
  g_autoptr(json_t) references = json_array();
  const DockerStream stream = { .method = "POST",
                                .path = "/images/load",
                                .content_type = "application/x-tar",
                                .fd = fd,
                                .message = take_loaded,
                                .data = references };
  if (!docker_stream((DockerRuntime *)runtime, &stream, error))
    return false;
  if (json_array_size(references) == 0)
    return reason_set(error, REASON_BAD_REQUEST, "the archive holds no image that dockerd can load");
  *loaded = g_steal_pointer(&references);
  return true;
}

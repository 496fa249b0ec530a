#include "clusterd/node/docker/docker_preload.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/images/image_reference.h"
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/image_tar.h"

/* --- the image's settings, as lines of a Dockerfile, which is what dockerd takes with an import ----------------------
 */

static void add_change(GString *query, const char *instruction, const char *value)
{
  g_autofree char *line = g_strconcat(instruction, " ", value, NULL);
  g_string_append(query, "&changes=");
  g_string_append_uri_escaped(query, line, NULL, false);
}

static void add_json(GString *query, const char *instruction, const json_t *value)
{
  g_autofree char *text = value ? json_text(value) : NULL;
  if (json_array_size(value) > 0)
    add_change(query, instruction, text);
}

/* K="V", where a backslash, a quote and a dollar would mean something. */
static void add_pair(GString *query, const char *instruction, const char *key, const char *value)
{
  g_autoptr(GString) pair = g_string_new(key);
  g_string_append(pair, "=\"");
  for (const char *c = value; *c; c++) {
    if (strchr("\\\"$", *c))
      g_string_append_c(pair, '\\');
    g_string_append_c(pair, *c);
  }
  g_string_append_c(pair, '"');
  add_change(query, instruction, pair->str);
}

static void add_settings(GString *query, json_t *config)
{
  static const char *const texts[][2] = { { "User", "USER" }, { "WorkingDir", "WORKDIR" } };
  const char *stop_signal = json_str(config, "StopSignal", "");
  const char *key;
  json_t *value;
  size_t i;
  add_json(query, "ENTRYPOINT", json_object_get(config, "Entrypoint"));
  add_json(query, "CMD", json_object_get(config, "Cmd"));
  json_array_foreach (json_object_get(config, "Env"), i, value) {
    g_auto(GStrv) parts = g_strsplit(json_string_value(value), "=", 2);
    if (parts[0] && parts[1])
      add_pair(query, "ENV", parts[0], parts[1]);
  }
  json_object_foreach (json_object_get(config, "ExposedPorts"), key, value)
    add_change(query, "EXPOSE", key);
  json_object_foreach (json_object_get(config, "Labels"), key, value)
    add_pair(query, "LABEL", key, json_string_value(value));
  json_object_foreach (json_object_get(config, "Volumes"), key, value)
    add_change(query, "VOLUME", key);
  if (*stop_signal) /* which dockerd does not take */
    add_pair(query, "LABEL", LABEL_STOP_SIGNAL, stop_signal);
  for (size_t k = 0; k < G_N_ELEMENTS(texts); k++)
    if (*json_str(config, texts[k][0], ""))
      add_change(query, texts[k][1], json_str(config, texts[k][0], ""));
}

static bool import(DockerRuntime *docker, const Image *image, const char *path, GError **error)
{
  ImageTar *tar = image_tar_open(image, error);
  if (!tar)
    return false;
  const DockerStream stream = {
    .method = "POST", .path = path, .content_type = "application/x-tar", .fd = image_tar_fd(tar)
  };
  bool good = docker_stream(docker, &stream, error);
  return image_tar_close(tar, good ? error : NULL) && good;
}

/* The query that names the image NAME. */
static char *name_query(const char *name)
{
  g_auto(ImageReference) reference = { 0 };
  if (!image_reference_parse(name, &reference, NULL) || !reference.tag)
    return NULL;
  g_autofree char *repository = g_uri_escape_string(reference.name, NULL, false);
  return g_strdup_printf("repo=%s&tag=%s", repository, reference.tag);
}

static bool add_image(DockerRuntime *docker, const Image *image, GError **error)
{
  g_autofree char *first = image->repo_tags && image->repo_tags[0] ? name_query(image->repo_tags[0]) : NULL;
  if (!first)
    return reason_set(error, REASON_RUNTIME_NOT_FOUND, "No such image: %s", image->id);
  g_autoptr(GString) path = g_string_new(NULL);
  g_string_printf(path, "/images/create?fromSrc=-&%s", first);
  add_settings(path, json_object_get(image->config, "config"));
  if (!import(docker, image, path->str, error))
    return false;
  g_autofree char *target = g_uri_escape_string(image->repo_tags[0], ":/@", false);
  for (char **name = image->repo_tags + 1; *name; name++) {
    g_autofree char *other = name_query(*name);
    g_autofree char *tag_path = g_strdup_printf("/images/%s/tag?%s", target, other ? other : "");
    if (other && !docker_call(docker, "POST", tag_path, NULL, NULL, error))
      return false;
  }
  return true;
}

/* Looks in our own store, or, with BELOW, in that one, too. What was loaded into our own is dockerd's from then on. */
static bool take_from(DockerRuntime *docker, const char *below, const char *reference, GError **error)
{
  static GMutex one_at_a_time;
  g_autofree char *own = g_build_filename(docker->data_dir, "images", NULL);
  g_autofree char *users = g_build_filename(docker->data_dir, "containers", NULL);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&one_at_a_time);
  g_autoptr(ImageStore) store = image_store_open(own, below, NULL, users, error);
  g_autoptr(Image) image = store ? image_store_find(store, reference, error) : NULL;
  g_autoptr(GError) failure = NULL;
  if (!image)
    return false;
  if (add_image(docker, image, &failure))
    return below || image_store_remove(store, image->id, error);
  g_warning("image %s cannot be given to dockerd: %s", reference, failure->message);
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

bool docker_take_loaded(DockerRuntime *docker, const char *reference)
{
  g_autofree char *index = g_build_filename(docker->data_dir, "images", "index.json", NULL);
  return access(index, F_OK) == 0 && take_from(docker, NULL, reference, NULL);
}

bool docker_preload(DockerRuntime *docker, const char *reference, GError **error)
{
  if (!docker->preloaded_store || access(docker->preloaded_store, F_OK) != 0)
    return reason_set(error, REASON_RUNTIME_NOT_FOUND, "No such image: %s", reference);
  return take_from(docker, docker->preloaded_store, reference, error);
}

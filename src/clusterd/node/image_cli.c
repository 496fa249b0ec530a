#include "clusterd/node/image_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/docker_remove.h"
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/registry.h"

#define DATA_DIR "/var/lib/launcher"
#define STORE_BELOW "/usr/share/launcher/images"
#define DOCKER_ROOT "/var/lib/docker"
#define DOCKER_SOCKET "/var/run/docker.sock"
#define CONFIG_FILE "/etc/launcher/cluster.json"
#define MEGABYTE 1e6

static int fail(const GError *error)
{
  fprintf(stderr, "clusterd image: %s\n", error->message);
  return reason_info((int)reason_of(error))->exit_code;
}

static bool load_one(ImageStore *store, const char *path, GError **error)
{
  bool from_stdin = !path || g_str_equal(path, "-");
  file_autofd int opened = from_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (!from_stdin && opened < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot read %s", path);
  g_autoptr(json_t) loaded = image_store_load(store, from_stdin ? STDIN_FILENO : opened, error);
  size_t i;
  json_t *reference;
  json_array_foreach (loaded, i, reference)
    printf("Loaded image: %s\n", json_string_value(reference));
  return loaded != NULL;
}

static bool run_load(ImageStore *store, int count, char **names, GError **error)
{
  if (count == 0)
    return load_one(store, NULL, error);
  for (int i = 0; i < count; i++)
    if (!load_one(store, names[i], error))
      return false;
  return true;
}

static json_t *strings(char **list)
{
  json_t *array = json_array();
  for (; list && *list; list++)
    json_array_append_new(array, json_string(*list));
  return array;
}

static void print_json(GPtrArray *images)
{
  g_autoptr(json_t) list = json_array();
  for (guint i = 0; i < images->len; i++) {
    const Image *image = g_ptr_array_index(images, i);
    json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "id", image->id, "repoTags",
                                          strings(image->repo_tags), "repoDigests", strings(image->repo_digests),
                                          "size", json_sprintf("%" G_GINT64_FORMAT, image->size_bytes)));
  }
  g_autofree char *text = json_text_pretty(list);
  puts(text);
}

static void print_lines(GPtrArray *images)
{
  for (guint i = 0; i < images->len; i++) {
    const Image *image = g_ptr_array_index(images, i);
    if (!image->repo_tags[0])
      puts(image->repo_digests[0] ? image->repo_digests[0] : image->id);
    for (char **tag = image->repo_tags; *tag; tag++)
      puts(*tag);
  }
}

static bool run_ls(ImageStore *store, int count, char **names, GError **error)
{
  bool as_json = count == 2 && g_str_equal(names[0], "-o") && g_str_equal(names[1], "json");
  if (count > 0 && !as_json)
    return reason_set(error, REASON_USAGE, "usage: clusterd image ls [-o json]");
  g_autoptr(GPtrArray) images = image_store_list(store, error);
  if (!images)
    return false;
  if (as_json)
    print_json(images);
  else
    print_lines(images);
  return true;
}

static bool is_dockers(const Image *image)
{
  return image->layers[0] && g_str_has_prefix(image->layers[0], DOCKER_ROOT "/");
}

/* What dockerd keeps, dockerd is asked to take away. It does not know of pods. */
static bool remove_one(ImageStore *store, const char *name, GError **error)
{
  g_autoptr(GError) failure = NULL;
  if (image_store_remove(store, name, &failure))
    return true;
  g_autoptr(Image) image = reason_is(failure, REASON_RUNTIME_NOT_FOUND) ? image_store_find(store, name, NULL) : NULL;
  if (!image || !is_dockers(image)) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
  }
  if (g_strv_length(image->repo_tags) <= 1 && image_store_in_use(store, image->id))
    return reason_set(error, REASON_CONFLICT, "image \"%s\" is used by a container", name);
  return docker_remove_image(DOCKER_SOCKET, name, error);
}

static bool run_rm(ImageStore *store, int count, char **names, GError **error)
{
  if (count == 0)
    return reason_set(error, REASON_USAGE, "usage: clusterd image rm REFERENCE...");
  bool good = true;
  for (int i = 0; i < count; i++) {
    g_autoptr(GError) failure = NULL;
    if (remove_one(store, names[i], &failure))
      continue;
    if (good) /* the last word is the first one's; what else went wrong is said on the way */
      g_propagate_error(error, g_steal_pointer(&failure));
    else
      fail(failure);
    good = false;
  }
  return good;
}

/* The strings of VALUE, which may be NULL. The caller frees. */
static char **string_list(const json_t *value)
{
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  size_t i;
  json_t *item;
  json_array_foreach (value, i, item)
    if (json_is_string(item))
      g_strv_builder_add(builder, json_string_value(item));
  return g_strv_builder_end(builder);
}

/* The registries as the daemon of this machine knows them. */
static Registries *open_registries(void)
{
  g_autoptr(json_t) config = access(CONFIG_FILE, R_OK) == 0 ? json_read_file(CONFIG_FILE, NULL) : NULL;
  g_auto(GStrv) mirrors = string_list(json_object_get(config, "registryMirrors"));
  g_auto(GStrv) insecure = string_list(json_object_get(config, "insecureRegistries"));
  RegistryConfig registries = { .mirrors = (const char *const *)mirrors,
                                .insecure = (const char *const *)insecure,
                                .ca_file = json_str(config, "registryCAFile", NULL) };
  return registries_new(&registries);
}

/* One line, written over again; the user of the callback is the name of what is pulled. */
static void show_progress(void *name, int64_t done, int64_t total)
{
  static int64_t shown_us; /* callbacks come one at a time */
  int64_t now = g_get_monotonic_time();
  if (done < total && now - shown_us < G_USEC_PER_SEC / 10)
    return;
  shown_us = now;
  fprintf(stderr, "\r%s: %.1f of %.1f MB%s", (const char *)name, (double)done / MEGABYTE, (double)total / MEGABYTE,
          done < total ? "" : "\n");
}

static bool run_pull(ImageStore *store, int count, char **names, GError **error)
{
  bool progress = count > 0 && g_str_equal(names[0], "--progress");
  if (count == progress)
    return reason_set(error, REASON_USAGE, "usage: clusterd image pull [--progress] REFERENCE...");
  g_autoptr(Registries) registries = open_registries();
  for (int i = progress; i < count; i++) {
    RegistryPull pull = { .reference = names[i],
                          .progress = progress || isatty(STDERR_FILENO) ? show_progress : NULL,
                          .user = names[i] };
    if (!registry_pull(store, registries, &pull, error))
      return false;
    printf("Pulled image: %s\n", names[i]);
  }
  return true;
}

static bool run_save(ImageStore *store, int count, char **names, GError **error)
{
  g_autoptr(GPtrArray) list = g_ptr_array_new();
  for (int i = 0; i < count; i++)
    g_ptr_array_add(list, names[i]);
  g_ptr_array_add(list, NULL);
  if (count == 0 || isatty(STDOUT_FILENO))
    return reason_set(error, REASON_USAGE, "usage: clusterd image save REFERENCE... >FILE");
  return image_store_save(store, (const char *const *)list->pdata, STDOUT_FILENO, error);
}

static bool run_tag(ImageStore *store, int count, char **names, GError **error)
{
  if (count != 2)
    return reason_set(error, REASON_USAGE, "usage: clusterd image tag SOURCE TARGET");
  return image_store_tag(store, names[0], names[1], error);
}

static const struct {
  const char *name;
  bool (*run)(ImageStore *store, int count, char **names, GError **error);
} verbs[] = { { "load", run_load }, { "ls", run_ls },     { "pull", run_pull },
              { "rm", run_rm },     { "save", run_save }, { "tag", run_tag } };

int image_cli_main(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  const char *store_dir = DATA_DIR "/images", *below = STORE_BELOW;
  int at = 1;
  for (; at + 1 < argc && g_str_has_prefix(argv[at], "--"); at += 2) {
    if (g_str_equal(argv[at], "--store"))
      store_dir = argv[at + 1];
    else if (g_str_equal(argv[at], "--below"))
      below = argv[at + 1];
    else
      break;
  }
  const char *verb = at < argc ? argv[at] : "";
  for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
    if (!g_str_equal(verb, verbs[i].name))
      continue;
    g_autofree char *parent = g_path_get_dirname(store_dir);
    g_autofree char *users = g_build_filename(parent, "containers", NULL);
    g_autoptr(ImageStore) store = image_store_open(store_dir, below, DOCKER_ROOT, users, &error);
    bool good = store && verbs[i].run(store, argc - at - 1, argv + at + 1, &error);
    return good ? 0 : fail(error);
  }
  reason_set(&error, REASON_USAGE, "usage: clusterd image [--store DIR] [--below DIR] load|ls|pull|rm|save|tag ...");
  return fail(error);
}

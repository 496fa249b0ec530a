#include "clusterd/node/images/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/image_reference.h"
#include "clusterd/node/images/registry_http.h"
#include "clusterd/node/images/registry_layers.h"
#include "clusterd/node/images/registry_manifest.h"

/* One image from one server. */
typedef struct Pull {
  ImageStore *store;
  const RegistryPull *asked;
  const ImageReference *reference;
  char *text; /* the reference, normalised */
  RegistryHttp http;
  RegistryManifest manifest;
  ImageLoader *loader;
} Pull;

static void pull_clear(Pull *pull)
{
  registry_http_clear(&pull->http);
  registry_manifest_clear(&pull->manifest);
  image_loader_free(pull->loader);
  g_free(pull->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pull, pull_clear)

/* Fetches KIND ("manifests", "blobs") WHAT, a tag or digest. *DIGEST gets its digest, the caller's. */
static GBytes *fetch(Pull *pull, const char *kind, const char *what, char **digest, GError **error)
{
  bool manifest = g_str_equal(kind, "manifests");
  g_autofree char *path = g_strdup_printf("/%s/%s", kind, what);
  g_autoptr(GBytes) bytes = registry_http_get(&pull->http, path, manifest ? registry_manifest_types : NULL,
                                              manifest ? REGISTRY_MANIFEST_MAX : IMAGE_CONFIG_MAX, error);
  if (!bytes)
    return NULL;
  g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
  *digest = g_strconcat("sha256:", hex, NULL);
  if (!image_digest_valid(what) || g_str_equal(what, *digest))
    return g_steal_pointer(&bytes);
  reason_set(error, REASON_IMAGE_INVALID, "unexpected commit digest %s, expected %s: failed precondition", *digest,
             what);
  g_clear_pointer(digest, g_free);
  return NULL;
}

/* Keeps BYTES, whose digest is DIGEST, for the store. Its value, a new reference. */
static json_t *keep(Pull *pull, GBytes *bytes, const char *digest, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autofree char *blob = image_blob_path(digest);
  if (!image_loader_add_document(pull->loader, blob, bytes, error))
    return NULL;
  return json_parse(text ? text : "", length, true, error);
}

static json_t *fetch_kept(Pull *pull, const char *kind, const char *digest, GError **error)
{
  g_autofree char *found = NULL;
  g_autoptr(GBytes) bytes = fetch(pull, kind, digest, &found, error);
  return bytes ? keep(pull, bytes, found, error) : NULL;
}

/* The configuration and layers of the image MANIFEST, whose digest is DIGEST. */
static bool fetch_image(Pull *pull, const json_t *value, const char *digest, GError **error)
{
  RegistryManifest *manifest = &pull->manifest;
  if (!registry_manifest_read(value, manifest, error))
    return false;
  g_autoptr(json_t) config = fetch_kept(pull, "blobs", manifest->config, error);
  if (!config || !registry_manifest_fits(manifest, config, digest, error))
    return false;
  RegistryLayers layers = { .manifest = manifest,
                            .config = config,
                            .folder = image_store_downloads(pull->store),
                            .http = &pull->http,
                            .loader = pull->loader,
                            .progress = pull->asked->progress,
                            .user = pull->asked->user };
  return registry_layers_fetch(&layers, error);
}

/* What TOP, a manifest or an index of them, comes down to on this machine. */
static bool fetch_top(Pull *pull, json_t *top, const char *top_digest, GError **error)
{
  g_autoptr(json_t) value = json_incref(top);
  g_autofree char *digest = g_strdup(top_digest);
  for (int depth = 0; registry_manifest_is_index(value); depth++) {
    const char *chosen = registry_manifest_choose(value, digest, error);
    if (!chosen)
      return false;
    if (depth == REGISTRY_INDEX_DEPTH_MAX)
      return reason_set(error, REASON_BAD_REQUEST, "Malformed image manifest: indexes in indexes");
    g_autofree char *next = g_strdup(chosen);
    json_t *inner = fetch_kept(pull, "manifests", next, error);
    if (!inner)
      return false;
    json_decref(g_steal_pointer(&value));
    value = inner;
    g_free(digest);
    digest = g_steal_pointer(&next);
  }
  return fetch_image(pull, value, digest, error);
}

/* The archive's index.json that a registry does not have: one image, under the name it was asked for. */
static bool add_index(Pull *pull, const char *digest, GError **error)
{
  g_autoptr(json_t) index = json_pack("{s:[{s:s, s:{s:s}}]}", "manifests", "digest", digest, "annotations",
                                      "io.containerd.image.name", pull->text);
  g_autofree char *json = json_text(index);
  g_autoptr(GBytes) bytes = g_bytes_new(json, strlen(json));
  return image_loader_add_document(pull->loader, "index.json", bytes, error);
}

/* The store has what the registry means by the name: it is called so again. False when it has not. */
static bool is_here(Pull *pull, const char *digest)
{
  g_autofree char *known = g_strdup_printf("%s@%s", pull->reference->name, digest);
  return image_store_tag(pull->store, known, pull->text, NULL);
}

/* Keeps out who wants the same image, in whichever process, until the descriptor is closed. */
static int lock_image(const char *path, GError **error)
{
  file_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 || flock(fd, LOCK_EX) < 0) {
    reason_set_errno(error, errno == ENOSPC ? REASON_INSUFFICIENT_STORAGE : REASON_FILE, errno, "Cannot lock %s", path);
    return -1;
  }
  return g_steal_fd(&fd);
}

static bool fetch_new(Pull *pull, GBytes *bytes, const char *digest, GError **error)
{
  pull->loader = image_loader_new(pull->store, error);
  if (!pull->loader)
    return false;
  g_autoptr(json_t) top = keep(pull, bytes, digest, error);
  if (!top || !add_index(pull, digest, error) || !fetch_top(pull, top, digest, error))
    return false;
  g_autoptr(GPtrArray) manifests = image_loader_manifests(pull->loader, error);
  if (!manifests || !image_store_publish(pull->store, pull->loader->staging, manifests, error))
    return false;
  registry_layers_forget(&pull->manifest, image_store_downloads(pull->store));
  return true;
}

static bool pull_from(Pull *pull, GError **error)
{
  const ImageReference *reference = pull->reference;
  const char *what = reference->digest ? reference->digest : reference->tag;
  g_autofree char *digest = NULL;
  g_autoptr(GError) failure = NULL;
  g_autoptr(GBytes) bytes = fetch(pull, "manifests", what, &digest, &failure);
  if (!bytes && reason_is(failure, REASON_DOWNLOAD_NOT_FOUND))
    return reason_set(error, REASON_DOWNLOAD_NOT_FOUND, "failed to resolve reference \"%s\": %s: not found", pull->text,
                      pull->text);
  if (!bytes)
    return reason_set(error, (Reason)failure->code, "failed to resolve reference \"%s\": %s", pull->text,
                      failure->message);
  if (is_here(pull, digest))
    return true;
  g_autofree char *lock =
      g_strdup_printf("%s/%s.image", image_store_downloads(pull->store), digest + strlen("sha256:"));
  file_autofd int held = lock_image(lock, error);
  if (held < 0)
    return false;
  bool good = is_here(pull, digest) || fetch_new(pull, bytes, digest, error);
  unlink(lock); /* who waits for it looks for the image first, whoever comes makes it anew */
  return good;
}

/* Whether another server may know better than the one that just failed. */
static bool ask_next(const RegistryServer *server, Pull *pull, const GError *error)
{
  if (reason_is(error, REASON_INTERRUPTED) || reason_is(error, REASON_INSUFFICIENT_STORAGE) ||
      reason_is(error, REASON_FILE))
    return false;
  return !server->origin || !g_atomic_int_get(&pull->http.replied);
}

static bool pull_reference(ImageStore *store, Registries *registries, const RegistryPull *asked,
                           const ImageReference *reference, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(reference->name, "/", 2);
  g_autoptr(GPtrArray) servers = registries_servers(registries, parts[0]);
  for (guint i = 0; i < servers->len; i++) {
    const RegistryServer *server = g_ptr_array_index(servers, i);
    g_autoptr(GError) failure = NULL;
    g_auto(Pull) pull = { .store = store, .asked = asked, .reference = reference };
    pull.text = image_reference_text(reference);
    if (registry_http_open(&pull.http, registries, server, parts[1], asked->auth, &failure) &&
        pull_from(&pull, &failure))
      return true;
    if (reason_is(failure, REASON_INSUFFICIENT_STORAGE) && pull.manifest.layers)
      registry_layers_forget(&pull.manifest, image_store_downloads(store));
    if (i + 1 < servers->len && ask_next(server, &pull, failure)) {
      g_log(G_LOG_DOMAIN, server->origin ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_MESSAGE, "%s: %s: %s", pull.text,
            server->url, failure->message);
      continue;
    }
    return reason_set(error, (Reason)failure->code, "failed to pull and unpack image \"%s\": %s", pull.text,
                      failure->message);
  }
  return reason_set(error, REASON_INTERNAL, "no server answers for %s", reference->name);
}

bool registry_pull(ImageStore *store, Registries *registries, const RegistryPull *asked, GError **error)
{
  g_auto(ImageReference) reference = { 0 };
  g_autoptr(GError) failure = NULL;
  if (!image_reference_parse(asked->reference, &reference, error))
    return false;
  if (pull_reference(store, registries, asked, &reference, &failure))
    return true;
  /* someone removed an image whose layers this one was to share: they are fetched after all */
  if (reason_is(failure, REASON_CONFLICT))
    return pull_reference(store, registries, asked, &reference, error);
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

#include "clusterd/node/native/native.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_mount.h"
#include "clusterd/node/images/registry.h"
#include "clusterd/node/native/container.h"
#include "clusterd/node/native/exec.h"
#include "clusterd/node/native/exit_watch.h"
#include "clusterd/node/native/native_runtime.h"
#include "clusterd/node/native/sandbox.h"
#include "clusterd/node/native/usage_places.h"
#include "clusterd/node/sandbox/network.h"

#define DEFAULT_SECCOMP "/usr/share/containers/seccomp.json"

static ImageStatus *image_status_of(const Image *image)
{
  ImageStatus *status = g_new0(ImageStatus, 1);
  status->id = g_strdup(image->id);
  status->repo_tags = g_strdupv(image->repo_tags);
  status->repo_digests = g_strdupv(image->repo_digests);
  status->size_bytes = image->size_bytes;
  status->pinned = image->read_only;
  status->user = g_strdup(json_str(json_object_get(image->config, "config"), "User", ""));
  return status;
}

static ImageStatus *native_image_status(Runtime *runtime, const char *reference, GError **error)
{
  g_autoptr(Image) image = image_store_find(((NativeRuntime *)runtime)->images, reference, error);
  return image ? image_status_of(image) : NULL;
}

static ImageStatus *native_pull_image(Runtime *runtime, const char *reference, const json_t *auth, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  RegistryPull pull = { .reference = reference, .auth = auth };
  return registry_pull(native->images, native->registries, &pull, error)
             ? native_image_status(runtime, reference, error)
             : NULL;
}

static GPtrArray *native_list_images(Runtime *runtime, GError **error)
{
  g_autoptr(GPtrArray) images = image_store_list(((NativeRuntime *)runtime)->images, error);
  if (!images)
    return NULL;
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)image_status_free);
  for (guint i = 0; i < images->len; i++)
    g_ptr_array_add(list, image_status_of(g_ptr_array_index(images, i)));
  return list;
}

static bool native_remove_image(Runtime *runtime, const char *reference, GError **error)
{
  return image_store_remove(((NativeRuntime *)runtime)->images, reference, error);
}

static char *native_image_place(Runtime *runtime)
{
  return g_build_filename(((NativeRuntime *)runtime)->data_dir, "images", NULL);
}

static bool native_load_image(Runtime *runtime, int fd, json_t **loaded, GError **error)
{
  *loaded = image_store_load(((NativeRuntime *)runtime)->images, fd, error);
  return *loaded != NULL;
}

static bool native_mount_image(Runtime *runtime, const char *image_id, const char *target, GError **error)
{
  return image_mount(((NativeRuntime *)runtime)->images, image_id, target, error);
}

static bool native_save_image(Runtime *runtime, const char *const *references, int fd, GError **error)
{
  return image_store_save(((NativeRuntime *)runtime)->images, references, fd, error);
}

static void native_set_event_handler(Runtime *runtime, RuntimeEvent handler, void *data)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  native->handler = handler;
  native->handler_data = data;
}

static void native_interrupt(Runtime *runtime)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  registries_stop(native->registries);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  native->interrupted = true;
  g_cond_broadcast(&native->exited);
}

static void native_free(Runtime *runtime)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  exit_watch_stop(native->watch);
  g_clear_pointer(&native->sandboxes, g_hash_table_unref);
  g_clear_pointer(&native->containers, g_hash_table_unref);
  registries_free(native->registries);
  image_store_free(native->images);
  address_pool_free(native->addresses);
  char **strings[] = { &native->data_dir,  &native->run_dir, &native->bridge,          &native->crun,
                       &native->crun_root, &native->conmon,  &native->seccomp_profile, &native->version };
  for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(*strings[i]);
  g_mutex_clear(&native->lock);
  g_cond_clear(&native->exited);
  g_free(native);
}

static const Runtime native_table = {
  .name = "native",
  .run_sandbox = sandbox_run,
  .stop_sandbox = sandbox_stop,
  .remove_sandbox = sandbox_remove,
  .sandbox_status = sandbox_get_status,
  .list_sandboxes = sandbox_list,
  .create_container = container_create,
  .start_container = container_start,
  .stop_container = container_stop,
  .remove_container = container_remove,
  .reopen_log = container_reopen_log,
  .container_status = container_get_status,
  .list_containers = container_list,
  .exec = exec_start,
  .attach = attach_start,
  .connect = sandbox_connect,
  .sandbox_cgroup = usage_sandbox_cgroup,
  .container_cgroup = usage_container_cgroup,
  .container_layer = usage_container_layer,
  .sandbox_interfaces = usage_sandbox_interfaces,
  .image_place = native_image_place,
  .image_status = native_image_status,
  .pull_image = native_pull_image,
  .list_images = native_list_images,
  .remove_image = native_remove_image,
  .load_image = native_load_image,
  .mount_image = native_mount_image,
  .mounts_read_only_below = true,
  .save_image = native_save_image,
  .set_event_handler = native_set_event_handler,
  .interrupt = native_interrupt,
  .free = native_free,
};

static const char *or_default(const char *value, const char *fallback)
{
  return value ? value : fallback;
}

static NativeRuntime *native_alloc(const NativeRuntimeConfig *config)
{
  NativeRuntime *native = g_new0(NativeRuntime, 1);
  native->table = native_table;
  g_mutex_init(&native->lock);
  g_cond_init(&native->exited);
  native->registries = registries_new(&config->registries);
  native->data_dir = g_strdup(config->data_dir);
  native->run_dir = g_strdup(config->run_dir);
  native->bridge = g_strdup(or_default(config->bridge, "pods0"));
  native->crun = g_strdup(or_default(config->crun, "/usr/bin/crun"));
  native->crun_root = g_build_filename(config->run_dir, "crun", NULL);
  native->conmon = g_strdup(or_default(config->conmon, "/usr/bin/conmon"));
  native->seccomp_profile = g_strdup(or_default(config->seccomp_profile, DEFAULT_SECCOMP));
  native->sandboxes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)sandbox_unref);
  native->containers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)container_unref);
  return native;
}

static bool make_folders(const NativeRuntime *native, GError **error)
{
  const struct {
    const char *top, *name;
  } folders[] = { { native->data_dir, "sandboxes" }, { native->data_dir, "containers" },
                  { native->run_dir, "sandboxes" },  { native->run_dir, "containers" },
                  { native->run_dir, "exits" },      { native->run_dir, "crun" } };
  for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *path = g_build_filename(folders[i].top, folders[i].name, NULL);
    if (!file_make_dirs(path, 0711, error))
      return false;
  }
  return true;
}

static bool open_parts(NativeRuntime *native, const NativeRuntimeConfig *config, GError **error)
{
  g_autofree char *images = g_build_filename(native->data_dir, "images", NULL);
  g_autofree char *containers = g_build_filename(native->data_dir, "containers", NULL);
  g_autofree char *pool = g_build_filename(native->data_dir, "address", NULL);
  if (!make_folders(native, error))
    return false;
  native->addresses = address_pool_new(config->pod_cidr, pool, error);
  if (!native->addresses)
    return false;
  const IpRange *ranges;
  unsigned n_ranges = address_pool_ranges(native->addresses, &ranges);
  if (!network_make_bridge(native->bridge, ranges, n_ranges, error))
    return false;
  native->images = image_store_open(images, config->preloaded_store, or_default(config->docker_root, "/var/lib/docker"),
                                    containers, error);
  return native->images != NULL;
}

/* "crun version 1.8.1" → "1.8.1" */
static void find_version(NativeRuntime *native)
{
  const char *argv[] = { native->crun, "--version", NULL };
  g_autofree char *text = NULL;
  native->version = g_strdup("unknown");
  if (!g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &text, NULL, NULL,
                    NULL))
    return;
  g_auto(GStrv) words = g_strsplit_set(text, " \n", 4);
  if (g_strv_length(words) >= 3) {
    g_free(native->version);
    native->version = g_strdup(words[2]);
  }
}

Runtime *native_runtime_new(const NativeRuntimeConfig *config, GError **error)
{
  NativeRuntime *native = native_alloc(config);
  if (!open_parts(native, config, error)) {
    native_free(&native->table);
    return NULL;
  }
  find_version(native);
  native->table.version = native->version;
  sandbox_recover(native);
  container_recover(native);
  g_autoptr(GError) failure = NULL;
  if (!image_store_sweep(native->images, &failure))
    g_warning("image store: %s", failure->message);
  native->watch = exit_watch_start(native, error);
  if (!native->watch) {
    native_free(&native->table);
    return NULL;
  }
  return &native->table;
}

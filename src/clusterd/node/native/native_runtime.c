#include "clusterd/node/native/native_runtime.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"

char *runtime_make_id(void)
{
  guint8 bytes[RUNTIME_ID_LENGTH / 2];
  GString *text = g_string_sized_new(RUNTIME_ID_LENGTH);
  while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) /* only a signal can interrupt so short a read */
    ;
  for (size_t i = 0; i < sizeof bytes; i++)
    g_string_append_printf(text, "%02x", bytes[i]);
  return g_string_free(text, FALSE);
}

bool runtime_write_state(const char *path, const json_t *value, GError **error)
{
  g_autofree char *text = json_text(value);
  g_autofree char *temporary = g_strconcat(path, ".new", NULL);
  g_autoptr(GError) failure = NULL;
  if (!g_file_set_contents_full(temporary, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &failure))
    return reason_set(error, REASON_FILE, "Cannot write %s: %s", path, failure->message);
  if (rename(temporary, path) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", path);
  return true;
}

char *runtime_bundle(const NativeRuntime *native, const char *container_id)
{
  return g_build_filename(native->run_dir, "containers", container_id, NULL);
}

char *runtime_container_dir(const NativeRuntime *native, const char *container_id)
{
  return g_build_filename(native->data_dir, "containers", container_id, NULL);
}

char *runtime_sandbox_dir(const NativeRuntime *native, const char *sandbox_id)
{
  return g_build_filename(native->run_dir, "sandboxes", sandbox_id, NULL);
}

static void sandbox_clear(void *data)
{
  Sandbox *sandbox = data;
  g_free(sandbox->id);
  json_decref(sandbox->facts);
  file_close(&sandbox->pause_fd);
}

Sandbox *sandbox_ref(Sandbox *sandbox)
{
  return g_atomic_rc_box_acquire(sandbox);
}

void sandbox_unref(Sandbox *sandbox)
{
  g_atomic_rc_box_release_full(sandbox, sandbox_clear);
}

static void container_clear(void *data)
{
  Container *container = data;
  g_free(container->id);
  g_free(container->sandbox_id);
  json_decref(container->facts);
  g_free(container->failure);
  file_close(&container->pid_fd);
  g_mutex_clear(&container->operation);
  g_mutex_clear(&container->saving);
}

Container *container_ref(Container *container)
{
  return g_atomic_rc_box_acquire(container);
}

void container_unref(Container *container)
{
  g_atomic_rc_box_release_full(container, container_clear);
}

Sandbox *runtime_find_sandbox(NativeRuntime *native, const char *id, GError **error)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  Sandbox *sandbox = id ? g_hash_table_lookup(native->sandboxes, id) : NULL;
  if (!sandbox)
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "pod sandbox %s not found", id ? id : "");
  return sandbox ? sandbox_ref(sandbox) : NULL;
}

Container *runtime_find_container(NativeRuntime *native, const char *id, GError **error)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  Container *container = id ? g_hash_table_lookup(native->containers, id) : NULL;
  if (!container)
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "container %s not found", id ? id : "");
  return container ? container_ref(container) : NULL;
}

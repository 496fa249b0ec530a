#include "clusterd/node/sandbox/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

typedef struct Call {
  void (*function)(void *data);
  void *data;
} Call;

static void *call_on_thread(void *data)
{
  const Call *call = data;
  call->function(call->data);
  return NULL;
}

void namespace_run(void (*function)(void *data), void *data)
{
  Call call = { function, data };
  g_thread_join(g_thread_new("namespace", call_on_thread, &call));
}

bool namespace_pin(const char *kind, int pid, const char *path, GError **error)
{
  g_autofree char *source =
      pid ? g_strdup_printf("/proc/%d/ns/%s", pid, kind) : g_strdup_printf("/proc/thread-self/ns/%s", kind);
  file_autofd int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || mount(source, path, NULL, MS_BIND, NULL) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot pin the %s namespace at %s", kind, path);
  return true;
}

void namespace_unpin(const char *path)
{
  if (umount2(path, MNT_DETACH) == 0 || errno == EINVAL)
    unlink(path);
}

bool namespace_pinned(const char *path)
{
  struct statfs info;
  return statfs(path, &info) == 0 && info.f_type == NSFS_MAGIC;
}

bool namespace_enter(const char *path, GError **error)
{
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, 0) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot enter the namespace %s", path);
  return true;
}

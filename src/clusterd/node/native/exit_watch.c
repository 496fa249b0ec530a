#include "clusterd/node/native/exit_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/native/conmon.h"
#include "clusterd/node/native/container.h"

/* One conmon that is watched. */
typedef struct Monitor {
  char *container_id;
  int fd; /* pidfd */
} Monitor;

struct ExitWatch {
  NativeRuntime *native;
  char *folder;
  int epoll_fd, inotify_fd, stop_fd;
  GThread *thread;
  GMutex lock;          /* guards monitors */
  GHashTable *monitors; /* of Monitor, themselves */
};

static void monitor_free(void *data)
{
  Monitor *monitor = data;
  file_close(&monitor->fd);
  g_free(monitor->container_id);
  g_free(monitor);
}

/* Also after the kernel dropped events: every file that is there is looked at. */
static void scan(ExitWatch *watch)
{
  g_autoptr(GDir) folder = g_dir_open(watch->folder, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder)))
    container_note_exit(watch->native, name);
}

static void read_events(ExitWatch *watch)
{
  char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t length = read(watch->inotify_fd, buffer, sizeof buffer);
  for (ssize_t at = 0; at < length;) {
    struct inotify_event event;
    memcpy(&event, buffer + at, sizeof event);
    if (event.mask & IN_Q_OVERFLOW)
      scan(watch);
    else if (event.len > 0)
      container_note_exit(watch->native, buffer + at + sizeof event);
    at += (ssize_t)(sizeof event + event.len);
  }
}

static void end_monitor(ExitWatch *watch, Monitor *monitor)
{
  container_note_lost(watch->native, monitor->container_id);
  epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, monitor->fd, NULL);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&watch->lock);
  g_hash_table_remove(watch->monitors, monitor);
}

static void *run(void *data)
{
  enum { EVENTS = 16 };
  ExitWatch *watch = data;
  struct epoll_event events[EVENTS];
  scan(watch);
  for (;;) {
    int count = epoll_wait(watch->epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == &watch->stop_fd)
        return NULL;
      if (events[i].data.ptr == &watch->inotify_fd)
        read_events(watch);
      else
        end_monitor(watch, events[i].data.ptr);
    }
  }
}

static bool epoll_add(ExitWatch *watch, int fd, void *data)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };
  return epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void exit_watch_add(ExitWatch *watch, const char *container_id)
{
  g_autofree char *bundle = runtime_bundle(watch->native, container_id);
  int fd = conmon_open(bundle, container_id);
  if (fd < 0) { /* it may have ended after a last word */
    container_note_lost(watch->native, container_id);
    return;
  }
  Monitor *monitor = g_new0(Monitor, 1);
  monitor->container_id = g_strdup(container_id);
  monitor->fd = fd;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&watch->lock);
  g_hash_table_add(watch->monitors, monitor);
  if (!epoll_add(watch, fd, monitor))
    g_warning("cannot watch the monitor of container %s: %s", container_id, g_strerror(errno));
}

/* The containers that were taken up from an earlier process. */
static void add_known(ExitWatch *watch)
{
  g_autoptr(GPtrArray) list = container_list(&watch->native->table, NULL, NULL);
  for (guint i = 0; i < list->len; i++) {
    const ContainerStatus *status = g_ptr_array_index(list, i);
    if (status->state != CONTAINER_EXITED)
      exit_watch_add(watch, status->id);
  }
}

ExitWatch *exit_watch_start(NativeRuntime *native, GError **error)
{
  ExitWatch *watch = g_new0(ExitWatch, 1);
  watch->native = native;
  watch->folder = conmon_exit_dir(native);
  watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  watch->stop_fd = eventfd(0, EFD_CLOEXEC);
  watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch->monitors = g_hash_table_new_full(NULL, NULL, monitor_free, NULL);
  g_mutex_init(&watch->lock);
  if (!epoll_add(watch, watch->stop_fd, &watch->stop_fd) || !epoll_add(watch, watch->inotify_fd, &watch->inotify_fd) ||
      inotify_add_watch(watch->inotify_fd, watch->folder, IN_MOVED_TO) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot watch %s", watch->folder);
    exit_watch_stop(watch);
    return NULL;
  }
  add_known(watch);
  watch->thread = g_thread_new("exits", run, watch);
  return watch;
}

void exit_watch_stop(ExitWatch *watch)
{
  if (!watch)
    return;
  if (watch->thread) {
    eventfd_write(watch->stop_fd, 1);
    g_thread_join(watch->thread);
  }
  file_close(&watch->inotify_fd);
  file_close(&watch->stop_fd);
  file_close(&watch->epoll_fd);
  g_hash_table_unref(watch->monitors);
  g_mutex_clear(&watch->lock);
  g_free(watch->folder);
  g_free(watch);
}

#include "clusterd/node/native/exit_watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/native/conmon.h"
#include "clusterd/node/native/container.h"

struct ExitWatch {
  NativeRuntime *native;
  char *folder;
  int inotify_fd, stop_fd;
  GThread *thread;
};

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

static void *run(void *data)
{
  ExitWatch *watch = data;
  struct pollfd fds[] = { { .fd = watch->inotify_fd, .events = POLLIN }, { .fd = watch->stop_fd, .events = POLLIN } };
  scan(watch);
  for (;;) {
    if (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
      continue; /* a signal */
    if (fds[1].revents)
      return NULL;
    if (fds[0].revents)
      read_events(watch);
  }
}

ExitWatch *exit_watch_start(NativeRuntime *native, GError **error)
{
  ExitWatch *watch = g_new0(ExitWatch, 1);
  watch->native = native;
  watch->folder = conmon_exit_dir(native);
  watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  watch->stop_fd = eventfd(0, EFD_CLOEXEC);
  if (watch->stop_fd < 0 || watch->inotify_fd < 0 ||
      inotify_add_watch(watch->inotify_fd, watch->folder, IN_MOVED_TO) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot watch %s", watch->folder);
    exit_watch_stop(watch);
    return NULL;
  }
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
  g_free(watch->folder);
  g_free(watch);
}

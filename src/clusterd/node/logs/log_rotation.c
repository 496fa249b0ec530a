#include "clusterd/node/logs/log_rotation.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "clusterd/node/logs/log_files.h"

#define NEVER INT64_MAX
#define MISSING_MAX 3 /* looks without a file: then its container is gone, too */

/* One container's log. It is either due to be looked at, or inotify will tell of the next write. */
typedef struct LogWatch {
  char *container_id, *path;
  int descriptor;    /* of inotify; -1: none */
  int64_t looked_us; /* monotonic; 0: never */
  int64_t due_us;    /* monotonic; NEVER: once it is written */
  unsigned missing;  /* looks in a row at which there was no file */
} LogWatch;

struct LogRotation {
  Runtime *runtime;
  LogLimits limits;
  int notify, wake; /* inotify; an eventfd */
  GThread *thread;
  GMutex lock;         /* guards what follows */
  GHashTable *watches; /* container id → LogWatch */
  bool stopping;
};

static void watch_free(LogWatch *watch)
{
  g_free(watch->container_id);
  g_free(watch->path);
  g_free(watch);
}

static void disarm(LogRotation *rotation, LogWatch *watch)
{
  if (watch->descriptor >= 0)
    inotify_rm_watch(rotation->notify, watch->descriptor);
  watch->descriptor = -1;
}

/* Under the old name again when nobody begins a new file. */
static void rotate(LogRotation *rotation, const LogWatch *watch)
{
  Runtime *runtime = rotation->runtime;
  g_autofree char *name = log_files_rotated_name(watch->path, timestamp_now_us());
  g_autoptr(GError) error = NULL;
  log_files_prune(watch->path, rotation->limits.files - 2);
  if (rename(watch->path, name) < 0) {
    g_warning("Log %s: %s", watch->path, g_strerror(errno));
    return;
  }
  if (runtime->reopen_log(runtime, watch->container_id, &error))
    return;
  g_message("Log %s is not rotated: %s", watch->path, error->message);
  if (rename(name, watch->path) < 0)
    g_warning("Log %s: %s", name, g_strerror(errno));
}

/* Asks to be told of the next write first, so that none goes by unseen. False when there is nothing to look after. */
static bool look(LogRotation *rotation, LogWatch *watch, int64_t now_us)
{
  struct stat info;
  watch->looked_us = now_us;
  watch->due_us = NEVER;
  watch->descriptor = inotify_add_watch(rotation->notify, watch->path, IN_MODIFY | IN_ONESHOT);
  if (watch->descriptor < 0 || stat(watch->path, &info) < 0) {
    watch->due_us = now_us + rotation->limits.interval_us; /* it is being made */
    return ++watch->missing < MISSING_MAX;
  }
  watch->missing = 0;
  if (info.st_size < rotation->limits.size)
    return true;
  disarm(rotation, watch);
  rotate(rotation, watch);
  watch->due_us = now_us + rotation->limits.interval_us;
  return true;
}

/* Looks at what is due; when the next is. */
static int64_t look_at_due(LogRotation *rotation)
{
  GHashTableIter iter;
  gpointer value;
  int64_t now = g_get_monotonic_time(), next = NEVER;
  g_hash_table_iter_init(&iter, rotation->watches);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    LogWatch *watch = value;
    if (watch->due_us <= now && !look(rotation, watch, now)) {
      g_hash_table_iter_remove(&iter);
      continue;
    }
    next = MIN(next, watch->due_us);
  }
  return next;
}

static void note_write(LogRotation *rotation, int descriptor)
{
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, rotation->watches);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    LogWatch *watch = value;
    if (watch->descriptor != descriptor)
      continue;
    watch->descriptor = -1; /* it was for once */
    watch->due_us = watch->looked_us + rotation->limits.interval_us;
  }
}

static void read_notices(LogRotation *rotation)
{
  char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t length;
  while ((length = read(rotation->notify, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < length;) {
      struct inotify_event event;
      memcpy(&event, buffer + at, sizeof event);
      at += (ssize_t)(sizeof event + event.len);
      note_write(rotation, event.wd); /* or the file is gone: looked at once more all the same */
    }
}

static int timeout_ms(int64_t due_us)
{
  if (due_us == NEVER)
    return -1;
  int64_t left = (due_us - g_get_monotonic_time() + 999) / 1000;
  return (int)CLAMP(left, 0, G_MAXINT);
}

static void *run(void *data)
{
  LogRotation *rotation = data;
  struct pollfd fds[] = { { .fd = rotation->wake, .events = POLLIN }, { .fd = rotation->notify, .events = POLLIN } };
  uint64_t count;
  for (;;) {
    g_mutex_lock(&rotation->lock);
    read_notices(rotation);
    int64_t next = look_at_due(rotation);
    bool stopping = rotation->stopping;
    g_mutex_unlock(&rotation->lock);
    if (stopping)
      return NULL;
    if (poll(fds, G_N_ELEMENTS(fds), timeout_ms(next)) > 0 && fds[0].revents &&
        read(rotation->wake, &count, sizeof count) < 0)
      g_debug("logs: %s", g_strerror(errno));
  }
}

LogRotation *log_rotation_new(Runtime *runtime, const LogLimits *limits)
{
  LogRotation *rotation = g_new0(LogRotation, 1);
  rotation->runtime = runtime;
  rotation->limits = *limits;
  rotation->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  rotation->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_mutex_init(&rotation->lock);
  rotation->watches = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)watch_free);
  rotation->thread = g_thread_new("log-rotation", run, rotation);
  return rotation;
}

void log_rotation_free(LogRotation *rotation)
{
  if (!rotation)
    return;
  g_mutex_lock(&rotation->lock);
  rotation->stopping = true;
  g_mutex_unlock(&rotation->lock);
  eventfd_write(rotation->wake, 1);
  g_thread_join(rotation->thread);
  file_close(&rotation->notify);
  file_close(&rotation->wake);
  g_hash_table_unref(rotation->watches);
  g_mutex_clear(&rotation->lock);
  g_free(rotation);
}

void log_rotation_watch(LogRotation *rotation, const char *container_id, const char *path)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&rotation->lock);
  if (g_hash_table_contains(rotation->watches, container_id))
    return;
  LogWatch *watch = g_new0(LogWatch, 1);
  *watch = (LogWatch){ .container_id = g_strdup(container_id), .path = g_strdup(path), .descriptor = -1 };
  g_hash_table_insert(rotation->watches, watch->container_id, watch);
  eventfd_write(rotation->wake, 1);
}

void log_rotation_forget(LogRotation *rotation, const char *container_id)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&rotation->lock);
  LogWatch *watch = g_hash_table_lookup(rotation->watches, container_id);
  if (!watch)
    return;
  disarm(rotation, watch);
  g_hash_table_remove(rotation->watches, container_id);
}

#include "clusterd/server/audit/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

struct AuditLog {
  char *path; /* NULL: standard output */
  int64_t max_bytes, max_backups;
  int fd;       /* the writer's */
  int64_t size; /* of the file; the writer's */
  GThread *writer;

  GMutex lock; /* guards the following */
  GCond changed;
  GQueue events; /* GBytes* */
  gsize bytes;   /* of all of them */
  uint64_t written, lost;
  bool closing;
};

/* --- rotation: NAME-TIME.EXTENSION beside the file, as upstream's
 * -----------------------------------------------------
 */

static void split_path(const AuditLog *log, char **stem, char **extension)
{
  const char *slash = strrchr(log->path, '/');
  const char *dot = strrchr(slash ? slash : log->path, '.');
  *stem = dot ? g_strndup(log->path, (gsize)(dot - log->path)) : g_strdup(log->path);
  *extension = g_strdup(dot ? dot : "");
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The backups there are, oldest first: the time in the name sorts them. */
static GPtrArray *find_backups(const char *stem, const char *extension)
{
  GPtrArray *backups = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *folder = g_path_get_dirname(stem), *name = g_path_get_basename(stem);
  g_autofree char *prefix = g_strconcat(name, "-", NULL);
  GDir *dir = g_dir_open(folder, 0, NULL);
  for (const char *entry; dir && (entry = g_dir_read_name(dir));)
    if (g_str_has_prefix(entry, prefix) && g_str_has_suffix(entry, extension))
      g_ptr_array_add(backups, g_build_filename(folder, entry, NULL));
  if (dir)
    g_dir_close(dir);
  g_ptr_array_sort(backups, compare_names);
  return backups;
}

static bool open_file(AuditLog *log, GError **error)
{
  struct stat info;
  log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log->fd < 0 || fstat(log->fd, &info) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "cannot open the audit log %s", log->path);
  log->size = info.st_size;
  return true;
}

static void rotate(AuditLog *log)
{
  g_autofree char *stem = NULL, *extension = NULL;
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *second = g_date_time_format(now, "%Y-%m-%dT%H-%M-%S");
  split_path(log, &stem, &extension);
  g_autofree char *backup = g_strdup_printf("%s-%s.%06d%s", stem, second, g_date_time_get_microsecond(now), extension);
  file_close(&log->fd);
  if (g_rename(log->path, backup) < 0)
    g_warning("cannot rotate the audit log %s: %s", log->path, g_strerror(errno));
  g_autoptr(GError) error = NULL;
  if (!open_file(log, &error))
    g_warning("%s", error->message);
  g_autoptr(GPtrArray) backups = find_backups(stem, extension);
  for (guint i = 0; log->max_backups > 0 && i + (guint)log->max_backups < backups->len; i++)
    g_unlink(backups->pdata[i]);
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static void write_lines(AuditLog *log, const GString *lines)
{
  gsize done = 0;
  while (log->fd >= 0 && done < lines->len) {
    gssize got = write(log->fd, lines->str + done, lines->len - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      g_warning("cannot write the audit log: %s", g_strerror(errno));
      return;
    }
    done += (gsize)got;
  }
  log->size += (int64_t)done;
}

/* Each event is one line; a file that would grow too large with it is put away first. */
static void write_events(AuditLog *log, GQueue *events)
{
  g_autoptr(GString) lines = g_string_new(NULL);
  GBytes *event;
  while ((event = g_queue_pop_head(events))) {
    gsize length;
    const char *text = g_bytes_get_data(event, &length);
    int64_t before = log->size + (int64_t)lines->len;
    if (log->path && log->max_bytes > 0 && before > 0 && before + (int64_t)length + 1 > log->max_bytes) {
      write_lines(log, lines);
      g_string_truncate(lines, 0);
      rotate(log);
    }
    g_string_append_len(lines, text, (gssize)length);
    g_string_append_c(lines, '\n');
    g_bytes_unref(event);
  }
  write_lines(log, lines);
}

static void *writer_main(void *data)
{
  AuditLog *log = data;
  bool closing = false;
  while (!closing) {
    g_mutex_lock(&log->lock);
    while (g_queue_is_empty(&log->events) && !log->closing)
      g_cond_wait(&log->changed, &log->lock);
    GQueue events = log->events;
    g_queue_init(&log->events);
    log->bytes = 0;
    closing = log->closing;
    g_mutex_unlock(&log->lock);
    write_events(log, &events);
  }
  return NULL;
}

AuditLog *audit_log_open(const AuditLogConfig *config, GError **error)
{
  AuditLog *log = g_new0(AuditLog, 1);
  g_mutex_init(&log->lock);
  g_cond_init(&log->changed);
  g_queue_init(&log->events);
  log->fd = -1;
  log->max_bytes = config->max_size << 20;
  log->max_backups = config->max_backups;
  log->path = g_str_equal(config->path, "-") ? NULL : g_strdup(config->path);
  if (!log->path)
    log->fd = dup(STDOUT_FILENO);
  else if (!open_file(log, error)) {
    audit_log_close(log);
    return NULL;
  }
  log->writer = g_thread_new("audit", writer_main, log);
  return log;
}

void audit_log_write(AuditLog *log, GBytes *event)
{
  gsize length = g_bytes_get_size(event);
  g_mutex_lock(&log->lock);
  bool full = log->events.length >= AUDIT_QUEUE_EVENTS_MAX || log->bytes + length > AUDIT_QUEUE_BYTES_MAX;
  log->written += !full;
  log->lost += full;
  if (!full) {
    log->bytes += length;
    g_queue_push_tail(&log->events, event);
    g_cond_signal(&log->changed);
  }
  g_mutex_unlock(&log->lock);
  if (full)
    g_bytes_unref(event);
}

void audit_log_count(AuditLog *log, uint64_t *written, uint64_t *lost)
{
  g_mutex_lock(&log->lock);
  *written = log->written;
  *lost = log->lost;
  g_mutex_unlock(&log->lock);
}

void audit_log_close(AuditLog *log)
{
  if (!log)
    return;
  g_mutex_lock(&log->lock);
  log->closing = true;
  g_cond_signal(&log->changed);
  g_mutex_unlock(&log->lock);
  if (log->writer)
    g_thread_join(log->writer);
  file_close(&log->fd);
  g_queue_clear_full(&log->events, (GDestroyNotify)g_bytes_unref);
  g_cond_clear(&log->changed);
  g_mutex_clear(&log->lock);
  g_free(log->path);
  g_free(log);
}

#include "clusterd/events.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define EVENTS_LOG "/var/log/launcher/events.log"

struct Events {
  char *path;
  gint64 start; /* of the machine, ms on the clock of now() */
};

/* The clock that process start times are told on. */
static gint64 now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec * G_GINT64_CONSTANT(1000) + time.tv_nsec / 1000000;
}

/* When process 1 started (proc(5): field 22, in ticks): in a container, the machine is younger than the clock. */
static gint64 machine_start(void)
{
  enum { FIELDS_BEFORE = 19, STAT_MAX = 4096 }; /* fields between the name and the start time */
  g_autoptr(GBytes) content = file_read("/proc/1/stat", STAT_MAX, NULL);
  g_autofree char *text = content ? g_strndup(g_bytes_get_data(content, NULL), g_bytes_get_size(content)) : NULL;
  const char *name_end = text ? strrchr(text, ')') : NULL; /* the name may hold blanks and brackets */
  if (!name_end || name_end[1] != ' ')
    return 0;
  g_auto(GStrv) fields = g_strsplit(name_end + 2, " ", -1);
  if (g_strv_length(fields) <= FIELDS_BEFORE)
    return 0;
  return (gint64)(g_ascii_strtoull(fields[FIELDS_BEFORE], NULL, 10) * 1000 / (guint64)sysconf(_SC_CLK_TCK));
}

Events *events_open(const char *path)
{
  Events *events = g_new0(Events, 1);
  events->path = path && *path ? g_strdup(path) : NULL;
  events->start = machine_start();
  return events;
}

void events_free(Events *events)
{
  if (!events)
    return;
  g_free(events->path);
  g_free(events);
}

/* One write, so that lines of several writers do not mix. */
static void append(const char *path, int flags, const char *line)
{
  file_autofd int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags, 0644);
  if (fd >= 0 && write(fd, line, strlen(line)) < 0)
    g_debug("event not written to %s", path);
}

void events_write(Events *events, const char *event, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_info("event %s: %s", event, message);
  if (!events->path)
    return;
  double age = (double)MAX(now() - events->start, 0) / 1000;
  g_autoptr(json_t) value = json_pack("{s:s, s:f, s:s}", "event", event, "t", age, "message", message);
  if (!value)
    return;
  char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(12)); /* 1.2, not 1.2000000000000002 */
  g_autofree char *line = g_strconcat(text, "\n", NULL);
  free(text);
  append(events->path, O_APPEND, line);
  append(EVENTS_LOG, O_APPEND, line);
}

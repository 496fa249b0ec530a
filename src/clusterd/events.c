#include "clusterd/events.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define EVENTS_LOG "/var/log/launcher/events.log"

struct Events {
  char *path;
};

Events *events_open(const char *path)
{
  Events *events = g_new0(Events, 1);
  events->path = path && *path ? g_strdup(path) : NULL;
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
  struct timespec now;
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_info("event %s: %s", event, message);
  if (!events->path)
    return;
  clock_gettime(CLOCK_BOOTTIME, &now);
  g_autoptr(json_t) value = json_pack("{s:s, s:f, s:s}", "event", event, "t",
                                      (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1000, "message", message);
  if (!value)
    return;
  g_autofree char *text = json_text(value);
  g_autofree char *line = g_strconcat(text, "\n", NULL);
  append(events->path, O_APPEND, line);
  append(EVENTS_LOG, O_APPEND, line);
}

#include "bootstrap/boot_events.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"

struct BootEvents {
  int fd;
  GString *pending; /* bytes after the last whole line */
};

BootEvents *boot_events_new(int fd)
{
  BootEvents *events = g_new0(BootEvents, 1);
  events->fd = fd;
  events->pending = g_string_new(NULL);
  return events;
}

void boot_events_free(BootEvents *events)
{
  if (!events)
    return;
  file_close(&events->fd);
  g_string_free(events->pending, TRUE);
  g_free(events);
}

/* Takes the first whole line off the pending bytes, or NULL. */
static char *take_line(GString *pending)
{
  const char *end = memchr(pending->str, '\n', pending->len);
  if (!end)
    return NULL;
  char *line = g_strndup(pending->str, (gsize)(end - pending->str));
  g_string_erase(pending, 0, end - pending->str + 1);
  return line;
}

static bool parse_line(const char *line, char **name, char **message)
{
  g_autoptr(json_t) value = json_parse(line, strlen(line), false, NULL);
  const char *event = json_str(value, "event", NULL);
  if (!event)
    return false;
  *name = g_strdup(event);
  *message = g_strdup(json_str(value, "message", NULL));
  return true;
}

/* Adds what has arrived. False at the end of the stream, on an error, or when the deadline passes. */
static bool read_more(BootEvents *events, int64_t deadline, GError **error)
{
  char block[1024];
  int64_t left_ms = (deadline - g_get_monotonic_time()) / 1000;
  struct pollfd wait = { .fd = events->fd, .events = POLLIN };
  int ready = left_ms > 0 ? poll(&wait, 1, (int)MIN(left_ms, G_MAXINT)) : 0;
  if (ready < 0 && errno == EINTR)
    return true;
  if (ready == 0)
    return reason_set(error, REASON_GUEST_TIMEOUT, "the machine did not come up in time");
  ssize_t got = read(events->fd, block, sizeof block);
  if (got < 0 && (errno == EINTR || errno == EAGAIN))
    return true;
  if (got <= 0)
    return reason_set(error, REASON_GUEST, "the machine went down while it was starting");
  g_string_append_len(events->pending, block, got);
  if (events->pending->len > BOOT_EVENT_LINE_MAX && !memchr(events->pending->str, '\n', events->pending->len))
    g_string_truncate(events->pending, 0); /* no event is so long: drop the noise */
  return true;
}

bool boot_events_next(BootEvents *events, int64_t deadline, char **name, char **message, GError **error)
{
  for (;;) {
    g_autofree char *line = take_line(events->pending);
    if (line && parse_line(line, name, message))
      return true;
    if (!line && !read_more(events, deadline, error))
      return false;
  }
}

#include "clusterd/node/logs/log_line.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"

#define TIME_MAX 64

static bool read_cri(const char *bytes, gsize length, LogLine *line)
{
  const char *end = bytes + length, *first = memchr(bytes, ' ', length);
  const char *second = first ? memchr(first + 1, ' ', (gsize)(end - first - 1)) : NULL;
  const char *third = second ? memchr(second + 1, ' ', (gsize)(end - second - 1)) : NULL;
  char time[TIME_MAX + 1];
  if (!second || first - bytes > TIME_MAX)
    return false;
  memcpy(time, bytes, (gsize)(first - bytes));
  time[first - bytes] = '\0';
  if (!timestamp_parse(time, &line->time_us))
    return false;
  line->time = bytes;
  line->time_length = (gsize)(first - bytes);
  line->partial = second + 1 < end && second[1] == 'P';
  line->text = third ? third + 1 : end;
  line->text_length = (gsize)(end - line->text);
  return true;
}

/* Long lines come in pieces, of which only the last has the newline. */
static bool read_docker(const char *bytes, gsize length, LogLine *line)
{
  g_autoptr(json_t) value = json_loadb(bytes, length, JSON_ALLOW_NUL, NULL);
  const json_t *text = json_object_get(value, "log");
  const char *time = json_str(value, "time", "");
  if (!json_is_string(text) || !timestamp_parse(time, &line->time_us))
    return false;
  line->time = time;
  line->time_length = strlen(time);
  line->text = json_string_value(text);
  line->text_length = json_string_length(text);
  line->partial = line->text_length == 0 || line->text[line->text_length - 1] != '\n';
  if (!line->partial)
    line->text_length--;
  line->owner = g_steal_pointer(&value);
  return true;
}

bool log_line_read(const char *bytes, gsize length, LogLine *line)
{
  *line = (LogLine){ 0 };
  return length > 0 && bytes[0] == '{' ? read_docker(bytes, length, line) : read_cri(bytes, length, line);
}

void log_line_clear(LogLine *line)
{
  g_clear_pointer(&line->owner, json_decref);
}

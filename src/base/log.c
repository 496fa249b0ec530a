#include "base/log.h"

#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"

static GLogLevelFlags shown = G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR;

static const char *field_text(const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp(fields[i].key, key) == 0)
      return fields[i].value;
  return NULL;
}

static char level_letter(GLogLevelFlags level)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return 'E';
  if (level & G_LOG_LEVEL_WARNING)
    return 'W';
  if (level & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
    return 'I';
  return 'D';
}

static GLogWriterOutput write_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer unused)
{
  if (!(level & shown))
    return G_LOG_WRITER_HANDLED;
  const char *room = field_text(fields, n_fields, "GLIB_DOMAIN");
  const char *text = field_text(fields, n_fields, "MESSAGE");
  g_autofree char *time = timestamp_text_micro(timestamp_now_us());
  g_autofree char *line =
      g_strdup_printf("%s %c %s: %s\n", time, level_letter(level), room ? room : "-", text ? text : "");
  /* one write keeps lines of several threads whole; a full or closed stderr is nobody's problem here */
  (void)!write(STDERR_FILENO, line, strlen(line));
  return G_LOG_WRITER_HANDLED;
}

void log_setup(int level)
{
  if (level >= 1)
    shown |= G_LOG_LEVEL_MESSAGE;
  if (level >= 2)
    shown |= G_LOG_LEVEL_INFO;
  if (level >= 3)
    shown |= G_LOG_LEVEL_DEBUG;
  g_log_set_writer_func(write_line, NULL, NULL);
}

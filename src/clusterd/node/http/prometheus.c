#include "clusterd/node/http/prometheus.h"

void prometheus_family(GString *text, const char *name, const char *type, const char *help)
{
  g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and newline are written with a backslash. */
static void append_value(GString *text, const char *value)
{
  for (; *value; value++) {
    if (*value == '\n')
      g_string_append(text, "\\n");
    else if (*value == '\\' || *value == '"')
      g_string_append_printf(text, "\\%c", *value);
    else
      g_string_append_c(text, *value);
  }
}

void prometheus_sample(GString *text, const char *name, const char *const *labels, double value, int64_t time_us)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(text, name);
  for (gsize i = 0; labels && labels[i]; i += 2) {
    g_string_append_printf(text, "%s%s=\"", i ? "," : "{", labels[i]);
    append_value(text, labels[i + 1]);
    g_string_append(text, "\"");
  }
  if (labels && labels[0])
    g_string_append_c(text, '}');
  g_string_append_printf(text, " %s", g_ascii_dtostr(number, sizeof number, value));
  if (time_us > 0)
    g_string_append_printf(text, " %" G_GINT64_FORMAT, time_us / 1000);
  g_string_append_c(text, '\n');
}

#pragma once
/* One line of a container's log file, in either of the forms runtimes write. Sources:
 * kubernetes/design-proposals-archive kubelet-cri-logging ("TIME STREAM TAG TEXT"); docker's json-file driver ({"log",
 * "stream", "time"}). */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Borrowed from the line, or from OWNER. */
typedef struct LogLine {
  int64_t time_us;
  const char *time; /* as it was written */
  gsize time_length;
  const char *text; /* without its newline */
  gsize text_length;
  bool partial; /* the text goes on in the next line */
  json_t *owner;
} LogLine;

/* Takes LENGTH bytes (without their newline) apart. False when they are of no form that is known: then nothing has to
 * be cleared. */
bool log_line_read(const char *bytes, gsize length, LogLine *line);
void log_line_clear(LogLine *line);

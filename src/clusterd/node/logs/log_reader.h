#pragma once
/* Container logs: from what runtimes write on disk (log_line.h) to what `kubectl logs` shows. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LogOptions {
  bool follow, timestamps;
  int64_t tail_lines;  /* -1: all */
  int64_t limit_bytes; /* -1: all */
  int64_t since_us;    /* wall clock; -1: from the start */
} LogOptions;

/* Whether the container still writes; a follow ends once it does not and everything was read. Called on the reader's
 * thread. */
typedef bool (*LogAlive)(void *data);

/* A descriptor that gives the text of the log at PATH and of what was rotated out of it (log_files.h), written by a
 * thread of its own until it is done or the descriptor is closed. RELEASE is called on DATA at the end. A log that is
 * not there yet is empty. -1 with REASON_FILE. */
int log_reader_open(const char *path, const LogOptions *options, LogAlive alive, void *data, GDestroyNotify release,
                    GError **error);

/* The last LINES lines, at most MAX bytes of text; "" when there is no log. The caller frees. */
char *log_reader_tail(const char *path, unsigned lines, gsize max);

#pragma once
/* The text of a Corefile as lines of words, some with lines of their own in braces. Source: CoreDNS's manual,
 * "Corefile Explained". */
#include <glib.h>

#define COREFILE_SIZE_MAX (1u << 20)
#define COREFILE_LINES_MAX 10000
#define COREFILE_DEPTH_MAX 4

typedef struct CorefileLine {
  unsigned number;  /* counted from 1 */
  GStrv words;      /* one at least */
  GPtrArray *lines; /* CorefileLine*, what stands in braces; NULL: there are none */
} CorefileLine;

void corefile_line_free(CorefileLine *line);

/* The server blocks: their words are zones, their lines are plugins. A file without braces is one block, whose zones
 * are its first line. NULL with REASON_CONFIG, which names the line. The caller unrefs. */
GPtrArray *corefile_read(const char *text, GError **error);

/* Sets REASON_CONFIG with the line in front ("Corefile:7: ..."); false, as reason_set. */
gboolean corefile_error(GError **error, const CorefileLine *line, const char *format, ...) G_GNUC_PRINTF(3, 4);

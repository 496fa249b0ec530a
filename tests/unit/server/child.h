#pragma once
/* A NodeProcess that is a child of this very process. */
#include <stdbool.h>

#include "clusterd/server/node_access.h"

/* Starts ARGV (found in PATH); without stdin when it is not wanted. RESIZE may be NULL: sizes are of no interest. NULL
 * with the error. */
NodeProcess *child_start(const char *const *argv, bool with_stdin,
                         void (*resize)(NodeProcess *process, unsigned width, unsigned height), GError **error);

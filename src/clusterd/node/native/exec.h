#pragma once
/* Further processes in a running container (`crun exec`), and a container's own streams (conmon's attach socket). */
#include "clusterd/node/native/native_runtime.h"
#include "clusterd/server/node_access.h"

/* The Runtime table's entries. */
NodeProcess *exec_start(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                        bool with_tty, GError **error);
NodeProcess *attach_start(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty, GError **error);

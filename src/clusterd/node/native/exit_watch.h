#pragma once
/* The thread that learns of containers' ends, from the files conmon writes, or from conmon's death. */
#include "clusterd/node/native/native_runtime.h"

/* Starts watching. Ends that came before are found too. NULL with REASON_RUNTIME. */
ExitWatch *exit_watch_start(NativeRuntime *native, GError **error);

/* Also notices when the container's conmon dies without a word. Not an error when it is gone already. */
void exit_watch_add(ExitWatch *watch, const char *container_id);

/* Stops and joins the thread. NULL-safe. */
void exit_watch_stop(ExitWatch *watch);

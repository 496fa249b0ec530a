#pragma once
/* The thread that learns of containers' ends, from the files conmon writes. */
#include "clusterd/node/native/native_runtime.h"

/* Starts watching. Ends that came before are found too. NULL with REASON_RUNTIME. */
ExitWatch *exit_watch_start(NativeRuntime *native, GError **error);

/* Stops and joins the thread. NULL-safe. */
void exit_watch_stop(ExitWatch *watch);

#pragma once
/* Kernel namespaces kept alive by bind mounts instead of processes. */
#include <glib.h>
#include <stdbool.h>

/* Runs FUNCTION on a short-lived thread, which may change its namespaces without any other thread noticing. */
void namespace_run(void (*function)(void *data), void *data);

/* Keeps the calling thread's KIND ("net", "ipc", "uts") namespace at PATH, or that of process PID when PID is not 0
 * (KIND "pid"). REASON_RUNTIME. */
bool namespace_pin(const char *kind, int pid, const char *path, GError **error);

/* Lets go of what is pinned at PATH; absent is fine. */
void namespace_unpin(const char *path);

/* True when a namespace is pinned at PATH. */
bool namespace_pinned(const char *path);

/* Moves the calling thread into the namespace at PATH. Only from namespace_run(). REASON_RUNTIME. */
bool namespace_enter(const char *path, GError **error);

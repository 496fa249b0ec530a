#pragma once
/* Pod sandboxes: namespaces pinned under RUN/sandboxes/ID (net, ipc, uts, pid, and shm), no process. */
#include "clusterd/node/native/native_runtime.h"

/* The Runtime table's entries. */
char *sandbox_run(Runtime *runtime, const SandboxSpec *spec, GError **error);
bool sandbox_stop(Runtime *runtime, const char *sandbox_id, GError **error);
bool sandbox_remove(Runtime *runtime, const char *sandbox_id, GError **error);
bool sandbox_get_status(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error);
json_t *sandbox_list(Runtime *runtime, GError **error);
int sandbox_connect(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error);

/* Takes up the sandboxes an earlier process left. */
void sandbox_recover(NativeRuntime *native);

/* The path KIND ("net", "ipc", "uts", "pid") is pinned at, or NULL when the sandbox shares the node's. The caller
 * frees. */
char *sandbox_namespace(const NativeRuntime *native, const Sandbox *sandbox, const char *kind);

/* The folder that is every container's /dev/shm. The caller frees. */
char *sandbox_shm(const NativeRuntime *native, const Sandbox *sandbox);

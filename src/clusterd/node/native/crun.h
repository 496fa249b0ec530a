#pragma once
/* The OCI runtime's commands. Internal to node/native. */
#include "clusterd/node/native/native_runtime.h"

/* `crun VERB [OPTION] ID`; OPTION may be NULL. REASON_RUNTIME with what it said. */
bool crun_run(const NativeRuntime *native, const char *verb, const char *option, const char *id, GError **error);

/* Lets a container that was created run. */
bool crun_start(const NativeRuntime *native, const char *id, GError **error);

/* Ends the container's processes and has crun forget it. Fine when crun does not know it, as after a reboot. */
bool crun_delete(const NativeRuntime *native, const char *id, GError **error);

#pragma once
/* Making and unmaking a sandbox's namespaces. Internal to sandbox.c. */
#include "clusterd/node/native/native_runtime.h"

/* Makes the namespaces FACTS ask for and pins them in FOLDER (which exists), with the network set up. ADDRESSES
 * are not used with host network. On failure nothing is left pinned. *PAUSE_PID: the first process of a
 * shared process namespace, 0 when there is none. */
bool sandbox_setup(const NativeRuntime *native, const json_t *facts, const char *folder, const PodAddresses *addresses,
                   int *pause_pid, GError **error);

/* Lets go of everything in FOLDER; what is not there is fine. Ends the pause process found there. */
void sandbox_teardown(const char *folder);

#pragma once
/* Making and unmaking a sandbox's namespaces. Internal to sandbox.c. */
#include "clusterd/node/native/native_runtime.h"

/* Makes the namespaces FACTS ask for and pins them in FOLDER (which exists), with the network set up. ADDRESSES
 * are not used with host network. On failure nothing is left pinned. *PAUSE_FD: a pidfd, the caller's, of the first
 * process of a shared process namespace; -1: there is none. */
bool sandbox_setup(const NativeRuntime *native, const json_t *facts, const char *folder, const PodAddresses *addresses,
                   int *pause_fd, GError **error);

/* The first process of the shared process namespace pinned in FOLDER: a pidfd, the caller's; -1: it is no more. */
int sandbox_open_pause(const char *folder);

/* Lets go of everything in FOLDER; what is not there is fine. Ends the first process PAUSE_FD (-1: none). */
void sandbox_teardown(const char *folder, int pause_fd);

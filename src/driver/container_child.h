#pragma once
/* Child processes of a machine's holder: unlike program_run(), with chosen descriptors and a clean signal mask. */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Starts ARGV (searched as program_path() does). Descriptor i of the child is FDS[i]; everything else is closed on
 * exec. FDS[i] may be -1: not open. -1 with PROVIDER_NOT_FOUND or DRIVER. */
pid_t child_start(const char *const *argv, const int *fds, size_t n_fds, GError **error);

/* Waits for PID. True when it exited with 0. */
bool child_wait(pid_t pid);

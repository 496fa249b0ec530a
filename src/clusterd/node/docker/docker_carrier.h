#pragma once
/*
 * dockerd sends both outputs of a process over one connection, a NodeProcess has a descriptor for each: two threads
 * carry the bytes across. Source: Docker Engine API, "Attach to a container", stream format.
 */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/server/node_access.h"

typedef struct DockerCarrier DockerCarrier;

/* Takes SOCKET and fills in the descriptors of PROCESS that are wanted, which the caller closes. With a terminal the
 * bytes are raw and all output is stdout. ENDED (may be NULL) is called on a thread of the carrier's when the output
 * has ended. NULL with REASON_RUNTIME. */
DockerCarrier *docker_carrier_start(int socket, NodeProcess *process, bool with_stdin, bool with_tty,
                                    void (*ended)(void *data), void *data, GError **error);

/* Ends the threads. The process's stdout and stderr must be closed before. */
void docker_carrier_stop(DockerCarrier *carrier);

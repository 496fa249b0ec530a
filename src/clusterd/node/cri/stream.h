#pragma once
/* Commands in containers, and containers' own streams, through the runtime's streaming server: SPDY/3.1 on a URL that
 * the runtime gives. Internal to node/cri. */
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/server/node_access.h"

/* The Runtime table's entries. */
NodeProcess *cri_exec(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                      bool with_tty, GError **error);
NodeProcess *cri_attach(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty, GError **error);

/* Opens URL ("http://127.0.0.1:10010/exec/TOKEN") and asks there for SPDY/3.1 and v4.channel.k8s.io. A connected
 * socket; what came after the handshake is appended to REST. -1 with REASON_RUNTIME. */
int stream_open(const char *url, GByteArray *rest, GError **error);

/* The exit code that TEXT tells, which the error stream ended with; -1 with REASON_RUNTIME when the command could not
 * be run, or when TEXT is not what the protocol says. */
int stream_exit_code(const char *text, size_t length, GError **error);

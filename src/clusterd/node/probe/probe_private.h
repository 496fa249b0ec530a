#pragma once
/* Shared by probe.c and probe_grpc.c alone. */
#include <stdbool.h>
#include <stdint.h>

#define PROBE_AGENT "kube-probe/1.32"

/* Asks HOST:PORT whether SERVICE ("": the server itself) is well. *OUTPUT is the caller's, with upstream's texts.
 * CALL_OFF_FD: once it is readable it gives up; -1: never. */
bool probe_grpc(const char *host, unsigned port, const char *service, int64_t timeout_seconds, int call_off_fd,
                char **output);

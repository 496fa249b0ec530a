#pragma once
/* Which container runtime the node uses: names and what makes them, in one table. */
#include "clusterd/node/images/registries.h"
#include "clusterd/node/runtime.h"

typedef struct RuntimeChoice {
  const char *name;            /* one of runtime_names (base/runtime_name.h) */
  const char *endpoint;        /* its socket, "unix:///run/x.sock" or a path; NULL: where it usually is */
  const char *data_dir;        /* /var/lib/launcher: survives a reboot */
  const char *run_dir;         /* /run/launcher: on a tmpfs */
  const char *preloaded_store; /* read-only image store, may be NULL; see native.h */
  const char *pod_cidr;        /* "10.244.0.0/24" */
  RegistryConfig registries;   /* where images come from, for a runtime that pulls them itself */
} RuntimeChoice;

/* The path of ENDPOINT's socket, or of the usual one of the runtime NAME when ENDPOINT is NULL (NULL for a runtime
 * that has none). The caller frees. NULL with REASON_CONFIG when ENDPOINT is no socket's address. */
char *runtime_choice_socket(const char *name, const char *endpoint, GError **error);

/* Opens the runtime CHOICE names. All of CHOICE is copied. NULL with REASON_CONFIG for a name or endpoint that cannot
 * be, or with what the runtime itself complains about. */
Runtime *runtime_choice_open(const RuntimeChoice *choice, GError **error);

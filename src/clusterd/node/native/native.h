#pragma once
/* The built-in container runtime: image store, crun under conmon, pod sandboxes that are pinned namespaces. */
#include "clusterd/node/images/registries.h"
#include "clusterd/node/runtime.h"

typedef struct NativeRuntimeConfig {
  const char *data_dir;        /* /var/lib/launcher: images/ containers/ sandboxes/, survives a reboot */
  const char *run_dir;         /* /run/launcher: on a tmpfs; what lives here dies with the machine */
  const char *preloaded_store; /* read-only image store below data_dir/images, may be NULL or absent */
  const char *docker_root;     /* dockerd's data root whose images are used in place; NULL: /var/lib/docker */
  RegistryConfig registries;   /* where images come from */
  const char *pod_cidr;        /* "10.244.0.0/24"; its first address is the bridge's */
  const char *bridge;          /* NULL: pods0 */
  const char *crun, *conmon;   /* programs; NULL: /usr/bin/crun, /usr/bin/conmon */
  const char *seccomp_profile; /* RuntimeDefault; NULL: /usr/share/containers/seccomp.json */
} NativeRuntimeConfig;

/* Opens the runtime: makes its folders and the bridge, and takes up the sandboxes and containers an earlier process
 * left (those that died meanwhile are CONTAINER_EXITED with 255). All of CONFIG is copied. Needs root, and a main()
 * that knows PAUSE_NAME (pause.h). Every call of
 * the result may be made from any thread. NULL with REASON_RUNTIME or REASON_FILE. */
Runtime *native_runtime_new(const NativeRuntimeConfig *config, GError **error);

#pragma once
/* Container runtimes behind the CRI (version 1): containerd and CRI-O. */
#include "clusterd/node/runtime.h"

typedef struct CriRuntimeConfig {
  const char *name;            /* "containerd", "cri-o": that of the table */
  const char *socket_path;     /* of the runtime */
  const char *data_dir;        /* /var/lib/launcher: survives a reboot */
  const char *run_dir;         /* /run/launcher: below it what CNI needs (cni_setup.h) */
  const char *pod_cidr;        /* as for the native runtime */
  const char *bridge;          /* NULL: pods0 */
  const char *preloaded_store; /* images that are imported when they are asked for; may be NULL or absent */
  const char *pause_program;   /* clusterd-pause; NULL: beside this program, else where it is installed */
} CriRuntimeConfig;

/* Opens the runtime: makes the pods' network and what is needed for it to be asked for, waits for the daemon to answer
 * and puts the image of pause containers into containerd. What the daemon knows of, it keeps: nothing is remembered
 * here. All of CONFIG is copied. Needs root, and a main() that knows cni_plugin_named() (cni_plugin.h). Every call of
 * the result may be made from any thread. NULL with REASON_RUNTIME, REASON_FILE or REASON_CONFIG. */
Runtime *cri_runtime_new(const CriRuntimeConfig *config, GError **error);

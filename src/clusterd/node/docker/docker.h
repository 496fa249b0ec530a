#pragma once
/* The `docker` runtime: pods as containers of a dockerd, over its HTTP API. Names, labels and behaviour are those that
 * `docker ps` shows on a node with cri-dockerd. */
#include "clusterd/node/runtime.h"

typedef struct DockerRuntimeConfig {
  const char *socket_path;     /* dockerd's; it may be one that starts it on the first connection */
  const char *data_dir;        /* /var/lib/launcher: which pod address comes next */
  const char *pod_cidr;        /* "10.244.0.0/24", or two ranges of different families separated by a comma */
  const char *bridge;          /* NULL: pods0 */
  const char *pause_program;   /* of the pause image; NULL: clusterd-pause beside this program, or as installed */
  int64_t log_size;            /* bytes from which on dockerd rotates a container's log; 0: LOG_SIZE_MAX */
  unsigned log_files;          /* how many it keeps of one; 0: LOG_FILES_MAX */
  const char *preloaded_store; /* images that are imported when they are asked for; may be NULL or absent */
} DockerRuntimeConfig;

/* Connects to dockerd and takes up the sandboxes and containers that are there. CONFIG is copied. Needs root. Every
 * call of the result may be made from any thread. NULL with REASON_RUNTIME or REASON_FILE. */
Runtime *docker_runtime_new(const DockerRuntimeConfig *config, GError **error);

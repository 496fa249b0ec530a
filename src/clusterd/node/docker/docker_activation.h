#pragma once
/*
 * A dockerd that is there when somebody wants it: we hold its sockets, and the first connection starts containerd and
 * dockerd, which take them over (sd_listen_fds(3), dockerd -H fd://). No connection is lost: it waits in the socket's
 * queue. When dockerd ends, we listen again.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct DockerActivationConfig {
  const char *socket_path;                 /* /var/run/docker.sock */
  const char *address;                     /* IPv4 to listen on with TLS, NULL: only the unix socket */
  uint16_t port;                           /* 2376; 0: any, see docker_activation_port */
  const char *pki_dir;                     /* docker-ca.crt docker-server.crt docker-server.key; needed with ADDRESS */
  const char *data_root;                   /* /var/lib/docker */
  const char *run_dir;                     /* /run/launcher: containerd's configuration and socket, pid files */
  const char *log_path;                    /* what the daemons write; NULL: nowhere */
  bool keep_containers;                    /* they outlive the daemons, which take them up again */
  const char *dockerd, *containerd, *crun; /* programs; NULL: on the path */
} DockerActivationConfig;

typedef struct DockerActivation DockerActivation;

/* Opens the sockets and waits on a thread of its own. Daemons that an earlier process left behind when it was killed
 * are ended first. CONFIG is copied. NULL with REASON_RUNTIME or REASON_FILE. */
DockerActivation *docker_activation_start(const DockerActivationConfig *config, GError **error);

/* The TCP port listened on; 0 without. */
uint16_t docker_activation_port(const DockerActivation *activation);

/* Closes the sockets and ends the daemons (SIGTERM, after 10 seconds SIGKILL). NULL-safe. */
void docker_activation_stop(DockerActivation *activation);

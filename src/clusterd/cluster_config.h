#pragma once
/* What clusterd is told at start: cluster.json on the config drive (docs/internals/guest.md) and the command line. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ClusterConfig {
  char *profile; /* the cluster's name */
  char *node_name;
  char *kubernetes_version; /* "v1.32.0" */
  char *service_cidr;       /* "10.96.0.0/12" */
  char *pod_cidr;           /* "10.244.0.0/24" */
  char *dns_domain;         /* "cluster.local" */
  char *dns_ip;             /* "10.96.0.10" */
  char *node_ip;            /* address of the node's own interface; NULL: found */
  uint16_t api_port;        /* 8443 */
  char *pki_dir;            /* ca.crt ca.key apiserver.{crt,key} sa.key docker-{ca.crt,server.crt,server.key} */
  char *data_dir;           /* /var/lib/launcher */
  char *image_store;        /* read-only preloaded images, may be NULL */
  char *events_path;        /* where boot events go, may be NULL */
  char *listen_address;     /* "0.0.0.0" */
  bool with_controllers, with_scheduler, with_node, with_proxy, with_dns;
} ClusterConfig;

/* Reads and checks a cluster.json; defaults fill what is absent. NULL with REASON_CONFIG naming the field. */
ClusterConfig *cluster_config_read(const char *path, GError **error);

/* The address OFFSET into the service range ("10.96.0.0/12", 1: "10.96.0.1"). The caller frees. NULL with REASON_CONFIG
 * when serviceCIDR is no IPv4 range or too small. */
char *cluster_config_service_ip(const ClusterConfig *config, unsigned offset, GError **error);

void cluster_config_free(ClusterConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClusterConfig, cluster_config_free)

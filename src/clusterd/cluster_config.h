#pragma once
/* What clusterd is told at start: cluster.json on the config drive (docs/internals/guest.md) and, over it, the command
 * line. Which members there are, what they mean and what is allowed says the table in options.c. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ClusterConfig {
  char *config_file; /* cluster.json, NULL: none was given */
  char *profile;     /* the cluster's name */
  char *node_name;
  char *kubernetes_version; /* "v1.32.0" */
  char *data_dir;           /* /var/lib/launcher */
  char *events_path;        /* where boot events go, may be NULL */
  char *write_kubeconfig;   /* the administrator's kubeconfig goes there too, may be NULL */
  bool no_node;             /* only the control plane: no scheduler, kubelet, proxy, DNS unless asked for */
  char **components;        /* NULL: all, or with no_node only controllers */
  bool with_controllers, with_scheduler, with_node, with_proxy, with_dns; /* what that comes to */
  /* serving */
  char *listen_address; /* "0.0.0.0" */
  int64_t api_port;     /* 0: any free one */
  char *node_ip;        /* address of the node's own interface; NULL: found */
  char *pki_dir;        /* ca.crt ca.key apiserver.{crt,key} sa.key docker-{ca.crt,server.crt,server.key} */
  char *cert_file, *key_file;
  /* authentication and authorization */
  char *client_ca_file;
  char *token_file; /* may be NULL */
  bool anonymous_auth;
  bool bootstrap_tokens;
  char **service_account_issuers;
  char **api_audiences;             /* may be NULL */
  char **service_account_key_files; /* besides the signing key; may be NULL */
  char *jwks_uri;                   /* may be NULL */
  char *service_account_signing_key_file;
  char **authorization_modes;
  char **enabled_plugins, **disabled_plugins; /* of admission; may be NULL */
  /* aggregation; all three or none */
  char *proxy_client_cert_file, *proxy_client_key_file, *front_proxy_ca_file;
  char *signing_cert_file, *signing_key_file; /* the CA of certificate signing requests */
  char *scheduler_config_file;                /* may be NULL */
  int64_t event_ttl_seconds;
  int64_t signing_lifetime_seconds;
  int64_t horizontal_sync_seconds, horizontal_stabilization_seconds;
  int64_t horizontal_initialization_seconds, horizontal_readiness_seconds;
  double horizontal_tolerance;
  char *audit_policy_file, *audit_log_path;
  int64_t audit_log_max_size, audit_log_max_backups; /* MiB; files */
  /* the node under pressure, as the kubelet's options */
  char **eviction_hard, **eviction_soft, **eviction_soft_grace, **eviction_minimum_reclaim;
  int64_t eviction_transition_seconds, eviction_max_pod_grace_seconds;
  int64_t housekeeping_seconds;
  int64_t image_gc_high, image_gc_low; /* percent */
  int64_t image_minimum_seconds, image_maximum_seconds;
  char **kube_reserved, **system_reserved;
  /* storage */
  char **etcd_servers; /* NULL: the embedded store */
  char *etcd_ca_file, *etcd_cert_file, *etcd_key_file;
  /* networks */
  char *service_cidr;       /* "10.96.0.0/12", or one of each family: "10.96.0.0/12,fd00:10:96::/112" */
  char *pod_cidr;           /* "10.244.0.0/24"; the same */
  char *dns_domain;         /* "cluster.local" */
  char *dns_ip;             /* "10.96.0.10" */
  char *balancer_address;   /* of LoadBalancer services, led to node ports from outside; NULL: the node's own */
  char **balancer_reserved; /* numbers of its ports that are taken; may be NULL */
  char *static_pods_dir;    /* /etc/kubernetes/manifests */
  char **unsafe_sysctls;    /* names and "prefix*" that pods may set besides safe ones; may be NULL */
  char *runtime;            /* what runs containers: one of runtime_names */
  char *runtime_endpoint;   /* where its daemon listens; NULL: where it usually does */
  char **registry_mirrors, **insecure_registries, *registry_ca_file;
  char *image_store;        /* read-only preloaded images, may be NULL */
} ClusterConfig;

/* The defaults alone. */
ClusterConfig *cluster_config_new(void);

/* Puts what the cluster.json at PATH says into CONFIG. Everything wrong with it becomes a text in PROBLEMS (of char *).
 */
void cluster_config_load(ClusterConfig *config, const char *path, GPtrArray *problems);

/* Fills in what follows from the other members and adds what does not fit together to PROBLEMS. */
void cluster_config_complete(ClusterConfig *config, GPtrArray *problems);

/* Reads and checks a cluster.json; defaults fill what is absent. NULL with REASON_CONFIG naming the fields. */
ClusterConfig *cluster_config_read(const char *path, GError **error);

/* The address OFFSET into the service range ("10.96.0.0/12", 1: "10.96.0.1"). The caller frees. NULL with REASON_CONFIG
 * when the range is too small. */
char *cluster_config_service_ip(const ClusterConfig *config, unsigned offset, GError **error);

void cluster_config_free(ClusterConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClusterConfig, cluster_config_free)

#pragma once
/*
 * The controllers: each watches some kinds and brings the cluster nearer to what they ask for. Every controller is a
 * work queue fed by informers; none polls.
 */
#include <glib.h>
#include <stdbool.h>

#include "base/ip_address.h"
#include "clusterd/client/alarm_clock.h"
#include "clusterd/client/informer.h"
#include "clusterd/controllers/storage/volume_folders.h"

typedef struct Controllers Controllers;

/* The token the Secret called SECRET holds for ACCOUNT. The caller frees; NULL with *ERROR. Any thread. */
typedef char *(*SecretTokenIssue)(void *issuer, const Object *account, const char *secret, GError **error);

/* Whether IDENTITY may do this to a resource of the cluster. Any thread. */
typedef bool (*AccessCheck)(void *issuer, const Identity *identity, const char *verb, const char *group,
                            const char *resource, const char *subresource);

/* The address that services of type LoadBalancer get. */
typedef struct LoadBalancerConfig {
  const char *address;               /* NULL: there is none, they stay pending */
  bool proxied;                      /* outside the cluster; its ports are led to node ports */
  const char *const *reserved_ports; /* NULL-terminated numbers of TCP ports that are the cluster's; may be NULL */
} LoadBalancerConfig;

/* The ranges nodes get their pods' addresses from. */
typedef struct NodeRangeConfig {
  const char *ranges; /* "10.244.0.0/16", or one of each family, comma-separated; NULL: nodes come with their own */
  unsigned node_bits[IP_FAMILIES]; /* length of a node's prefix, at least that of the family's range, at most 16 more */
  const char *taken;               /* ranges, written the same, no node may get a part of (services'); may be NULL */
} NodeRangeConfig;

/* The answer to a GET of PATH_AND_QUERY ("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=a%3Db") as
 * the horizontal pod autoscaler, whoever answers for its group. New reference; NULL with upstream's text. Any thread.
 */
typedef json_t *(*MetricsGet)(void *issuer, const char *path_and_query, GError **error);

/* Of the horizontal pod autoscaler: kube-controller-manager's --horizontal-pod-autoscaler-*. */
typedef struct HorizontalConfig {
  int64_t sync_us;               /* how often measures are looked at */
  int64_t stabilization_us;      /* how long a higher recommendation keeps pods, where a behavior does not say it */
  int64_t cpu_initialization_us; /* how long the CPU of a pod that starts is no measure while it is not ready */
  int64_t readiness_delay_us;    /* within which of its start a change of readiness is the first one */
  double tolerance;              /* how far from 1 measure over target may be without anything being done */
} HorizontalConfig;

/* Waiting times and bounds; 0: upstream's. Tests cannot wait for those. */
typedef struct ControllerTimes {
  int64_t disruption_us;     /* for which a granted eviction or an announced disruption is believed; 2 min */
  int64_t node_grace_us;     /* for which a node may be silent; 50 s */
  int64_t pod_quarantine_us; /* for which a node that went may come back to its pods; 40 s */
  unsigned ended_pods_max;   /* that are kept; 12500 */
} ControllerTimes;

typedef struct ControllersConfig {
  const char *root_ca_pem;                          /* published in every namespace; NULL: not published */
  SecretTokenIssue issue_secret_token;              /* NULL: Secrets get no tokens */
  AccessCheck may;                                  /* NULL: no certificate is approved by itself */
  MetricsGet get_metrics;                           /* NULL: there are no measures to scale by */
  void *issuer;                                     /* of them all */
  const char *signing_cert_file, *signing_key_file; /* the CA that signs certificate requests; NULL: none does */
  int64_t signing_lifetime_seconds;                 /* of a certificate, at most */
  LoadBalancerConfig balancer;
  NodeRangeConfig node_range;
  ControllerTimes times;
  const VolumeFolders *volume_folders; /* NULL: no node here, no volumes are made; outlives controllers */
  AlarmClock *clock;                   /* the time of day, for schedules and deadlines; borrowed; NULL: the system's */
  const HorizontalConfig *horizontal;  /* NULL: upstream's values */
} ControllersConfig;

/* Makes all controllers and hooks them to INFORMERS, which must not be started yet; they begin to work when it is.
 * REGISTRY and INFORMERS must outlive them. */
Controllers *controllers_start(Registry *registry, InformerSet *informers, const ControllersConfig *config);

/* Ends all work and frees. INFORMERS must have been stopped before. */
void controllers_stop(Controllers *controllers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Controllers, controllers_stop)

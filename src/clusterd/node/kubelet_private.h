#pragma once
/* Shared by kubelet.c, kubelet_eviction.c, kubelet_orphans.c, kubelet_view.c, static_pods.c and node_access.c alone. */
#include "clusterd/node/kubelet.h"
#include "clusterd/node/pod/pod_worker.h"
#include "clusterd/node/pressure/eviction.h"
#include "clusterd/node/static_pods.h"
#include "clusterd/node/stats/node_stats.h"
#include "clusterd/node/status/node_status.h"

struct Kubelet {
  Client *client;
  Runtime *runtime;
  Recorder *recorder;
  char *node_name, *node_ip, *node_other_ip, *pod_cidr, *dns_ip, *dns_domain, *version, *pods_dir, *logs_dir;
  LogLimits log_limits;
  char **unsafe_sysctls; /* that pods may set all the same; may be NULL */
  TokenIssuer issue_token;
  void *issuer;
  Informer *pods, *config_maps, *secrets, *services, *claims, *nodes;
  PodWorkerHost host;
  Background *background;
  NodeAccess access;
  NodeStatus *node_status;          /* set once, under LOCK; NULL before kubelet_start */
  json_t *allocatable;              /* what pods may have of the node */
  const PressureSettings *pressure; /* NULL: nobody looks for it */
  PressureSource *own_source;       /* NULL: another was given */
  Eviction *eviction;               /* NULL as well */
  NodeStats *stats;
  StaticPods *static_pods; /* NULL: there are none here */
  GMutex lock;             /* guards workers, removed, claim_holders and n_threads */
  GCond all_ended;
  GHashTable *workers;       /* uid → PodWorker, a reference each */
  GHashTable *removed;       /* set of uids taken off the node whose objects finalizers still hold */
  GMutex admission;          /* held while a pod is let in, before LOCK; guards admitted */
  GHashTable *admitted;      /* set of uids of pods that were let in, whether or not their status says so yet */
  GHashTable *claim_holders; /* uid of a claim for one pod alone → "namespace/name" of the pod, a space, its uid */
  unsigned n_threads;        /* workers whose threads have not ended */
};

/* kubelet_view.c: what workers read, out of the informers. */
void kubelet_view_register(Kubelet *kubelet, InformerSet *informers);
ClusterView kubelet_view(Kubelet *kubelet);

/* kubelet_eviction.c */
void kubelet_eviction_init(Kubelet *kubelet, const KubeletConfig *config);
void kubelet_eviction_free(Kubelet *kubelet);
char *kubelet_refuses(const json_t *pod, const char **reason, void *data);

/* kubelet_orphans.c: removes what is left of pods that went while nobody looked. */
void kubelet_remove_orphans(Kubelet *kubelet);

/* node_access.c */
void kubelet_access_init(Kubelet *kubelet);

/* The pods bound to this node, as the API has them: Object*, with references. */
GPtrArray *kubelet_pods(Kubelet *kubelet);

/* Begins to work on a static pod. */
void kubelet_start_static(Kubelet *kubelet, Object *pod);

/* The worker of a pod by the uid it has on the node. New reference; NULL: none. */
PodWorker *kubelet_worker_by_uid(Kubelet *kubelet, const char *uid);

/* The worker of a pod by name, newest first; UID (as the API has it) may be NULL. New reference; NULL:
 * none. */
PodWorker *kubelet_worker(Kubelet *kubelet, const char *namespace_, const char *name, const char *uid);

#pragma once
/* What the tests of workloads ask a cluster, and how they play the kubelet pod by pod. */
#include "cluster.h"

/* A member of the status of an object of apps/v1 (or v1 for replicationcontrollers); 0 when it has none. */
int64_t workload_count(Cluster *cluster, const char *plural, const char *name, const char *member);

/* True when the controller has seen the newest spec and the status' MEMBER is COUNT. */
bool workload_has(Cluster *cluster, const char *plural, const char *name, const char *member, int64_t count);

/* True when the condition TYPE has this STATUS and REASON, and a message that contains TEXT. */
bool workload_is(Cluster *cluster, const char *plural, const char *name, const char *type, const char *status,
                 const char *reason, const char *text);

/* An annotation or label of an object, "" when it has none. The caller frees. */
char *workload_note(Cluster *cluster, const char *api_version, const char *plural, const char *name, const char *map,
                    const char *key);

/* The names of APP's pods that are not being deleted, sorted, with a space between. The caller frees. */
char *workload_pods(Cluster *cluster, const char *app);
bool workload_pods_are(Cluster *cluster, const char *app, const char *names);

/* How many of APP's pods, ending ones too, run IMAGE. */
unsigned workload_images(Cluster *cluster, const char *app, const char *image);

/* The pod runs and has been ready for SECONDS. */
void workload_run_pod(Cluster *cluster, const char *name, int64_t seconds);

/* All pods of APP that are not being deleted run and are ready. */
void workload_run_pods(Cluster *cluster, const char *app);

/* The pod has come to PHASE and is not ready (any more). */
void workload_end_pod(Cluster *cluster, const char *name, const char *phase);

/* The pod's last container is gone: so is the pod. */
void workload_drop_pod(Cluster *cluster, const char *name);

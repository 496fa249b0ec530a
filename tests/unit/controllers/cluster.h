#pragma once
/* A whole control plane in the test's process: a registry over a store in a temporary folder, the controllers, the
 * scheduler, and stand-ins for kubelets that say every pod runs and is ready. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"
#include "clusterd/controllers/controllers.h"

#define WAIT_SECONDS 60

/* A deployment of two pods. */
#define CLUSTER_WEB                                                                                                    \
  "{metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: "    \
  "{app: web}}, spec: {containers: [{name: web, image: i, ports: [{name: http, containerPort: 8080}]}]}}}}"

typedef struct Cluster Cluster;

/* With one node, "node-1" (2 CPUs, 2 GiB, 110 pods), and the namespace default. */
Cluster *cluster_new(void);
/* The same with controllers made from CONFIG. */
Cluster *cluster_new_with(const ControllersConfig *config);
void cluster_free(Cluster *cluster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cluster, cluster_free)

/* Ends controllers, scheduler and kubelets, as the end of their process would; the API stays. cluster_resume starts
 * them anew. */
void cluster_stop(Cluster *cluster);
void cluster_resume(Cluster *cluster);

Client *cluster_client(Cluster *cluster);

/* While held, the stand-in kubelets leave pods alone. */
void cluster_hold_kubelet(Cluster *cluster, bool hold);

void cluster_add_node(Cluster *cluster, const char *name, const char *cpu, const char *labels_json);

/* Creates an object from YAML in the namespace default (or cluster-scoped); fails the test when it is refused. */
void cluster_create(Cluster *cluster, const char *api_version, const char *plural, bool namespaced, const char *yaml);
/* A merge patch from YAML. */
void cluster_patch(Cluster *cluster, const char *api_version, const char *plural, const char *name, const char *yaml);
/* The same of the status: a merge patch of it from YAML. */
void cluster_set_status(Cluster *cluster, const char *api_version, const char *plural, const char *name,
                        const char *yaml);
void cluster_delete(Cluster *cluster, const char *api_version, const char *plural, bool namespaced, const char *name,
                    const char *propagation);

/* The value of an object of the namespace default (or cluster-scoped), new reference, NULL when there is none. */
json_t *cluster_get(Cluster *cluster, const char *api_version, const char *plural, bool namespaced, const char *name);

bool cluster_exists(Cluster *cluster, const char *api_version, const char *plural, const char *name);

/* Objects in the namespace default whose label app is APP (NULL: all). Array of Object*. */
GPtrArray *cluster_list(Cluster *cluster, const char *api_version, const char *plural, const char *app);

unsigned cluster_count(Cluster *cluster, const char *api_version, const char *plural, const char *app);

/* How many pods of APP are not being deleted. */
unsigned cluster_count_pods(Cluster *cluster, const char *app);

/* True when there is an event with this REASON about the object NAME whose message contains TEXT. */
bool cluster_has_event(Cluster *cluster, const char *name, const char *reason, const char *text);

/* Evaluates CONDITION until it is true; fails the test after WAIT_SECONDS. */
#define cluster_wait(condition)                                                                                        \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 wait_end_ = g_get_monotonic_time() + (gint64)WAIT_SECONDS * G_USEC_PER_SEC;                                 \
    bool wait_done_;                                                                                                   \
    while (!(wait_done_ = (condition)) && g_get_monotonic_time() < wait_end_)                                          \
      g_usleep(1000);                                                                                                  \
    if (!wait_done_)                                                                                                   \
      g_error("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);                                         \
  }                                                                                                                    \
  G_STMT_END

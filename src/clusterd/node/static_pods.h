#pragma once
/*
 * Static pods: those that files in a folder of the node describe. They run whatever the API says; it is only shown
 * them, by mirror pods. One thread waits for the folder, for mirrors that change and for pods that have ended, and
 * brings the three in line. Source: Kubernetes "Create static Pods", pkg/kubelet/pod/mirror_client.go.
 */
#include "clusterd/node/kubelet.h"
#include "clusterd/node/pod/pod_worker.h"

#define STATIC_PODS_MAX 110 /* files that are looked at, by name; upstream's bound on pods of a node */

typedef struct StaticPods StaticPods;

StaticPods *static_pods_new(Kubelet *kubelet, const char *dir);

const char *static_pods_dir(const StaticPods *pods);

/* Watches and reads the folder, which is made where absent. Nothing is started yet. Without a folder that can be
 * watched there are just no static pods, and the log says why. */
void static_pods_load(StaticPods *pods);

/* Whether a pod of this uid is described. Between static_pods_load and static_pods_start. */
bool static_pods_has(const StaticPods *pods, const char *uid);

/* Starts what is described, takes up what runs of it already, and begins to watch. */
void static_pods_start(StaticPods *pods);

/* A pod of the API that is bound to this node and is a mirror came, went or changed. Does not block. */
void static_pods_mirror_changed(StaticPods *pods, Object *old, Object *new_object);

/* The worker of a static pod has ended; nothing is left of the pod. Does not block. */
void static_pods_ended(StaticPods *pods, const char *uid);

/* Ends the thread; the pods' workers go on. NULL-safe; before the kubelet's workers are stopped. */
void static_pods_stop(StaticPods *pods);
void static_pods_free(StaticPods *pods);

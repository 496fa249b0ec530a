#pragma once
/* Making room for a pod by ending pods of lower priority.
 * Source: k8s.io/kubernetes pkg/scheduler/framework/preemption. */
#include "clusterd/client/recorder.h"
#include "clusterd/scheduler/filters.h"

typedef struct Preemption {
  char *node;         /* NULL: it would not help */
  GPtrArray *victims; /* Object* */
} Preemption;

void preemption_clear(Preemption *preemption);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Preemption, preemption_clear)

/* Looks for the node among HOPEFUL (NodeState*) on which the fewest and least important pods must go. Returns what is
 * said of it in the pod's message ("0/1 nodes are available: 1 No preemption victims found for incoming pod."); the
 * caller frees. STATE is the same afterwards. */
char *preemption_choose(ClusterState *state, const PodInfo *pod, Informer *namespaces, GPtrArray *hopeful,
                        Preemption *preemption);

/* Deletes the victims, with the condition and event people look for. */
void preemption_carry_out(const Preemption *preemption, Client *client, Recorder *recorder, const Object *pod);

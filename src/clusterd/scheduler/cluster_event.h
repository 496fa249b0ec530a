#pragma once
/* What happened in the cluster, and which pods that wait it may help: each plugin knows the events that can undo its
 * refusal. Pure. Source: k8s.io/kubernetes EventsToRegister of the plugins and their queueing hints. */
#include "clusterd/scheduler/plugins/plugin.h"

typedef enum EventType {
  EVENT_NODE_ADDED = 1 << 0,
  EVENT_NODE_ALLOCATABLE = 1 << 1,
  EVENT_NODE_LABELS = 1 << 2,
  EVENT_NODE_TAINTS = 1 << 3,
  EVENT_NODE_REMOVED = 1 << 4,
  EVENT_POD_ADDED = 1 << 5,   /* a pod counts on a node now */
  EVENT_POD_LABELS = 1 << 6,  /* a pod on a node has other labels, or is being deleted now */
  EVENT_POD_REMOVED = 1 << 7, /* a pod counts no more */
  EVENT_CLAIM = 1 << 8,
  EVENT_VOLUME = 1 << 9,
  EVENT_CLASS = 1 << 10,
  EVENT_CSI_NODE = 1 << 11,
  EVENT_NAMESPACE = 1 << 12, /* its labels */
} EventType;

typedef struct ClusterEvent {
  unsigned types;           /* EventType, several of a node */
  const NodeInfo *node;     /* of a node's events but its removal */
  const PodInfo *old, *pod; /* of a pod's events; OLD: as it was before, may be NULL */
  const Object *object;     /* of the other events */
} ClusterEvent;

/* The plugins (bits 1 << PluginId) whose refusal EVENT may undo at all. */
unsigned cluster_event_plugins(const ClusterEvent *event);

/* True when EVENT may undo what PLUGIN said of POD. */
bool cluster_event_helps(const ClusterState *state, const ClusterEvent *event, PluginId plugin, const PodInfo *pod);

#pragma once
/* The order in which nodes are looked at: one of each zone in turns, so that the first of them that would do are not
 * all in one zone. Source: k8s.io/kubernetes pkg/scheduler/backend/cache/node_tree.go. */
#include <glib.h>

/* Sorts NODES (NodeInfo*). */
void node_order_sort(GPtrArray *nodes);

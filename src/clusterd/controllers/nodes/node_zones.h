#pragma once
/* How fast nodes that do not answer are given up: pods are driven off them one node at a time, more slowly or not at
 * all when so many are silent that it is rather the network. Source: k8s.io/kubernetes pkg/controller/nodelifecycle,
 * its zone states and eviction limiter. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

typedef enum ZoneState { ZONE_NORMAL, ZONE_PARTIAL, ZONE_FULL } ZoneState;

/* The state of a zone with N_READY nodes that are ready and N_NOT_READY that are not. */
ZoneState zone_state(unsigned n_ready, unsigned n_not_ready);

/* The least time between two nodes of a zone of N_NODES that are given up, microseconds; 0: none is. */
int64_t zone_interval_us(ZoneState state, unsigned n_nodes);

typedef struct NodeZones NodeZones;

/* Counts NODES (Object*). */
NodeZones *node_zones_new(GPtrArray *nodes);
void node_zones_free(NodeZones *zones);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NodeZones, node_zones_free)

/* The zone's name of NODE: region and zone, "" without either. The caller frees. */
char *node_zone(const json_t *node);

/* zone_interval_us of ZONE as it was counted; 0 when no zone has a node that is ready. */
int64_t node_zones_interval_us(const NodeZones *zones, const char *zone);

/* True when there are nodes and none is ready: then nobody is given up. */
bool node_zones_all_silent(const NodeZones *zones);

#pragma once
/*
 * The numbers of the node. Looks when it is asked, and never else: an answer that needs a rate and has no older look to
 * compare with takes STATS_FIRST_WINDOW_US, during which it looks twice. Thread-safe.
 */
#include "clusterd/node/stats/node_sample.h"

#define STATS_CACHE_US G_USEC_PER_SEC        /* answers within this time share a look */
#define STATS_FIRST_WINDOW_US G_USEC_PER_SEC /* between the first two looks */

typedef struct NodeStats NodeStats;

/* RUNTIME must outlive it. */
NodeStats *node_stats_new(Runtime *runtime);
void node_stats_free(NodeStats *stats);

/* A look no older than STATS_CACHE_US, new reference. *BASE (may be NULL) gets an older one to compare it with, new
 * reference, or NULL when there is none. */
NodeSample *node_stats_look(NodeStats *stats, NodeSample **base);

/* The same, but waits until there is one to compare with. */
NodeSample *node_stats_pair(NodeStats *stats, NodeSample **base);

/* One reading of the control group at PATH. False when there is none. */
bool node_stats_group(const NodeStats *stats, const char *path, ResourceUsage *usage);

#pragma once
/* Which pods a replica set gives up first. Source: k8s.io/kubernetes pkg/controller ActivePodsWithRanks. */
#include <glib.h>
#include <stdint.h>

/* The COUNT pods of PODS (Object*) that are to be deleted first, at the time NOW_US. RELATED (Object*; PODS among them)
 * are the pods of all sets of the same deployment: who shares a node with more of them goes first. Of ages, ready times
 * among them, only the order of magnitude (a power of two) counts, so that not always the newest nodes lose their pods;
 * within one it is the uids that decide. New array of new references. */
GPtrArray *pod_rank_victims(GPtrArray *pods, GPtrArray *related, unsigned count, int64_t now_us);

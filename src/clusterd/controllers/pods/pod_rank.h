#pragma once
/* Which pods a replica set gives up first. Source: k8s.io/kubernetes pkg/controller ActivePodsWithRanks. */
#include <glib.h>

/* The COUNT pods of PODS (Object*) that are to be deleted first. New array of new references. */
GPtrArray *pod_rank_victims(GPtrArray *pods, unsigned count);

#pragma once
/* One look at everything that runs on the node. */
#include "clusterd/node/runtime.h"
#include "clusterd/node/stats/cgroup.h"

typedef struct ContainerSample {
  char *id, *name, *image;
  int64_t started_us; /* wall clock */
  ResourceUsage usage;
} ContainerSample;

typedef struct PodSample {
  char *namespace_, *name, *uid, *sandbox_id;
  ResourceUsage usage;   /* of all its containers, those that have ended included */
  GPtrArray *containers; /* ContainerSample*, those that run, by name */
} PodSample;

/* Fixed once made; shared by reference (g_atomic_rc_box). */
typedef struct NodeSample {
  ResourceUsage usage;
  int64_t boot_us; /* wall clock; 0: unknown */
  GPtrArray *pods; /* PodSample*, by namespace and name */
} NodeSample;

/* Where the kernel tells; the paths are "/sys/fs/cgroup" and "/proc" but in tests. */
typedef struct NodeSource {
  Runtime *runtime;
  CgroupTree cgroups;
  const char *proc;
} NodeSource;

/* Looks now. Never NULL: what cannot be read is missing. */
NodeSample *node_sample_take(const NodeSource *source);
/* An empty one, for tests: PODS takes pod_sample_new's. */
NodeSample *node_sample_new(void);
PodSample *pod_sample_new(const char *namespace_, const char *name, const char *uid, const char *sandbox_id);
ContainerSample *container_sample_new(const char *id, const char *name, const char *image, int64_t started_us);

NodeSample *node_sample_ref(NodeSample *sample);
void node_sample_unref(NodeSample *sample);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NodeSample, node_sample_unref)

/* The reading of the container ID, or the pod UID, in SAMPLE; NULL: it was not there. */
const ResourceUsage *node_sample_container(const NodeSample *sample, const char *id);
const ResourceUsage *node_sample_pod(const NodeSample *sample, const char *uid);

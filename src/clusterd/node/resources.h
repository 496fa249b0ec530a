#pragma once
/* From a pod's resources to cgroup limits. Source: Kubernetes "Pod Quality of Service Classes",
 * pkg/kubelet/cm (shares and quota), pkg/kubelet/qos (oom_score_adj). */
#include <glib.h>
#include <jansson.h>
#include <stdint.h>

typedef struct ContainerLimits {
  int64_t cpu_shares, cpu_quota_us, cpu_period_us, memory_bytes; /* 0: none */
  int oom_score_adj;
} ContainerLimits;

/* "Guaranteed", "Burstable" or "BestEffort". */
const char *resources_qos_class(const json_t *pod);

/* NODE_MEMORY_BYTES scales the kill score of burstable pods. */
ContainerLimits resources_limits(const json_t *pod, const json_t *container, int64_t node_memory_bytes);

/* The same for all containers of POD together, and its overhead; a limit only where every container has one. No kill
 * score. Source: pkg/kubelet/cm, ResourceConfigForPod. */
ContainerLimits resources_pod_limits(const json_t *pod);

/* "/kubepods/burstable/podUID". The caller frees. */
char *resources_cgroup_parent(const json_t *pod);

/* resources.SECTION.NAME of CONTAINER ("limits", "cpu") in thousandths; -1: not given. */
int64_t resources_milli(const json_t *container, const char *section, const char *name);

#pragma once
/* The priority levels and flow schemas every cluster starts with. Source: k8s.io/apiserver/pkg/apis/flowcontrol/
 * bootstrap/default.go, as of 1.32. */
#include "clusterd/server/registry/registry.h"

/* The I-th PriorityLevelConfiguration or FlowSchema with its name, new reference; NULL after the last. */
json_t *bootstrap_priority_level(size_t i);
json_t *bootstrap_flow_schema(size_t i);

/* Makes those that are not there. */
bool bootstrap_flow_objects(Registry *registry, GError **error);

#pragma once
/* Two looks at the node as the numbers of metrics.k8s.io: see NodeAccess.usage. */
#include "clusterd/node/stats/node_sample.h"

/* NEWEST compared with BASE, which may be NULL: then only containers that started lately have numbers. New reference.
 * A pod one of whose containers has none is left out as a whole, as metrics-server does it. */
json_t *resource_metrics_make(const NodeSample *base, const NodeSample *newest);

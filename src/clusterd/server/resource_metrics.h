#pragma once
/* metrics.k8s.io: what nodes and pods use, made of what the node agent measures. Source: k8s.io/metrics,
 * metrics-server's pkg/api. Thread-safe; may wait for a second. */
#include "clusterd/api/selector/selector.h"
#include "clusterd/server/api_request.h"

typedef struct MetricsQuery {
  const ApiKind *kind;           /* NodeMetrics or PodMetrics */
  const char *namespace_, *name; /* NULL: all */
  const LabelSelector *labels;
  const FieldSelector *fields; /* NULL: everything */
} MetricsQuery;

/* Objects of QUERY's kind, sorted by namespace and name: those of which there are numbers. With a name it is one, or
 * NULL with REASON_NOT_FOUND. REASON_SERVICE_UNAVAILABLE when no node agent runs. */
GPtrArray *resource_metrics_collect(ApiServer *server, const MetricsQuery *query, GError **error);

#pragma once
/* metrics.k8s.io: what nodes and pods use, made of what the node agent measures. Source: k8s.io/metrics,
 * metrics-server's pkg/api. Thread-safe. */
#include "clusterd/api/selector/selector.h"
#include "clusterd/server/registry/registry.h"

typedef struct MetricsQuery {
  const ApiKind *kind;           /* NodeMetrics or PodMetrics */
  const char *namespace_, *name; /* NULL: all */
  const LabelSelector *labels;
  const FieldSelector *fields; /* NULL: everything */
} MetricsQuery;

/* The nodes or pods that are meant, sorted by namespace and name: Object*. The one that is named, or NULL with
 * REASON_NOT_FOUND. */
GPtrArray *resource_metrics_select(Registry *registry, const MetricsQuery *query, GError **error);

/* Objects of QUERY's kind about those of OBJECTS of which USAGE (see NodeAccess.usage) has numbers; where one is named,
 * that one or NULL with REASON_NOT_FOUND. */
GPtrArray *resource_metrics_answer(const MetricsQuery *query, GPtrArray *objects, const json_t *usage, GError **error);

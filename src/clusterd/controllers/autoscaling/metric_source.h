#pragma once
/* Measures, asked of the metrics APIs: metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io. Values are in
 * thousandths. Errors have upstream's texts. Calls block. Source: k8s.io/kubernetes
 * pkg/controller/podautoscaler/metrics and k8s.io/metrics/pkg/client. */
#include <glib.h>
#include <jansson.h>

#include "clusterd/api/scheme.h"
#include "clusterd/controllers/controllers.h"

#define METRIC_ITEMS_MAX 100000 /* in one answer */

typedef struct MetricSource {
  MetricsGet get; /* NULL: there are no measures */
  void *issuer;
  const ApiScheme *scheme; /* tells the resource of a kind */
} MetricSource;

/* What each of the pods that PODS (a selector's text) matches uses of RESOURCE, or its CONTAINER (NULL: all of them):
 * name → PodSample*. Pods that were not measured are not in it. NULL with an error, also when nothing was measured. */
GHashTable *metric_source_resource(const MetricSource *source, const char *namespace_, const char *resource,
                                   const char *container, const char *pods, GError **error);

/* The custom metric NAME of each of the pods. LABELS (a LabelSelector, may be NULL) chooses among its series. As
 * metric_source_resource. */
GHashTable *metric_source_pods(const MetricSource *source, const char *namespace_, const char *name,
                               const json_t *labels, const char *pods, GError **error);

/* The custom metric NAME of the object REFERENCE {apiVersion, kind, name}; a Namespace is always NAMESPACE_ itself. */
bool metric_source_object(const MetricSource *source, const char *namespace_, const json_t *reference, const char *name,
                          const json_t *labels, int64_t *milli, GError **error);

/* The sum of the external metric NAME over all series that LABELS chooses. */
bool metric_source_external(const MetricSource *source, const char *namespace_, const char *name, const json_t *labels,
                            int64_t *milli, GError **error);

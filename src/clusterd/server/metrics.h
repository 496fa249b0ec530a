#pragma once
/* What the server counts about itself, and GET /metrics. Names as upstream's where the meaning is the same.
 * Source: https://kubernetes.io/docs/reference/instrumentation/metrics/, Prometheus text format 0.0.4. Thread-safe. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Metrics Metrics;

Metrics *metrics_new(void);
void metrics_free(Metrics *metrics);

#define METRICS_SERIES_MAX 4096 /* different sets of labels; what comes later is counted as one */

/* What kind of request it was; every text may be "". */
typedef struct RequestLabels {
  const char *verb; /* "GET", "LIST", "POST", … */
  const char *group, *version, *resource, *subresource;
  const char *scope; /* "cluster", "namespace", "resource" */
  bool dry_run;
} RequestLabels;

/* A request begins to be worked on, and ends. */
void metrics_begin(Metrics *metrics, bool mutating);
void metrics_end(Metrics *metrics, bool mutating);

/* It was answered with CODE after SECONDS; of one that goes on for long (a watch, a log) only the number counts. */
void metrics_count(Metrics *metrics, const RequestLabels *labels, int code, double seconds, bool long_running);

/* Such a one starts (+1) or ends (-1). */
void metrics_count_running(Metrics *metrics, int change);

/* A request was let in ("success"), not ("failure"), or came with credentials nobody knows ("error"). */
void metrics_count_authentication(Metrics *metrics, const char *result);

/* Appends all of it. */
void metrics_append(Metrics *metrics, GString *text);

/* One more, of which the caller knows the value: HELP and TYPE ("gauge", "counter"), LABELS as `{a="b"}` or "". */
void metrics_append_one(GString *text, const char *name, const char *type, const char *help, const char *labels,
                        double value);

/* process_cpu_seconds_total and the rest of what every Prometheus client tells. */
void metrics_append_process(GString *text);

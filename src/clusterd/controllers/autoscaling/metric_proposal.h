#pragma once
/* What one entry of an autoscaler's spec.metrics asks for, and what its status tells of it. Source: k8s.io/kubernetes
 * pkg/controller/podautoscaler (computing replicas for a metric). */
#include "clusterd/controllers/autoscaling/metric_source.h"
#include "clusterd/controllers/autoscaling/replica_math.h"
#include "clusterd/controllers/autoscaling/scale_target.h"

/* The target and its pods at one moment. Everything is borrowed. */
typedef struct MetricContext {
  const MetricSource *source;
  const ReplicaRules *rules;
  const char *namespace_;
  const ScaleTarget *target;
  const GPtrArray *pods; /* Object*: those that the target's selector matches */
  int64_t now_us;
} MetricContext;

typedef struct MetricProposal {
  int64_t replicas;
  char *name;          /* "cpu resource utilization (percentage of request)": as events tell it */
  json_t *status;      /* its MetricStatus */
  const char *failure; /* reason of the event and condition when it cannot be told, "FailedGetResourceMetric" */
  char *why;           /* … and their text; the error says the same with more around it */
} MetricProposal;
void metric_proposal_clear(MetricProposal *proposal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MetricProposal, metric_proposal_clear)

/* Evaluates METRIC (a MetricSpec). False with an error, FAILURE and WHY. metric_proposal_clear frees what PROPOSAL
 * holds either way. */
bool metric_propose(const MetricContext *context, const json_t *metric, MetricProposal *proposal, GError **error);

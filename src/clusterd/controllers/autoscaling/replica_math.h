#pragma once
/* How many pods a measure asks for: the arithmetic of the horizontal pod autoscaler, apart from where pods and measures
 * come from. Measures are in thousandths of their unit, counts of pods are from 0 to INT32_MAX. Source:
 * k8s.io/kubernetes pkg/controller/podautoscaler replica_calculator and metrics/utilization. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ReplicaRules {
  double tolerance;              /* how far from 1 a ratio may be without anything being done */
  int64_t cpu_initialization_us; /* after its start a pod's CPU counts only while it is ready */
  int64_t readiness_delay_us;    /* who is not ready and became so within this time of the start never was ready */
} ReplicaRules;

/* What was measured of one pod. */
typedef struct PodSample {
  int64_t milli;
  int64_t time_us, window_us; /* when the measuring ended, and how long it took */
} PodSample;

/* The pods a measure is about, and what was measured. Everything is borrowed. */
typedef struct ReplicaPods {
  const GPtrArray *pods; /* Object*: all that the target's selector matches */
  GHashTable *samples;   /* name of a pod → PodSample*; those of other pods are passed over */
  const char *resource;  /* "cpu", "memory"; NULL when the measure is no resource */
  const char *container; /* of each pod; NULL: the whole pod */
  int64_t now_us;        /* wall clock */
} ReplicaPods;

typedef struct ReplicaProposal {
  int64_t replicas;
  int64_t milli;   /* the measure, as the status tells it: a mean, or the whole */
  int64_t percent; /* of what is requested; replicas_by_utilization alone */
} ReplicaProposal;

/* Resources, by the percentage that pods use of what they request. CURRENT is what is wanted now. False with
 * upstream's text when it cannot be told. */
bool replicas_by_utilization(const ReplicaPods *pods, const ReplicaRules *rules, int64_t current,
                             int64_t target_percent, ReplicaProposal *proposal, GError **error);

/* Any measure of pods, by its mean. As replicas_by_utilization. */
bool replicas_by_average(const ReplicaPods *pods, const ReplicaRules *rules, int64_t current, int64_t target_milli,
                         ReplicaProposal *proposal, GError **error);

/* A measure MILLI of something else than pods that shall be TARGET_MILLI, and grows and shrinks with the pods that are
 * ready. As replicas_by_utilization. */
bool replicas_by_value(const GPtrArray *pods, const ReplicaRules *rules, int64_t current, int64_t milli,
                       int64_t target_milli, ReplicaProposal *proposal, GError **error);

/* The same when each of the pods, of which there are PRESENT, shall have its TARGET_MILLI of it. */
void replicas_by_share(const ReplicaRules *rules, int64_t present, int64_t milli, int64_t target_milli,
                       ReplicaProposal *proposal);

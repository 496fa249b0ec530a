#pragma once
/* When the node is short of something: thresholds as the kubelet's flags write them, and when what is seen of the node
 * meets one. No files and no clocks. Source: Kubernetes "Node-pressure Eviction", pkg/kubelet/eviction. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/quantity.h"

#define THRESHOLDS_MAX 64                                     /* of all kinds together */
#define THRESHOLD_GRACE_MAX_US (INT64_C(24) * 3600 * 1000000) /* of a soft threshold */

typedef enum PressureSignal {
  SIGNAL_MEMORY,             /* memory.available: of the node */
  SIGNAL_ALLOCATABLE_MEMORY, /* allocatableMemory.available: of what all pods together may use */
  SIGNAL_NODE_SPACE,         /* nodefs.available: where pods' volumes and logs lie */
  SIGNAL_NODE_INODES,        /* nodefs.inodesFree */
  SIGNAL_IMAGE_SPACE,        /* imagefs.available: where images and what containers write lie */
  SIGNAL_IMAGE_INODES,       /* imagefs.inodesFree */
  SIGNAL_PROCESSES,          /* pid.available */
  SIGNAL_COUNT
} PressureSignal;

/* What is seen of one signal: bytes, inodes or processes. */
typedef struct Observation {
  bool known;
  int64_t available, capacity;
} Observation;

typedef struct Observations {
  Observation of[SIGNAL_COUNT];
  bool images_apart; /* images lie on another file system than pods' volumes */
} Observations;

/* An amount, or a part of the capacity. */
typedef struct ThresholdAmount {
  Quantity quantity; /* where PART is 0 */
  float part;        /* 0.1: ten percent; upstream's precision, which its numbers show */
} ThresholdAmount;

typedef struct Threshold {
  PressureSignal signal;
  ThresholdAmount value;
  ThresholdAmount reclaim; /* how much more than VALUE there must be before the pressure is over; may be 0 */
  int64_t grace_us;        /* how long a soft threshold may be met; 0: a hard one */
} Threshold;

/* The flags' items; every list may be NULL. */
typedef struct ThresholdTexts {
  const char *const *hard, *const *soft; /* "memory.available<100Mi", "nodefs.available<10%" */
  const char *const *soft_grace;         /* "memory.available=1m30s" */
  const char *const *reclaim;            /* "nodefs.available=500Mi", "imagefs.available=5%" */
} ThresholdTexts;

/* "memory.available"; the resource it is of: "memory", "ephemeral-storage", "inodes", "pids". */
const char *signal_name(PressureSignal signal);
const char *signal_resource(PressureSignal signal);

/* Threshold elements: the hard ones in their order, with memory.available once more for what pods may use, then the
 * soft ones. containerfs.* is left out as upstream does it: it follows from the others. NULL with REASON_CONFIG, in
 * upstream's words behind the flag's name. */
GArray *thresholds_parse(const ThresholdTexts *texts, GError **error);

/* How much of CAPACITY the amount is; a part of it is written as bytes are. */
Quantity threshold_quantity(const ThresholdAmount *amount, int64_t capacity);

/* Whether less is available than the threshold says, or, WITH_RECLAIM, than it says with what is to be had back. Never
 * when nothing is known of the signal. */
bool threshold_is_met(const Threshold *threshold, const Observations *seen, bool with_reclaim);

#pragma once
/* How fast a target may follow what its measures ask for: bounds, limits of change, and the memory of what was asked
 * for and done lately. Times are wall clock in microseconds. Source: k8s.io/kubernetes pkg/controller/podautoscaler
 * (normalizing of desired replicas, with and without a behavior). */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SCALE_HISTORY_MAX 4096 /* of each list: beyond it the oldest are forgotten */

/* What is remembered of one autoscaler. Not thread-safe. */
typedef struct ScaleHistory {
  bool begun;
  GArray *wishes;      /* of ScaleNote: what the measures asked for */
  GArray *ups, *downs; /* of ScaleNote: by how many pods the target was changed */
} ScaleHistory;

typedef struct ScaleNote {
  int64_t replicas;
  int64_t time_us;
} ScaleNote;

ScaleHistory *scale_history_new(void);
void scale_history_free(ScaleHistory *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScaleHistory, scale_history_free)

/* The first time: what is there counts as asked for, so that nothing shrinks right after a start. */
void scale_history_begin(ScaleHistory *history, int64_t current, int64_t now_us);

typedef struct ScaleQuestion {
  const json_t *behavior; /* spec.behavior, with its defaults; NULL: none */
  int64_t window_us;      /* how long wishes keep a target from shrinking where the behavior does not say it */
  int64_t min, max;       /* of the spec */
  int64_t current;        /* wanted by the target now */
  int64_t wish;           /* of the measures */
  int64_t now_us;
} ScaleQuestion;

/* What to do, and what the conditions AbleToScale (always True) and ScalingLimited tell of it. */
typedef struct ScaleDecision {
  int64_t replicas;
  const char *able_reason, *able_message;
  bool limited;
  const char *limited_reason, *limited_message;
} ScaleDecision;

/* Decides, and remembers the wish. */
void scale_decide(ScaleHistory *history, const ScaleQuestion *question, ScaleDecision *decision);

/* Remembers that the target was changed from CURRENT to REPLICAS; nothing when QUESTION has no behavior. */
void scale_history_note(ScaleHistory *history, const json_t *behavior, int64_t current, int64_t replicas,
                        int64_t now_us);

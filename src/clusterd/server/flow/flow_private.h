#pragma once
/* What the files of priority and fairness share. */
#include "clusterd/server/flow/flow_control.h"

#define FLOW_WAIT_BUCKETS 13
#define FLOW_HAND_MAX 32    /* queues of one flow; more would be too many bits of choice for the API to allow */
#define FLOW_COUNTS_MAX 256 /* schemas of one level that are counted by their names */

/* What became of the requests of one FlowSchema in one level; never freed before its level. Under the levels' lock. */
typedef struct FlowCounts {
  char *schema;
  unsigned waiting, executing;
  uint64_t dispatched, full, limited, timed_out; /* the last three were refused */
  uint64_t waits[FLOW_WAIT_BUCKETS + 1];         /* of those dispatched; the last bucket has no bound */
  double waited;                                 /* seconds, all together */
} FlowCounts;

/* What a PriorityLevelConfiguration says. Numbers of seats. */
typedef struct FlowLimits {
  bool exempt;
  unsigned nominal, lendable;
  unsigned borrowing;               /* at most */
  unsigned queues, hand, per_queue; /* QUEUES 0: who finds no seat is refused */
} FlowLimits;

/* A queue with somebody in it. */
typedef struct FlowQueue {
  unsigned index;
  GQueue tickets; /* FlowTicket*, by their links */
  double start;   /* virtual time: of two queues the earlier one is served */
} FlowQueue;

/* Lives as long as a request counts in it, whatever becomes of its object. Everything but the names is under the
 * levels' lock. */
struct FlowLevel {
  gatomicrefcount references;
  FlowLevels *levels;
  char *name, *uid;
  FlowLimits limits;
  unsigned used;      /* seats */
  double now;         /* virtual time: where the last one served stood */
  GHashTable *queues; /* index → FlowQueue* */
  GHashTable *counts; /* schema → FlowCounts* */
};

/* All levels there are. */
struct FlowLevels {
  gint64 wait_us; /* never changed */
  GMutex lock;
  GPtrArray *current; /* FlowLevel*, with references */
  GQueue waiting;     /* FlowTicket* in the order they came, by their other links */
  bool closed;
  GThread *clock; /* ends waits that last too long; NULL: nobody has ever waited */
  GCond changed;
};

/* Nobody waits longer than WAIT_US microseconds. */
FlowLevels *flow_levels_new(gint64 wait_us);
/* Refuses all who wait. */
void flow_levels_close(FlowLevels *levels);
void flow_levels_free(FlowLevels *levels);

/* New reference. */
FlowLevel *flow_level_new(FlowLevels *levels, const char *name, const char *uid);
FlowLevel *flow_level_ref(FlowLevel *level);
void flow_level_unref(FlowLevel *level);
/* From now on these are the levels: (FlowLevel*, with references) with these limits. Takes CURRENT. */
void flow_levels_set(FlowLevels *levels, GPtrArray *current, const FlowLimits *limits);

/* Finds TICKET, whose level is set, a seat, or a place in one of the queues of the flow called FLOW in SCHEMA. */
FlowVerdict flow_level_enter(FlowTicket *ticket, const char *schema, const char *flow);
void flow_level_leave(FlowTicket *ticket);

/* How many seats LEVEL could have taken now, with what the others would lend it. With the levels' lock held. */
unsigned flow_level_limit(const FlowLevel *level);

void flow_levels_append_metrics(FlowLevels *levels, GString *text);

/* flow_match.c */
bool flow_rule_matches(const json_t *rule, const Identity *identity, const RequestInfo *info, const char *path);

#pragma once
/*
 * The last looks at the node, of which the rates are made: the newest one, and older ones to compare it with. Nothing
 * looks by itself. Not thread-safe. Source of the times: metrics-server's, which looks every 15 s.
 */
#include "clusterd/node/stats/node_sample.h"

#define SAMPLE_HISTORY_MAX 8
#define SAMPLE_SPACING_US (5 * G_USEC_PER_SEC)  /* those that are kept lie so far apart at least */
#define SAMPLE_WINDOW_US (10 * G_USEC_PER_SEC)  /* what a rate is measured over, where older looks allow */
#define SAMPLE_USELESS_US (90 * G_USEC_PER_SEC) /* a look before that says nothing about now */
#define SAMPLE_FRESH_US (10 * G_USEC_PER_SEC)   /* a container has no rate until it is so old */

typedef struct SampleHistory {
  NodeSample *newest; /* NULL: none */
  GQueue older;       /* NodeSample*, oldest first */
} SampleHistory;

void sample_history_init(SampleHistory *history);
void sample_history_clear(SampleHistory *history);

/* Takes the reference to SAMPLE, the newest now. */
void sample_history_add(SampleHistory *history, NodeSample *sample);

/* Forgets what says nothing about CLOCK_US (monotonic). */
void sample_history_trim(SampleHistory *history, int64_t clock_us);

/* What the newest is to be compared with: the youngest that is SAMPLE_WINDOW_US older, else the oldest. Borrowed; NULL:
 * there is none. */
NodeSample *sample_history_base(const SampleHistory *history);

/* What CONTAINER (of the newest sample) uses: since BASE (may be NULL), or since its start where that was later. False
 * when it cannot be told yet. */
bool sample_container_rate(const NodeSample *base, const ContainerSample *container, CpuRate *rate);

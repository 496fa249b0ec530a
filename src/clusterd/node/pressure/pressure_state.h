#pragma once
/*
 * What thresholds come to over time: which pressure the node shows, and which threshold is to be acted on. The caller
 * brings what is seen and the time. Not thread-safe. Source: pkg/kubelet/eviction, eviction_manager.go.
 */
#include "clusterd/node/pressure/threshold.h"

typedef enum Pressure { PRESSURE_MEMORY, PRESSURE_DISK, PRESSURE_PROCESSES, PRESSURE_COUNT } Pressure;

/* "MemoryPressure" */
const char *pressure_condition(Pressure pressure);

typedef struct PressureState PressureState;

/* Takes the reference to THRESHOLDS (Threshold). Once there was pressure it is shown for TRANSITION_US more. */
PressureState *pressure_state_new(GArray *thresholds, int64_t transition_us);
void pressure_state_free(PressureState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PressureState, pressure_state_free)

/* Takes in what is seen at NOW_US (monotonic). The pressures to be shown from now on: a set of 1 << Pressure. */
unsigned pressure_state_update(PressureState *state, const Observations *seen, int64_t now_us);

/* The threshold to act on first: one that is met and whose grace is over, memory before everything else. Borrowed;
 * NULL: none. */
const Threshold *pressure_state_worst(const PressureState *state);

/* The first one to act on that is of RESOURCE and of which something was seen, for telling. Borrowed; NULL: none. */
const Threshold *pressure_state_told(const PressureState *state, const char *resource, const Observations *seen);

/* Whether any threshold is met that counts what is to be had back, whatever its grace. */
bool pressure_state_short(const PressureState *state, const Observations *seen);

/* When a grace or a transition ends (monotonic): the next look may not be later. INT64_MAX: nothing runs. */
int64_t pressure_state_deadline_us(const PressureState *state);

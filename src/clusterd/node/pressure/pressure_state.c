#include "clusterd/node/pressure/pressure_state.h"

typedef struct Progress {
  int64_t first_met_us; /* -1: not met */
  bool acted_on;        /* met, and its grace is over */
} Progress;

struct PressureState {
  GArray *thresholds;
  int64_t transition_us;
  Progress *progress; /* by threshold */
  int64_t now_us;
  bool present[PRESSURE_COUNT]; /* as of the last update */
  int64_t seen_us[PRESSURE_COUNT];
};

static const char *const conditions[] = {
  [PRESSURE_MEMORY] = "MemoryPressure", [PRESSURE_DISK] = "DiskPressure", [PRESSURE_PROCESSES] = "PIDPressure"
};

static const Pressure pressures[SIGNAL_COUNT] = {
  [SIGNAL_MEMORY] = PRESSURE_MEMORY,      [SIGNAL_ALLOCATABLE_MEMORY] = PRESSURE_MEMORY,
  [SIGNAL_NODE_SPACE] = PRESSURE_DISK,    [SIGNAL_NODE_INODES] = PRESSURE_DISK,
  [SIGNAL_IMAGE_SPACE] = PRESSURE_DISK,   [SIGNAL_IMAGE_INODES] = PRESSURE_DISK,
  [SIGNAL_PROCESSES] = PRESSURE_PROCESSES
};

const char *pressure_condition(Pressure pressure)
{
  return conditions[pressure];
}

PressureState *pressure_state_new(GArray *thresholds, int64_t transition_us)
{
  PressureState *state = g_new0(PressureState, 1);
  state->thresholds = thresholds;
  state->transition_us = transition_us;
  state->progress = g_new0(Progress, MAX(thresholds->len, 1u));
  for (guint i = 0; i < thresholds->len; i++)
    state->progress[i].first_met_us = -1;
  for (gsize i = 0; i < PRESSURE_COUNT; i++)
    state->seen_us[i] = -1;
  return state;
}

void pressure_state_free(PressureState *state)
{
  if (!state)
    return;
  g_array_unref(state->thresholds);
  g_free(state->progress);
  g_free(state);
}

static const Threshold *threshold_at(const PressureState *state, guint i)
{
  return &g_array_index(state->thresholds, Threshold, i);
}

static void update_threshold(PressureState *state, guint i, const Observations *seen)
{
  const Threshold *threshold = threshold_at(state, i);
  Progress *progress = &state->progress[i];
  bool met = threshold_is_met(threshold, seen, progress->acted_on);
  if (!met)
    progress->first_met_us = -1;
  else if (progress->first_met_us < 0)
    progress->first_met_us = state->now_us;
  progress->acted_on = met && state->now_us - progress->first_met_us >= threshold->grace_us;
  if (met) {
    state->present[pressures[threshold->signal]] = true;
    state->seen_us[pressures[threshold->signal]] = state->now_us;
  }
}

unsigned pressure_state_update(PressureState *state, const Observations *seen, int64_t now_us)
{
  unsigned shown = 0;
  state->now_us = now_us;
  for (gsize i = 0; i < PRESSURE_COUNT; i++)
    state->present[i] = false;
  for (guint i = 0; i < state->thresholds->len; i++)
    update_threshold(state, i, seen);
  for (gsize i = 0; i < PRESSURE_COUNT; i++) {
    bool lately = state->seen_us[i] >= 0 && now_us - state->seen_us[i] < state->transition_us;
    if (!state->present[i] && !lately)
      state->seen_us[i] = -1;
    else
      shown |= 1u << i;
  }
  return shown;
}

const Threshold *pressure_state_worst(const PressureState *state)
{
  const Threshold *first = NULL;
  for (guint i = 0; i < state->thresholds->len; i++) {
    const Threshold *threshold = threshold_at(state, i);
    if (!state->progress[i].acted_on)
      continue;
    if (pressures[threshold->signal] == PRESSURE_MEMORY)
      return threshold;
    if (!first)
      first = threshold;
  }
  return first;
}

const Threshold *pressure_state_told(const PressureState *state, const char *resource, const Observations *seen)
{
  for (guint i = 0; i < state->thresholds->len; i++) {
    const Threshold *threshold = threshold_at(state, i);
    if (state->progress[i].acted_on && seen->of[threshold->signal].known &&
        g_str_equal(signal_resource(threshold->signal), resource))
      return threshold;
  }
  return NULL;
}

bool pressure_state_short(const PressureState *state, const Observations *seen)
{
  for (guint i = 0; i < state->thresholds->len; i++)
    if (threshold_is_met(threshold_at(state, i), seen, true))
      return true;
  return false;
}

int64_t pressure_state_deadline_us(const PressureState *state)
{
  int64_t deadline = INT64_MAX;
  for (guint i = 0; i < state->thresholds->len; i++)
    if (state->progress[i].first_met_us >= 0 && !state->progress[i].acted_on)
      deadline = MIN(deadline, state->progress[i].first_met_us + threshold_at(state, i)->grace_us);
  for (gsize i = 0; i < PRESSURE_COUNT; i++)
    if (state->seen_us[i] >= 0 && !state->present[i])
      deadline = MIN(deadline, state->seen_us[i] + state->transition_us);
  return deadline;
}

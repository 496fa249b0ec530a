#pragma once
/* Runs the probes of all containers at their times. Source: pkg/kubelet/prober. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/background.h"
#include "clusterd/node/runtime.h"

typedef struct Prober Prober;

typedef enum ProbeKind { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS } ProbeKind;

/* FAILED: this run failed (OUTPUT says how). CHANGED: with this run the threshold was reached and HEALTHY is the new
 * verdict. Called on a thread of the prober; may lock, must not wait for the prober. */
typedef void (*ProbeReport)(const char *container_id, ProbeKind kind, bool failed, bool changed, bool healthy,
                            const char *output, void *data);

Prober *prober_new(Runtime *runtime, Background *background, ProbeReport report);
/* Returns after the last report. */
void prober_free(Prober *prober);

/* Begins to run PROBE (of CONTAINER; both copied) for a container; nothing when it is run already. HEALTHY: the verdict
 * so far. RELEASE is called on DATA when the probe is over. */
void prober_add(Prober *prober, const char *container_id, ProbeKind kind, const json_t *probe, const json_t *container,
                const char *pod_ip, bool healthy, void *data, GDestroyNotify release);

/* Calls VISIT for every probe with how often it succeeded and failed, with the prober locked. */
void prober_visit(Prober *prober,
                  void (*visit)(const char *container_id, ProbeKind kind, uint64_t successes, uint64_t failures,
                                void *data),
                  void *data);

/* Ends the probes of a container; a run in progress is not reported. */
void prober_remove(Prober *prober, const char *container_id);

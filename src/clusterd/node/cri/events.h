#pragma once
/* What happens to containers without being asked: told by the runtime as it happens, or found by looking each second
 * when it has no way to tell. Internal to node/cri. */
#include "clusterd/node/cri/cri_runtime.h"

CriEvents *cri_events_start(CriRuntime *cri);
void cri_events_stop(CriEvents *events);

/* A command that is about to be run in CONTAINER_ID by way of the runtime's streaming server, which does not say what
 * process it makes. Waits while another is just being started in the same container. */
typedef struct ExecClaim ExecClaim;
ExecClaim *cri_exec_claim(CriEvents *events, const char *container_id);

/* Waits until the process is known, or *OVER (atomic) is set and cri_events_poke() called, or it takes too long. A
 * pidfd of it, -1: not known. Frees CLAIM. */
int cri_exec_take(CriEvents *events, ExecClaim *claim, int *over);
void cri_events_poke(CriEvents *events);

/* Waits for the end of a container, for a while: true when the runtime says something of any container has changed. */
void cri_events_wait(CriEvents *events);

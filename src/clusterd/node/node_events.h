#pragma once
/* Events about the node itself, as `kubectl describe node` lists them. */
#include "clusterd/client/recorder.h"

/* Records one about the node NAME. Upstream names the node itself as the uid of what these are about. */
void node_event(Recorder *recorder, const char *name, const char *type, const char *reason, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

/* "Node NAME status is now: REASON" */
void node_event_status(Recorder *recorder, const char *name, const char *reason);

#pragma once
/* Since when a service's endpoints are due to change: what the annotation endpoints.kubernetes.io/
 * last-change-trigger-time tells who measures how long the change took. Thread-safe.
 * Source: staging/src/k8s.io/endpointslice/util, its TriggerTimeTracker. */
#include <glib.h>
#include <jansson.h>

#define TRIGGER_TIME_ANNOTATION "endpoints.kubernetes.io/last-change-trigger-time"

typedef struct TriggerTimes TriggerTimes;

TriggerTimes *trigger_times_new(void);
void trigger_times_free(TriggerTimes *times);

/* The earliest change of SERVICE (with KEY) and its PODS (Object*) since this was last asked; NULL when nothing changed
 * that tells its time. The caller frees. */
char *trigger_times_take(TriggerTimes *times, const char *key, const json_t *service, GPtrArray *pods);

void trigger_times_forget(TriggerTimes *times, const char *key);

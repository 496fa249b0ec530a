#pragma once
/* Deletes what belongs to owners that are gone, over all kinds, custom ones included; serves the finalizers
 * foregroundDeletion and orphan. Source: k8s.io/kubernetes pkg/controller/garbagecollector. */
#include "clusterd/controllers/context.h"

typedef struct GarbageCollector GarbageCollector;

GarbageCollector *garbage_collector_new(const ControllerContext *context);
void garbage_collector_free(GarbageCollector *collector);

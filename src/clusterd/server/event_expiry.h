#pragma once
/*
 * Events live for a time after they were last written, as upstream's do by a lease of etcd: they are removed from the
 * store itself, past admission and finalizers, and watches see them deleted. One thread sleeps until the event that is
 * due first. Several servers on one store may do this at once.
 */
#include "clusterd/server/registry/registry.h"

#define EVENT_TTL_SECONDS 3600 /* unless --event-ttl says otherwise, as kube-apiserver's */

typedef struct EventExpiry EventExpiry;

/* Starts with the events REGISTRY holds: their last times count. TTL_US in microseconds. REGISTRY must live longer. */
EventExpiry *event_expiry_new(Registry *registry, int64_t ttl_us);
void event_expiry_free(EventExpiry *expiry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventExpiry, event_expiry_free)

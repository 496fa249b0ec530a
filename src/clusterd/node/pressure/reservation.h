#pragma once
/* What of the node is kept back from pods. Source: Kubernetes "Reserve Compute Resources for System Daemons",
 * pkg/kubelet/cm, node_container_manager_linux.go. */
#include <jansson.h>

#include "clusterd/node/pressure/threshold.h"

#define RESERVATION_ITEMS_MAX 64

/* Resource name → Quantity. */
typedef struct Reservation {
  GHashTable *amounts;
} Reservation;

/* Adds what the items of FLAG say ("cpu=100m", "memory=500Mi", "ephemeral-storage=1Gi", "pid=1000") to RESERVATION.
 * False with REASON_CONFIG. */
bool reservation_add(Reservation *reservation, const char *flag, const char *const *items, GError **error);
void reservation_clear(Reservation *reservation);

/* CAPACITY ({resource: text}) without what is reserved (may be NULL), and without what hard thresholds (Threshold;
 * NULL: none count) keep free: what pods may ask for. New reference. */
json_t *reservation_allocatable(const json_t *capacity, const Reservation *reservation, const GArray *thresholds);

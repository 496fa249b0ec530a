#pragma once
/* The Node object of this machine and its lease. Source: Kubernetes "Nodes", KEP-589 (leases). */
#include <glib.h>

#include "clusterd/client/client.h"
#include "clusterd/client/recorder.h"
#include "clusterd/node/pressure/eviction.h"
#include "clusterd/node/runtime.h"

typedef struct NodeStatus NodeStatus;

typedef struct NodeStatusConfig {
  const char *name, *ip, *pod_cidr;
  const char *other_ip; /* of the other IP family; NULL: none */
  const char *version;  /* "v1.32.0" */
  const char *data_dir; /* whose file system pods fill */
  /* Outlive it; NULL: everything is for pods, and there is no pressure. */
  const PressureSettings *pressure;
  Eviction *eviction;
} NodeStatusConfig;

/* Makes or updates the Node and its lease, then renews the lease every ten seconds and the status every five minutes.
 * NULL with the API's error. CONFIG is copied. */
NodeStatus *node_status_start(Client *client, Runtime *runtime, Recorder *recorder, const NodeStatusConfig *config,
                              GError **error);
void node_status_stop(NodeStatus *status);

/* Whether NODE's status tells of resources of others' making ("example.com/dongle" in capacity) that pods may not ask
 * for yet: node_status_wake changes that. */
bool node_status_lacks(const json_t *node);

/* Has the status written now: something in it has changed. From any thread; does not block. */
void node_status_wake(NodeStatus *status);

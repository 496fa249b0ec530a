#pragma once
/* ReplicaSets and ReplicationControllers: as many pods of a template as asked for.
 * Source: k8s.io/kubernetes pkg/controller/replicaset. */
#include "clusterd/controllers/context.h"

typedef struct ReplicaSetController ReplicaSetController;

ReplicaSetController *replica_set_controller_new(const ControllerContext *context);
ReplicaSetController *replication_controller_new(const ControllerContext *context);
void replica_set_controller_free(ReplicaSetController *controller);

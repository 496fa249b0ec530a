#pragma once
/* Keeps the rules of aggregated ClusterRoles: the sum of those its selectors match.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles */
#include "clusterd/controllers/context.h"

typedef struct ClusterRoleAggregation ClusterRoleAggregation;

ClusterRoleAggregation *cluster_role_aggregation_new(const ControllerContext *context);
void cluster_role_aggregation_free(ClusterRoleAggregation *controller);

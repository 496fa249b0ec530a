#include "clusterd/controllers/controllers.h"

#include "clusterd/controllers/access/bootstrap_signer.h"
#include "clusterd/controllers/access/certificate_signing.h"
#include "clusterd/controllers/access/cluster_role_aggregation.h"
#include "clusterd/controllers/access/secret_tokens.h"
#include "clusterd/controllers/autoscaling/horizontal_autoscaler.h"
#include "clusterd/controllers/batch/cron_job.h"
#include "clusterd/controllers/batch/job.h"
#include "clusterd/controllers/batch/ttl_after_finished.h"
#include "clusterd/controllers/context.h"
#include "clusterd/controllers/network/endpoints.h"
#include "clusterd/controllers/network/load_balancer.h"
#include "clusterd/controllers/nodes/node_lifecycle.h"
#include "clusterd/controllers/nodes/node_range.h"
#include "clusterd/controllers/nodes/node_routes.h"
#include "clusterd/controllers/nodes/node_ttl.h"
#include "clusterd/controllers/nodes/pod_gc.h"
#include "clusterd/controllers/nodes/taint_eviction.h"
#include "clusterd/controllers/objects/flow_schema.h"
#include "clusterd/controllers/objects/garbage_collector.h"
#include "clusterd/controllers/objects/namespace.h"
#include "clusterd/controllers/objects/namespace_content.h"
#include "clusterd/controllers/objects/resource_quota.h"
#include "clusterd/controllers/policy/disruption.h"
#include "clusterd/controllers/storage/ephemeral_volumes.h"
#include "clusterd/controllers/storage/storage_protection.h"
#include "clusterd/controllers/storage/volume_attachment.h"
#include "clusterd/controllers/storage/volume_binder.h"
#include "clusterd/controllers/storage/volume_expansion.h"
#include "clusterd/controllers/storage/volume_provisioner.h"
#include "clusterd/controllers/workloads/daemon_set.h"
#include "clusterd/controllers/workloads/deployment.h"
#include "clusterd/controllers/workloads/replica_set.h"
#include "clusterd/controllers/workloads/stateful_set.h"

/* One row a controller, in the order they are made; freed in the reverse order. X(new, free) */
#define CONTROLLERS(X)                                                                                                 \
  X(namespace_controller_new, namespace_controller_free)                                                               \
  X(service_account_controller_new, namespace_content_controller_free)                                                 \
  X(certificate_signing_controller_new, certificate_signing_controller_free)                                           \
  X(cluster_role_aggregation_new, cluster_role_aggregation_free)                                                       \
  X(secret_tokens_controller_new, secret_tokens_controller_free)                                                       \
  X(root_ca_controller_new, namespace_content_controller_free)                                                         \
  X(replica_set_controller_new, replica_set_controller_free)                                                           \
  X(replication_controller_new, replica_set_controller_free)                                                           \
  X(deployment_controller_new, deployment_controller_free)                                                             \
  X(daemon_set_controller_new, daemon_set_controller_free)                                                             \
  X(stateful_set_controller_new, stateful_set_controller_free)                                                         \
  X(job_controller_new, job_controller_free)                                                                           \
  X(ttl_after_finished_controller_new, ttl_after_finished_controller_free)                                             \
  X(horizontal_controller_new, horizontal_controller_free)                                                             \
  X(cron_job_controller_new, cron_job_controller_free)                                                                 \
  X(endpoints_controller_new, endpoints_controller_free)                                                               \
  X(endpoint_mirror_controller_new, endpoint_mirror_controller_free)                                                   \
  X(flow_schema_controller_new, flow_schema_controller_free)                                                           \
  X(garbage_collector_new, garbage_collector_free)                                                                     \
  X(node_lifecycle_controller_new, node_lifecycle_controller_free)                                                     \
  X(volume_binder_new, volume_binder_free)                                                                             \
  X(volume_provisioner_new, volume_provisioner_free)                                                                   \
  X(volume_expansion_new, volume_expansion_free)                                                                       \
  X(volume_attachments_new, volume_attachments_free)                                                                   \
  X(ephemeral_volumes_new, ephemeral_volumes_free)                                                                     \
  X(taint_eviction_controller_new, taint_eviction_controller_free)                                                     \
  X(pod_gc_controller_new, pod_gc_controller_free)                                                                     \
  X(resource_quota_controller_new, resource_quota_controller_free)                                                     \
  X(bootstrap_signer_new, bootstrap_signer_free)                                                                       \
  X(disruption_controller_new, disruption_controller_free)                                                             \
  X(load_balancer_controller_new, load_balancer_controller_free)                                                       \
  X(node_range_controller_new, node_range_controller_free)                                                             \
  X(node_routes_controller_new, node_routes_controller_free)                                                           \
  X(node_ttl_controller_new, node_ttl_controller_free)                                                                 \
  X(storage_protection_controller_new, storage_protection_controller_free)

#define X(new_function, free_function)                                                                                 \
  static void *make_##new_function(const ControllerContext *context)                                                   \
  {                                                                                                                    \
    return new_function(context);                                                                                      \
  }                                                                                                                    \
  static void end_##new_function(void *controller)                                                                     \
  {                                                                                                                    \
    free_function(controller);                                                                                         \
  }
CONTROLLERS(X)
#undef X

static const struct {
  void *(*make)(const ControllerContext *context); /* NULL when the configuration does without it */
  void (*end)(void *controller);
} table[] = {
#define X(new_function, free_function) { make_##new_function, end_##new_function },
  CONTROLLERS(X)
#undef X
};

struct Controllers {
  AlarmClock *clock; /* NULL: the configuration's */
  void *instances[G_N_ELEMENTS(table)];
};

Controllers *controllers_start(Registry *registry, InformerSet *informers, const ControllersConfig *config)
{
  Controllers *controllers = g_new0(Controllers, 1);
  controllers->clock = config->clock ? NULL : alarm_clock_new();
  ControllerContext context = { .registry = registry,
                                .informers = informers,
                                .config = config,
                                .clock = config->clock ? config->clock : controllers->clock };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
    controllers->instances[i] = table[i].make(&context);
  return controllers;
}

void controllers_stop(Controllers *controllers)
{
  if (!controllers)
    return;
  for (size_t i = G_N_ELEMENTS(table); i-- > 0;)
    if (controllers->instances[i])
      table[i].end(controllers->instances[i]);
  alarm_clock_free(controllers->clock);
  g_free(controllers);
}

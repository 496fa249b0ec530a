# unit tests of controllers; see tests/local.mk
check_PROGRAMS += %D%/test-deployment-math
TESTS += %D%/test-deployment-math
%C%_test_deployment_math_SOURCES = %D%/test-deployment-math.c
%C%_test_deployment_math_LDADD = src/clusterd/controllers/libcontrollers.a src/base/libbase.a $(BASE_LIBS) -lm

# The whole control plane in one process; only what lies below the scheduler and the controllers.
controllers_test_libs = src/clusterd/scheduler/libscheduler.a src/clusterd/controllers/libcontrollers.a \
	src/clusterd/client/libclient.a src/clusterd/server/libserver.a src/clusterd/store/libstore.a \
	src/clusterd/api/libapi.a src/base/libbase.a $(SQLITE_LIBS) $(LIBEVENT_LIBS) $(ZLIB_LIBS) $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-node-routes
TESTS += %D%/test-node-routes
%C%_test_node_routes_SOURCES = %D%/test-node-routes.c %D%/cluster.c %D%/cluster.h
%C%_test_node_routes_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-volume-expansion
TESTS += %D%/test-volume-expansion
%C%_test_volume_expansion_SOURCES = %D%/test-volume-expansion.c %D%/cluster.c %D%/cluster.h
%C%_test_volume_expansion_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-volume-attachment
TESTS += %D%/test-volume-attachment
%C%_test_volume_attachment_SOURCES = %D%/test-volume-attachment.c %D%/cluster.c %D%/cluster.h
%C%_test_volume_attachment_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-ephemeral-volumes
TESTS += %D%/test-ephemeral-volumes
%C%_test_ephemeral_volumes_SOURCES = %D%/test-ephemeral-volumes.c %D%/cluster.c %D%/cluster.h
%C%_test_ephemeral_volumes_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-storage-protection
TESTS += %D%/test-storage-protection
%C%_test_storage_protection_SOURCES = %D%/test-storage-protection.c %D%/cluster.c %D%/cluster.h
%C%_test_storage_protection_LDADD = $(controllers_test_libs)

# with the node's own folders
check_PROGRAMS += %D%/test-volume-provisioner
TESTS += %D%/test-volume-provisioner
%C%_test_volume_provisioner_SOURCES = %D%/test-volume-provisioner.c %D%/cluster.c %D%/cluster.h
%C%_test_volume_provisioner_LDADD = src/clusterd/node/libnode.a $(controllers_test_libs)

check_PROGRAMS += %D%/test-volume-binder
TESTS += %D%/test-volume-binder
%C%_test_volume_binder_SOURCES = %D%/test-volume-binder.c %D%/cluster.c %D%/cluster.h
%C%_test_volume_binder_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-horizontal-math
TESTS += %D%/test-horizontal-math
%C%_test_horizontal_math_SOURCES = %D%/test-horizontal-math.c
%C%_test_horizontal_math_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-horizontal-autoscaler
TESTS += %D%/test-horizontal-autoscaler
%C%_test_horizontal_autoscaler_SOURCES = %D%/test-horizontal-autoscaler.c %D%/cluster.c %D%/cluster.h
%C%_test_horizontal_autoscaler_LDADD = $(controllers_test_libs)

workload_test_files = %D%/cluster.c %D%/cluster.h %D%/workload.c %D%/workload.h

check_PROGRAMS += %D%/test-deployment
TESTS += %D%/test-deployment
%C%_test_deployment_SOURCES = %D%/test-deployment.c $(workload_test_files)
%C%_test_deployment_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-memory
TESTS += %D%/test-memory
%C%_test_memory_SOURCES = %D%/test-memory.c $(workload_test_files)
%C%_test_memory_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-claim-retention
TESTS += %D%/test-claim-retention
%C%_test_claim_retention_SOURCES = %D%/test-claim-retention.c
%C%_test_claim_retention_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-replication-controller
TESTS += %D%/test-replication-controller
%C%_test_replication_controller_SOURCES = %D%/test-replication-controller.c $(workload_test_files)
%C%_test_replication_controller_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-pod-rank
TESTS += %D%/test-pod-rank
%C%_test_pod_rank_SOURCES = %D%/test-pod-rank.c
%C%_test_pod_rank_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-replica-set
TESTS += %D%/test-replica-set
%C%_test_replica_set_SOURCES = %D%/test-replica-set.c $(workload_test_files)
%C%_test_replica_set_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-stateful-set
TESTS += %D%/test-stateful-set
%C%_test_stateful_set_SOURCES = %D%/test-stateful-set.c $(workload_test_files)
%C%_test_stateful_set_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-daemon-plan
TESTS += %D%/test-daemon-plan
%C%_test_daemon_plan_SOURCES = %D%/test-daemon-plan.c
%C%_test_daemon_plan_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-daemon-set
TESTS += %D%/test-daemon-set
%C%_test_daemon_set_SOURCES = %D%/test-daemon-set.c $(workload_test_files)
%C%_test_daemon_set_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-job
TESTS += %D%/test-job
%C%_test_job_SOURCES = %D%/test-job.c %D%/jobs.c %D%/jobs.h %D%/cluster.c %D%/cluster.h
%C%_test_job_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-job-indexed
TESTS += %D%/test-job-indexed
%C%_test_job_indexed_SOURCES = %D%/test-job-indexed.c %D%/jobs.c %D%/jobs.h %D%/cluster.c %D%/cluster.h
%C%_test_job_indexed_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-job-failure
TESTS += %D%/test-job-failure
%C%_test_job_failure_SOURCES = %D%/test-job-failure.c %D%/jobs.c %D%/jobs.h %D%/cluster.c %D%/cluster.h
%C%_test_job_failure_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-ttl-after-finished
TESTS += %D%/test-ttl-after-finished
%C%_test_ttl_after_finished_SOURCES = %D%/test-ttl-after-finished.c %D%/jobs.c %D%/jobs.h %D%/cluster.c %D%/cluster.h
%C%_test_ttl_after_finished_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-cron-job
TESTS += %D%/test-cron-job
%C%_test_cron_job_SOURCES = %D%/test-cron-job.c %D%/jobs.c %D%/jobs.h %D%/cluster.c %D%/cluster.h
%C%_test_cron_job_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-cron-times
TESTS += %D%/test-cron-times
%C%_test_cron_times_SOURCES = %D%/test-cron-times.c
%C%_test_cron_times_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-endpoints
TESTS += %D%/test-endpoints
%C%_test_endpoints_SOURCES = %D%/test-endpoints.c %D%/cluster.c %D%/cluster.h \
	%D%/endpoint_counts.c %D%/endpoint_counts.h
%C%_test_endpoints_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-endpoint-mirror
TESTS += %D%/test-endpoint-mirror
%C%_test_endpoint_mirror_SOURCES = %D%/test-endpoint-mirror.c %D%/cluster.c %D%/cluster.h \
	%D%/endpoint_counts.c %D%/endpoint_counts.h
%C%_test_endpoint_mirror_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-garbage-collector
TESTS += %D%/test-garbage-collector
%C%_test_garbage_collector_SOURCES = %D%/test-garbage-collector.c %D%/cluster.c %D%/cluster.h
%C%_test_garbage_collector_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-namespace
TESTS += %D%/test-namespace
%C%_test_namespace_SOURCES = %D%/test-namespace.c %D%/cluster.c %D%/cluster.h
%C%_test_namespace_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-taint-eviction
TESTS += %D%/test-taint-eviction
%C%_test_taint_eviction_SOURCES = %D%/test-taint-eviction.c %D%/cluster.c %D%/cluster.h
%C%_test_taint_eviction_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-disruption
TESTS += %D%/test-disruption
%C%_test_disruption_SOURCES = %D%/test-disruption.c %D%/cluster.c %D%/cluster.h
%C%_test_disruption_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-load-balancer
TESTS += %D%/test-load-balancer
%C%_test_load_balancer_SOURCES = %D%/test-load-balancer.c %D%/cluster.c %D%/cluster.h
%C%_test_load_balancer_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-ttl
TESTS += %D%/test-ttl
%C%_test_ttl_SOURCES = %D%/test-ttl.c %D%/cluster.c %D%/cluster.h
%C%_test_ttl_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-node-range
TESTS += %D%/test-node-range
%C%_test_node_range_SOURCES = %D%/test-node-range.c %D%/cluster.c %D%/cluster.h
%C%_test_node_range_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-node-lifecycle
TESTS += %D%/test-node-lifecycle
%C%_test_node_lifecycle_SOURCES = %D%/test-node-lifecycle.c %D%/cluster.c %D%/cluster.h
%C%_test_node_lifecycle_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-pod-gc
TESTS += %D%/test-pod-gc
%C%_test_pod_gc_SOURCES = %D%/test-pod-gc.c %D%/cluster.c %D%/cluster.h
%C%_test_pod_gc_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-endpoint-slices
TESTS += %D%/test-endpoint-slices
%C%_test_endpoint_slices_SOURCES = %D%/test-endpoint-slices.c %D%/cluster.c %D%/cluster.h
%C%_test_endpoint_slices_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-service-account
TESTS += %D%/test-service-account
%C%_test_service_account_SOURCES = %D%/test-service-account.c %D%/cluster.c %D%/cluster.h
%C%_test_service_account_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-resource-quota
TESTS += %D%/test-resource-quota
%C%_test_resource_quota_SOURCES = %D%/test-resource-quota.c %D%/cluster.c %D%/cluster.h
%C%_test_resource_quota_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-role-aggregation
TESTS += %D%/test-role-aggregation
%C%_test_role_aggregation_SOURCES = %D%/test-role-aggregation.c %D%/cluster.c %D%/cluster.h
%C%_test_role_aggregation_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-certificates
TESTS += %D%/test-certificates
%C%_test_certificates_SOURCES = %D%/test-certificates.c %D%/cluster.c %D%/cluster.h
%C%_test_certificates_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-bootstrap-tokens
TESTS += %D%/test-bootstrap-tokens
%C%_test_bootstrap_tokens_SOURCES = %D%/test-bootstrap-tokens.c %D%/cluster.c %D%/cluster.h
%C%_test_bootstrap_tokens_LDADD = $(controllers_test_libs)

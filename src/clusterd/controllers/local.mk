noinst_LIBRARIES += %D%/libcontrollers.a
%C%_libcontrollers_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"controllers\"
%C%_libcontrollers_a_SOURCES = %D%/certificate_signers.c %D%/certificate_signers.h \
	%D%/certificate_signing.c %D%/certificate_signing.h %D%/cluster_role_aggregation.c %D%/cluster_role_aggregation.h %D%/context.h %D%/controllers.c %D%/controllers.h \
	%D%/daemon_pod.c %D%/daemon_set.c %D%/daemon_set.h \
	%D%/deployment.c %D%/deployment.h %D%/deployment_math.c %D%/deployment_math.h %D%/deployment_rollback.c %D%/deployment_rollout.h \
	%D%/deployment_sets.c %D%/deployment_status.c \
	%D%/endpoint_mirror.c %D%/endpoint_sets.c %D%/endpoint_sets.h %D%/endpoint_slices.c %D%/endpoint_slices.h \
	%D%/endpoints.c %D%/endpoints.h \
	%D%/flow_schema.c %D%/flow_schema.h \
	%D%/garbage_collector.c %D%/garbage_collector.h \
	%D%/job.c %D%/job.h %D%/job_state.c %D%/job_state.h \
	%D%/namespace.c %D%/namespace.h %D%/namespace_content.c %D%/namespace_content.h %D%/object_queue.c %D%/object_queue.h \
	%D%/node_lifecycle.c %D%/node_lifecycle.h \
	%D%/owner.c %D%/owner.h %D%/owner_graph.c %D%/owner_graph.h %D%/pod_control.c %D%/pod_control.h %D%/pod_gc.c %D%/pod_gc.h %D%/pod_rank.c %D%/pod_rank.h \
	%D%/pod_routes.c %D%/pod_routes.h %D%/replica_set.c %D%/replica_set.h \
	%D%/resource_quota.c %D%/resource_quota.h %D%/revision_history.c %D%/revision_history.h \
	%D%/secret_tokens.c %D%/secret_tokens.h %D%/stateful_pod.c %D%/stateful_pod.h %D%/stateful_set.c %D%/stateful_set.h \
	%D%/storage_protection.c %D%/storage_protection.h \
	%D%/taint_eviction.c %D%/taint_eviction.h %D%/workload.c %D%/workload.h

noinst_LIBRARIES += %D%/libscheduler.a
%C%_libscheduler_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"scheduler\"
%C%_libscheduler_a_SOURCES = %D%/binding.c %D%/cluster_event.c %D%/cluster_event.h %D%/cluster_state.c \
	%D%/cluster_state.h %D%/follow.c %D%/node_order.c %D%/node_order.h %D%/object_table.c %D%/object_table.h \
	%D%/placement.c %D%/placement.h %D%/plugins/affinity_plugin.c %D%/plugins/image_plugin.c \
	%D%/plugins/node_plugins.c %D%/plugins/plugin.h %D%/plugins/resource_plugins.c \
	%D%/plugins/spread_defaults.c %D%/plugins/spread_defaults.h %D%/plugins/spread_plugin.c \
	%D%/plugins/volume_binding.c %D%/plugins/volume_claims.c %D%/plugins/volume_claims.h \
	%D%/plugins/volume_plan.h %D%/plugins/volume_plugins.c %D%/pod_info.c %D%/pod_info.h %D%/pod_queue.c \
	%D%/pod_queue.h %D%/preemption.c %D%/preemption.h %D%/profile.c %D%/profile.h %D%/report.c \
	%D%/resources.c %D%/resources.h %D%/scheduler.c %D%/scheduler.h %D%/scheduler_config.c \
	%D%/scheduler_config.h %D%/scheduler_config_args.c %D%/scheduler_config_private.h \
	%D%/scheduler_private.h %D%/tally.c %D%/tally.h

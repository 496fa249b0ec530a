noinst_LIBRARIES += %D%/libscheduler.a
%C%_libscheduler_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"scheduler\"
%C%_libscheduler_a_SOURCES = %D%/cluster_state.c %D%/cluster_state.h %D%/filters.c %D%/filters.h \
	%D%/pod_queue.c %D%/pod_queue.h %D%/pod_terms.c %D%/pod_terms.h \
	%D%/preemption.c %D%/preemption.h %D%/resources.c %D%/resources.h %D%/scheduler.c %D%/scheduler.h \
	%D%/scores.c %D%/scores.h

noinst_LIBRARIES += %D%/libclient.a
%C%_libclient_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"client\"
%C%_libclient_a_SOURCES = %D%/alarm_clock.c %D%/alarm_clock.h %D%/client.c %D%/client.h %D%/conditions.c %D%/conditions.h %D%/informer.c %D%/informer.h \
	%D%/informer_index.c %D%/informer_index.h %D%/leader.c %D%/leader.h %D%/node_match.c %D%/node_match.h %D%/object_queue.c %D%/object_queue.h %D%/pod.c %D%/pod.h \
	%D%/recorder.c %D%/recorder.h %D%/taint.c %D%/taint.h %D%/volume_match.c %D%/volume_match.h %D%/work_queue.c %D%/work_queue.h

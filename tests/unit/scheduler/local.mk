# unit tests of scheduler; see tests/local.mk
check_PROGRAMS += %D%/test-scheduler
TESTS += %D%/test-scheduler
%C%_test_scheduler_SOURCES = %D%/test-scheduler.c tests/unit/controllers/cluster.c tests/unit/controllers/cluster.h
%C%_test_scheduler_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-pod-queue
TESTS += %D%/test-pod-queue
%C%_test_pod_queue_SOURCES = %D%/test-pod-queue.c %D%/scene.c %D%/scene.h
%C%_test_pod_queue_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-filters
TESTS += %D%/test-filters
%C%_test_filters_SOURCES = %D%/test-filters.c %D%/scene.c %D%/scene.h
%C%_test_filters_LDADD = $(controllers_test_libs)

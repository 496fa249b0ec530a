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

check_PROGRAMS += %D%/test-spread
TESTS += %D%/test-spread
%C%_test_spread_SOURCES = %D%/test-spread.c %D%/scene.c %D%/scene.h
%C%_test_spread_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-pod-affinity
TESTS += %D%/test-pod-affinity
%C%_test_pod_affinity_SOURCES = %D%/test-pod-affinity.c %D%/scene.c %D%/scene.h
%C%_test_pod_affinity_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-volumes
TESTS += %D%/test-volumes
%C%_test_volumes_SOURCES = %D%/test-volumes.c %D%/scene.c %D%/scene.h tests/unit/controllers/cluster.c \
	tests/unit/controllers/cluster.h
%C%_test_volumes_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-preemption
TESTS += %D%/test-preemption
%C%_test_preemption_SOURCES = %D%/test-preemption.c %D%/scene.c %D%/scene.h tests/unit/controllers/cluster.c \
	tests/unit/controllers/cluster.h
%C%_test_preemption_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-profiles
TESTS += %D%/test-profiles
%C%_test_profiles_SOURCES = %D%/test-profiles.c %D%/scene.c %D%/scene.h tests/unit/controllers/cluster.c \
	tests/unit/controllers/cluster.h
%C%_test_profiles_LDADD = $(controllers_test_libs)

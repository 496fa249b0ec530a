# unit tests of client; see tests/local.mk
check_PROGRAMS += %D%/test-work-queue
TESTS += %D%/test-work-queue
%C%_test_work_queue_SOURCES = %D%/test-work-queue.c
%C%_test_work_queue_LDADD = src/clusterd/client/libclient.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/test-leader
TESTS += %D%/test-leader
%C%_test_leader_SOURCES = %D%/test-leader.c
%C%_test_leader_LDADD = src/clusterd/client/libclient.a src/clusterd/server/libserver.a src/clusterd/store/libstore.a \
	src/clusterd/api/libapi.a src/base/libbase.a $(SQLITE_LIBS) $(BASE_LIBS) -lm

# unit tests of client; see tests/local.mk
check_PROGRAMS += %D%/test-work-queue
TESTS += %D%/test-work-queue
%C%_test_work_queue_SOURCES = %D%/test-work-queue.c
%C%_test_work_queue_LDADD = src/clusterd/client/libclient.a src/base/libbase.a $(BASE_LIBS)

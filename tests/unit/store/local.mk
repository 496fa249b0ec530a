# unit tests of store; see tests/local.mk
store_tests = %D%/test-sqlite %D%/test-backup %D%/test-etcd %D%/test-kill %D%/test-power-cut
check_PROGRAMS += $(store_tests)
TESTS += $(store_tests)
store_test_libs = src/clusterd/store/libstore.a src/base/libbase.a $(SQLITE_LIBS) $(BASE_LIBS)
%C%_test_sqlite_SOURCES = %D%/test-sqlite.c %D%/store_calls.c %D%/store_calls.h
%C%_test_sqlite_LDADD = $(store_test_libs)
%C%_test_backup_SOURCES = %D%/test-backup.c
%C%_test_backup_LDADD = $(store_test_libs)
%C%_test_kill_SOURCES = %D%/test-kill.c
%C%_test_kill_LDADD = $(store_test_libs)
%C%_test_power_cut_SOURCES = %D%/test-power-cut.c
%C%_test_power_cut_LDADD = $(store_test_libs)
%C%_test_etcd_SOURCES = %D%/test-etcd.c %D%/store_calls.c %D%/store_calls.h
%C%_test_etcd_LDADD = $(store_test_libs) $(CURL_LIBS) $(PROTOBUF_LIBS)

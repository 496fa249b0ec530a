# unit tests of store; see tests/local.mk
check_PROGRAMS += %D%/test-sqlite
TESTS += %D%/test-sqlite
%C%_test_sqlite_SOURCES = %D%/test-sqlite.c
%C%_test_sqlite_LDADD = src/clusterd/store/libstore.a src/base/libbase.a $(SQLITE_LIBS) $(BASE_LIBS)

# unit tests of api; see tests/local.mk
api_test_libs = src/clusterd/api/libapi.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/test-selector
TESTS += %D%/test-selector
%C%_test_selector_SOURCES = %D%/test-selector.c
%C%_test_selector_LDADD = $(api_test_libs)

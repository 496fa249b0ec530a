# unit tests of proxy; see tests/local.mk
check_PROGRAMS += %D%/test-ruleset
TESTS += %D%/test-ruleset
%C%_test_ruleset_SOURCES = %D%/test-ruleset.c
%C%_test_ruleset_LDADD = src/clusterd/proxy/libproxy.a src/clusterd/api/libapi.a src/base/libbase.a \
	$(NETLINK_LIBS) $(BASE_LIBS) -lm
EXTRA_DIST += %D%/cases

check_PROGRAMS += %D%/test-health-check
TESTS += %D%/test-health-check
%C%_test_health_check_SOURCES = %D%/test-health-check.c
%C%_test_health_check_LDADD = src/clusterd/proxy/libproxy.a src/base/libbase.a $(LIBEVENT_LIBS) $(BASE_LIBS)

# unit tests of dns; see tests/local.mk
dns_test_libs = src/clusterd/dns/libdns.a src/base/libbase.a $(LIBEVENT_LIBS) $(LDNS_LIBS) $(BASE_LIBS)
check_PROGRAMS += %D%/test-resolver %D%/test-server
TESTS += %D%/test-resolver %D%/test-server
check_PROGRAMS += %D%/test-messages %D%/test-plan
TESTS += %D%/test-messages %D%/test-plan
%C%_test_resolver_SOURCES = %D%/test-resolver.c %D%/cluster.c %D%/cluster.h
%C%_test_resolver_LDADD = $(dns_test_libs)
%C%_test_server_SOURCES = %D%/test-server.c %D%/cluster.c %D%/cluster.h %D%/nameserver.c %D%/nameserver.h
%C%_test_server_LDADD = $(dns_test_libs)
%C%_test_messages_SOURCES = %D%/test-messages.c
%C%_test_messages_LDADD = $(dns_test_libs)
%C%_test_plan_SOURCES = %D%/test-plan.c
%C%_test_plan_LDADD = $(dns_test_libs)
EXTRA_DIST += %D%/cluster.json

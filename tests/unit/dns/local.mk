# unit tests of dns; see tests/local.mk
check_PROGRAMS += %D%/test-resolver %D%/test-server
TESTS += %D%/test-resolver %D%/test-server
%C%_test_resolver_SOURCES = %D%/test-resolver.c %D%/cluster.c %D%/cluster.h
%C%_test_resolver_LDADD = src/clusterd/dns/libdns.a src/base/libbase.a $(LDNS_LIBS) $(BASE_LIBS)
%C%_test_server_SOURCES = %D%/test-server.c %D%/cluster.c %D%/cluster.h
%C%_test_server_LDADD = src/clusterd/dns/libdns.a src/base/libbase.a $(LIBEVENT_LIBS) $(LDNS_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/cluster.json

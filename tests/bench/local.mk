# `make bench` measures the installed program (make install install-iso first) and writes bench.json.
BENCH_FLAGS =

EXTRA_PROGRAMS += %D%/watchers
%C%_watchers_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
%C%_watchers_SOURCES = %D%/watchers.c
%C%_watchers_LDADD = $(LIBEVENT_LIBS) $(BASE_LIBS)

# Pods onto nodes, in one process; what it needs is that of the tests of controllers.
EXTRA_PROGRAMS += %D%/scheduling
%C%_scheduling_SOURCES = %D%/scheduling.c
%C%_scheduling_LDADD = $(controllers_test_libs)

# What services and policies cost the kernel's rules, in a network namespace of its own.
EXTRA_PROGRAMS += %D%/services
%C%_services_SOURCES = %D%/services.c
%C%_services_LDADD = src/clusterd/proxy/libproxy.a src/clusterd/api/libapi.a src/base/libbase.a $(NETLINK_LIBS) \
	$(BASE_LIBS) -lm

.PHONY: bench
bench: %D%/watchers %D%/scheduling %D%/services
	$(PYTHON) $(srcdir)/tests/bench/bench.py --launcher '$(bindir)/launcher' --clusterd src/clusterd/clusterd \
	  --watchers %D%/watchers --scheduling %D%/scheduling --services %D%/services --output bench.json $(BENCH_FLAGS)

EXTRA_DIST += %D%/bench.py %D%/api_server.py %D%/dns.py %D%/images.sh %D%/pods.py %D%/pods.sh %D%/workloads.py

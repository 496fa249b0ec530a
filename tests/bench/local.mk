# `make bench` measures the installed program (make install install-iso first) and writes bench.json.
BENCH_FLAGS =

EXTRA_PROGRAMS += %D%/watchers
%C%_watchers_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
%C%_watchers_SOURCES = %D%/watchers.c
%C%_watchers_LDADD = $(LIBEVENT_LIBS) $(BASE_LIBS)

.PHONY: bench
bench: %D%/watchers
	$(PYTHON) $(srcdir)/tests/bench/bench.py --launcher '$(bindir)/launcher' --clusterd src/clusterd/clusterd \
	  --watchers %D%/watchers --output bench.json $(BENCH_FLAGS)

EXTRA_DIST += %D%/bench.py %D%/api_server.py %D%/workloads.py

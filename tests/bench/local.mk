# `make bench` measures the installed program (make install install-iso first) and writes bench.json.
BENCH_FLAGS =

.PHONY: bench
bench:
	$(PYTHON) $(srcdir)/tests/bench/bench.py --launcher '$(bindir)/launcher' --output bench.json $(BENCH_FLAGS)

EXTRA_DIST += %D%/bench.py

# Tests of the node with real containers, in namespaces of their own (sandbox.sh). They skip themselves without root.
check_PROGRAMS += %D%/test-runtime
%C%_test_runtime_SOURCES = %D%/test-runtime.c %D%/runtime_fixture.c %D%/runtime_fixture.h \
	%D%/docker_tests.c %D%/docker_tests.h %D%/image_tests.c %D%/image_tests.h
%C%_test_runtime_LDADD = $(clusterd_libs) $(clusterd_system_libs)
dist_check_SCRIPTS += %D%/test-native.sh %D%/test-docker.sh %D%/static-docker.sh %D%/node-api-docker.sh
TESTS += %D%/test-native.sh %D%/test-docker.sh %D%/static-docker.sh %D%/node-api-docker.sh
dist_check_SCRIPTS += %D%/with-runtime
EXTRA_DIST += %D%/runtime-contract
%D%/test-native.log %D%/test-docker.log: %D%/test-runtime$(EXEEXT)
dist_check_SCRIPTS += %D%/test-containerd.sh %D%/static-containerd.sh %D%/node-api-containerd.sh
TESTS += %D%/test-containerd.sh %D%/static-containerd.sh %D%/node-api-containerd.sh
%D%/test-containerd.log: %D%/test-runtime$(EXEEXT) src/clusterd/clusterd-pause$(EXEEXT)
%D%/test-docker.log: src/clusterd/clusterd-pause$(EXEEXT)
dist_check_SCRIPTS += %D%/dns.sh
TESTS += %D%/dns.sh
EXTRA_DIST += %D%/resolve.c
dist_check_SCRIPTS += %D%/volumes.sh
TESTS += %D%/volumes.sh
dist_check_SCRIPTS += %D%/autoscale.sh %D%/metrics.sh %D%/node-api.sh %D%/sandbox.sh tests/images/make-image.py \
	tests/images/serve-registry.py
TESTS += %D%/autoscale.sh %D%/metrics.sh %D%/node-api.sh
EXTRA_DIST += %D%/node-harness.sh %D%/network-harness.bash %D%/ask-udp.py
dist_check_SCRIPTS += %D%/registry.sh %D%/pulls.sh %D%/images.sh
TESTS += %D%/registry.sh %D%/pulls.sh %D%/images.sh
dist_check_SCRIPTS += %D%/archives.sh
TESTS += %D%/archives.sh
EXTRA_DIST += %D%/registry-harness.bash tests/images/push-image.py tests/images/serve-trouble.py tests/images/serve-token.py \
	tests/images/make-odd-image.py

dist_check_SCRIPTS += %D%/exit.sh
TESTS += %D%/exit.sh

dist_check_SCRIPTS += %D%/chaos.sh
TESTS += %D%/chaos.sh

dist_check_SCRIPTS += %D%/full-disk.sh
TESTS += %D%/full-disk.sh

dist_check_SCRIPTS += %D%/jobs.sh
TESTS += %D%/jobs.sh

dist_check_SCRIPTS += %D%/static.sh
TESTS += %D%/static.sh
dist_check_SCRIPTS += %D%/network-policy.sh
TESTS += %D%/network-policy.sh

dist_check_SCRIPTS += %D%/services.sh
TESTS += %D%/services.sh

dist_check_SCRIPTS += %D%/pressure.sh
TESTS += %D%/pressure.sh

dist_check_SCRIPTS += %D%/volume-kinds.sh
TESTS += %D%/volume-kinds.sh

dist_check_SCRIPTS += %D%/security.sh
TESTS += %D%/security.sh

dist_check_SCRIPTS += %D%/dual-stack.sh
TESTS += %D%/dual-stack.sh

dist_check_SCRIPTS += %D%/proxy.sh
TESTS += %D%/proxy.sh

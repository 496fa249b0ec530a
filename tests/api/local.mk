# The API with real kubectl against a real clusterd without a node. Shell scripts that speak TAP.

# with apitest.py instead of kubectl
dist_check_SCRIPTS += %D%/probes.sh %D%/machinery.sh %D%/transcript.sh %D%/robustness.sh
TESTS += %D%/probes.sh %D%/machinery.sh %D%/transcript.sh %D%/robustness.sh
EXTRA_DIST += %D%/apitest.py %D%/protobuf.py %D%/probes.py %D%/transcript.py %D%/robustness.py \
	%D%/machinery-negotiation.py %D%/machinery-versions.py \
	%D%/machinery-watch.py %D%/machinery-delete.py %D%/machinery-patch.py %D%/machinery-write.py

dist_check_SCRIPTS += %D%/kubectl.sh %D%/kubectl-1.20-commands.sh %D%/wire.sh %D%/controllers.sh %D%/options.sh %D%/access.sh
TESTS += %D%/kubectl.sh %D%/kubectl-1.20-commands.sh %D%/wire.sh %D%/controllers.sh %D%/options.sh %D%/access.sh
dist_check_SCRIPTS += %D%/admission.sh %D%/quota.sh
TESTS += %D%/admission.sh %D%/quota.sh
EXTRA_DIST += %D%/harness.sh %D%/pki.sh

dist_check_SCRIPTS += %D%/legacy.sh %D%/legacy-pods.sh %D%/flow.sh %D%/events.sh %D%/event-ttl.sh %D%/crd.sh
TESTS += %D%/legacy.sh %D%/legacy-pods.sh %D%/flow.sh %D%/events.sh %D%/event-ttl.sh %D%/crd.sh
dist_check_SCRIPTS += %D%/webhooks.sh
TESTS += %D%/webhooks.sh
EXTRA_DIST += %D%/https-server.py

dist_check_SCRIPTS += %D%/volumes.sh
TESTS += %D%/volumes.sh
EXTRA_DIST += tests/course/manifests/05-dynamic.yaml tests/course/manifests/05-empty-dir.yaml \
	tests/course/manifests/05-host-path.yaml tests/course/manifests/05-local.yaml \
	tests/course/manifests/05-local-pod.yaml tests/course/manifests/05-nfs.yaml \
	tests/course/manifests/05-pv-claim.yaml tests/course/manifests/05-pv-pod.yaml \
	tests/course/manifests/05-pv-volume.yaml

dist_check_SCRIPTS += %D%/scheduling.sh
TESTS += %D%/scheduling.sh

dist_check_SCRIPTS += %D%/proxy.sh
TESTS += %D%/proxy.sh

dist_check_SCRIPTS += %D%/aggregation.sh
TESTS += %D%/aggregation.sh

dist_check_SCRIPTS += %D%/autoscale.sh
TESTS += %D%/autoscale.sh
EXTRA_DIST += %D%/metrics-server.py

dist_check_SCRIPTS += %D%/csr.sh
TESTS += %D%/csr.sh

dist_check_SCRIPTS += %D%/audit.sh %D%/health.sh
TESTS += %D%/audit.sh %D%/health.sh

dist_check_SCRIPTS += %D%/concurrency.sh
TESTS += %D%/concurrency.sh
EXTRA_DIST += %D%/concurrency.py
dist_check_SCRIPTS += %D%/watch-bounds.sh
TESTS += %D%/watch-bounds.sh
EXTRA_DIST += %D%/watch-bounds.py

dist_check_SCRIPTS += %D%/rollout-kill.sh %D%/rollouts.sh
TESTS += %D%/rollout-kill.sh %D%/rollouts.sh
EXTRA_DIST += %D%/rollout-kill.py
dist_check_SCRIPTS += %D%/scheduling-kill.sh
TESTS += %D%/scheduling-kill.sh
EXTRA_DIST += %D%/scheduling-kill.py %D%/killable.py

dist_check_SCRIPTS += %D%/definition-memory.sh
TESTS += %D%/definition-memory.sh
EXTRA_DIST += %D%/definition-memory.py

dist_check_SCRIPTS += %D%/jobs.sh
TESTS += %D%/jobs.sh
EXTRA_DIST += tests/course/manifests/08-cron-job.yaml tests/course/manifests/08-cron-job-zone.yaml \
	tests/course/manifests/08-job-failing.yaml tests/course/manifests/08-job-fixed.yaml \
	tests/course/manifests/08-job-indexed.yaml tests/course/manifests/08-job-queue.yaml

dist_check_SCRIPTS += %D%/drain.sh
TESTS += %D%/drain.sh

check_PROGRAMS += %D%/port-watch
%C%_port_watch_SOURCES = %D%/port-watch.c
%C%_port_watch_LDADD = src/bootstrap/libbootstrap.a src/driver/libdriver.a src/profile/libprofile.a src/base/libbase.a \
	$(launcher_system_libs)
dist_check_SCRIPTS += %D%/service-ports.sh
TESTS += %D%/service-ports.sh
dist_check_SCRIPTS += %D%/dual-stack.sh
TESTS += %D%/dual-stack.sh

# unit tests of node; see tests/local.mk
check_PROGRAMS += %D%/test-docker-activation %D%/test-native-images
TESTS += %D%/test-docker-activation %D%/test-native-images
node_test_libs = src/clusterd/node/libnode.a src/base/libbase.a $(NETLINK_LIBS) $(ARCHIVE_LIBS) \
	$(BASE_LIBS) -lm
%C%_test_docker_activation_SOURCES = %D%/test-docker-activation.c
%C%_test_docker_activation_LDADD = $(node_test_libs)
%C%_test_native_images_SOURCES = %D%/test-native-images.c
%C%_test_native_images_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS)
%C%_test_native_images_LDADD = $(node_test_libs)
check_PROGRAMS += %D%/test-layers
TESTS += %D%/test-layers
%C%_test_layers_SOURCES = %D%/test-layers.c
%C%_test_layers_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS)
%C%_test_layers_LDADD = $(node_test_libs)

check_PROGRAMS += %D%/test-kubelet
TESTS += %D%/test-kubelet
kubelet_fixture_sources = %D%/kubelet_fixture.c %D%/kubelet_fixture.h %D%/fake_runtime.c %D%/fake_runtime.h
%C%_test_kubelet_SOURCES = %D%/test-kubelet.c $(kubelet_fixture_sources)
%C%_test_kubelet_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-back-off
TESTS += %D%/test-back-off
%C%_test_back_off_SOURCES = %D%/test-back-off.c
%C%_test_back_off_LDADD = $(node_test_libs)

check_PROGRAMS += %D%/test-kubelet-end
TESTS += %D%/test-kubelet-end
%C%_test_kubelet_end_SOURCES = %D%/test-kubelet-end.c $(kubelet_fixture_sources)
%C%_test_kubelet_end_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-cri
TESTS += %D%/test-cri
EXTRA_DIST += %D%/cri-server.js
%C%_test_cri_SOURCES = %D%/test-cri.c
%C%_test_cri_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-nfs-volumes
TESTS += %D%/test-nfs-volumes
%C%_test_nfs_volumes_SOURCES = %D%/test-nfs-volumes.c
%C%_test_nfs_volumes_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-claim-volumes
TESTS += %D%/test-claim-volumes
%C%_test_claim_volumes_SOURCES = %D%/test-claim-volumes.c
%C%_test_claim_volumes_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-kubelet-parts
TESTS += %D%/test-kubelet-parts
%C%_test_kubelet_parts_SOURCES = %D%/test-kubelet-parts.c
%C%_test_kubelet_parts_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-stats
TESTS += %D%/test-stats
%C%_test_stats_SOURCES = %D%/test-stats.c
%C%_test_stats_LDADD = $(node_test_libs)

check_PROGRAMS += %D%/test-kubelet-static
TESTS += %D%/test-kubelet-static
%C%_test_kubelet_static_SOURCES = %D%/test-kubelet-static.c $(kubelet_fixture_sources)
%C%_test_kubelet_static_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-logs
TESTS += %D%/test-logs
%C%_test_logs_SOURCES = %D%/test-logs.c
%C%_test_logs_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-probe
TESTS += %D%/test-probe
EXTRA_DIST += %D%/grpc-health.js
%C%_test_probe_SOURCES = %D%/test-probe.c
%C%_test_probe_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-kubelet-life
TESTS += %D%/test-kubelet-life
%C%_test_kubelet_life_SOURCES = %D%/test-kubelet-life.c $(kubelet_fixture_sources)
%C%_test_kubelet_life_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-address-pool
TESTS += %D%/test-address-pool
%C%_test_address_pool_SOURCES = %D%/test-address-pool.c
%C%_test_address_pool_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-pressure
TESTS += %D%/test-pressure
%C%_test_pressure_SOURCES = %D%/test-pressure.c
%C%_test_pressure_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-kubelet-pressure
TESTS += %D%/test-kubelet-pressure
%C%_test_kubelet_pressure_SOURCES = %D%/test-kubelet-pressure.c $(kubelet_fixture_sources)
%C%_test_kubelet_pressure_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-volume-mounts
TESTS += %D%/test-volume-mounts
%C%_test_volume_mounts_SOURCES = %D%/test-volume-mounts.c
%C%_test_volume_mounts_LDADD = $(clusterd_libs) $(clusterd_system_libs)

check_PROGRAMS += %D%/test-sysctls
TESTS += %D%/test-sysctls
%C%_test_sysctls_SOURCES = %D%/test-sysctls.c
%C%_test_sysctls_LDADD = $(node_test_libs)

check_PROGRAMS += %D%/test-image-volumes
TESTS += %D%/test-image-volumes
%C%_test_image_volumes_SOURCES = %D%/test-image-volumes.c $(kubelet_fixture_sources)
%C%_test_image_volumes_LDADD = $(clusterd_libs) $(clusterd_system_libs)

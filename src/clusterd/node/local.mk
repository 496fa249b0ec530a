noinst_LIBRARIES += %D%/libnode.a
%C%_libnode_a_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS) $(NETLINK_CFLAGS) $(PROTOBUF_CFLAGS) -DG_LOG_DOMAIN=\"node\"
%C%_libnode_a_SOURCES = \
	%D%/address_pair.c %D%/address_pair.h \
	%D%/pod/back_off.c %D%/pod/back_off.h \
	%D%/background.c %D%/background.h \
	%D%/cluster_view.h \
	%D%/pod/container_plan.c %D%/pod/container_plan.h \
	%D%/pod/container_state.c %D%/pod/container_state.h \
	%D%/pod/env.c %D%/pod/env.h \
	%D%/cri/call.c %D%/cri/cri_runtime.h \
	%D%/cri/cni_plugin.c %D%/cri/cni_plugin.h \
	%D%/cri/cni_setup.c %D%/cri/cni_setup.h \
	%D%/cri/container.c \
	%D%/cri/container_config.c %D%/cri/container_config.h \
	%D%/cri/container_security.c \
	%D%/cri/cri.c %D%/cri/cri.h \
	%D%/cri/events.c %D%/cri/events.h \
	%D%/cri/images.c %D%/cri/image_volume.c \
	%D%/cri/snapshots.c %D%/cri/snapshots.h \
	%D%/cri/load.c \
	%D%/cri/pause_image.c %D%/cri/pause_image.h \
	%D%/cri/places.c \
	%D%/cri/preload.c %D%/cri/preload.h \
	%D%/cri/sandbox.c \
	%D%/cri/store.c %D%/cri/store.h \
	%D%/cri/stream.c %D%/cri/stream.h \
	%D%/cri/stream_open.c \
	%D%/field_ref.c %D%/field_ref.h \
	%D%/grpc.c %D%/grpc.h \
	%D%/grpc_messages.c \
	%D%/pod/image_pulls.c %D%/pod/image_pulls.h \
	%D%/kubelet.c %D%/kubelet.h \
	%D%/kubelet_eviction.c \
	%D%/kubelet_orphans.c \
	%D%/kubelet_private.h \
	%D%/kubelet_view.c \
	%D%/logs/log_files.c %D%/logs/log_files.h \
	%D%/logs/log_line.c %D%/logs/log_line.h \
	%D%/logs/log_reader.c %D%/logs/log_reader.h \
	%D%/logs/log_rotation.c %D%/logs/log_rotation.h \
	%D%/machine.c %D%/machine.h \
	%D%/node_access.c \
	%D%/node_events.c %D%/node_events.h \
	%D%/status/node_resources.c %D%/status/node_resources.h \
	%D%/status/node_status.c %D%/status/node_status.h \
	%D%/pod/pod_conditions.c %D%/pod/pod_conditions.h \
	%D%/pod/pod_container.c \
	%D%/pod/pod_evict.c \
	%D%/pod/pod_fit.c %D%/pod/pod_fit.h \
	%D%/pod/pod_files.c %D%/pod/pod_files.h \
	%D%/pod_spec.c %D%/pod_spec.h \
	%D%/pod/pod_state.c %D%/pod/pod_state.h \
	%D%/pod/pod_status.c %D%/pod/pod_status.h \
	%D%/pod/pod_stop.c \
	%D%/pod/pod_image.c %D%/pod/pod_image.h \
	%D%/pod/pod_sync.c \
	%D%/pod/pod_worker.c %D%/pod/pod_worker.h \
	%D%/pod/pod_worker_private.h \
	%D%/probe/probe.c %D%/probe/probe.h \
	%D%/probe/probe_grpc.c \
	%D%/probe/probe_private.h \
	%D%/probe/prober.c %D%/probe/prober.h \
	%D%/pod/pull_secrets.c %D%/pod/pull_secrets.h \
	%D%/process_pipe.c %D%/process_pipe.h \
	%D%/resources.c %D%/resources.h \
	%D%/transfer.c %D%/transfer.h \
	%D%/runtime_choice.c %D%/runtime_choice.h \
	%D%/static_manifest.c %D%/static_manifest.h \
	%D%/static_pods.c %D%/static_pods.h \
	%D%/docker/docker_activation.c %D%/docker/docker_activation.h \
	%D%/docker/docker.c %D%/docker/docker.h \
	%D%/docker/docker_carrier.c %D%/docker/docker_carrier.h \
	%D%/docker/docker_container.c %D%/docker/docker_container.h \
	%D%/docker/docker_events.c %D%/docker/docker_events.h \
	%D%/docker/docker_hijack.c \
	%D%/docker/docker_http.c %D%/docker/docker_http.h \
	%D%/docker/docker_image_mount.c %D%/docker/docker_image_mount.h \
	%D%/docker/docker_images.c %D%/docker/docker_images.h \
	%D%/docker/docker_messages.c %D%/docker/docker_messages.h \
	%D%/docker/docker_network.c %D%/docker/docker_network.h \
	%D%/docker/docker_pause.c %D%/docker/docker_pause.h \
	%D%/docker/docker_preload.c %D%/docker/docker_preload.h \
	%D%/docker/docker_process.c %D%/docker/docker_process.h \
	%D%/docker/docker_runtime.h \
	%D%/docker/docker_sandbox.c %D%/docker/docker_sandbox.h \
	%D%/docker/docker_spec.c %D%/docker/docker_spec.h \
	%D%/docker/docker_usage.c %D%/docker/docker_usage.h \
	%D%/image_cli.c %D%/image_cli.h \
	%D%/images/archive_reader.c %D%/images/archive_reader.h \
	%D%/images/docker_images.c %D%/images/docker_images.h \
	%D%/images/docker_remove.c %D%/images/docker_remove.h \
	%D%/images/image_archive.c \
	%D%/images/image_index.c %D%/images/image_index.h \
	%D%/images/image_links.c \
	%D%/images/image_loader.c %D%/images/image_loader.h \
	%D%/images/image_manifest.c \
	%D%/images/image_names.c \
	%D%/images/image_reference.c %D%/images/image_reference.h \
	%D%/images/image_save.c \
	%D%/images/image_store.c %D%/images/image_store.h \
	%D%/images/image_tar.c %D%/images/image_tar.h \
	%D%/images/layer.c %D%/images/layer.h \
	%D%/images/layer_copy.c \
	%D%/images/layer_entry.c %D%/images/layer_entry.h \
	%D%/images/layer_recipe.c %D%/images/layer_recipe.h \
	%D%/images/registries.c %D%/images/registries.h \
	%D%/images/registry.c %D%/images/registry.h \
	%D%/images/registry_blob.c %D%/images/registry_blob.h \
	%D%/images/registry_challenge.c %D%/images/registry_challenge.h \
	%D%/images/registry_http.c %D%/images/registry_http.h \
	%D%/images/registry_layers.c %D%/images/registry_layers.h \
	%D%/images/registry_manifest.c %D%/images/registry_manifest.h \
	%D%/images/registry_transfer.c %D%/images/registry_transfer.h \
	%D%/sandbox/address_pool.c %D%/sandbox/address_pool.h \
	%D%/native/attach.c \
	%D%/command.c %D%/command.h \
	%D%/native/conmon.c %D%/native/conmon.h \
	%D%/native/container.c %D%/native/container.h \
	%D%/native/container_recover.c %D%/native/crun.c %D%/native/crun.h \
	%D%/native/container_state.c %D%/native/container_state.h \
	%D%/native/exec.c %D%/native/exec.h \
	%D%/native/exit_watch.c %D%/native/exit_watch.h \
	%D%/sandbox/pod_limits.c %D%/sandbox/pod_limits.h \
	%D%/sandbox/namespace.c %D%/sandbox/namespace.h \
	%D%/images/image_mount.c %D%/images/image_mount.h \
	%D%/native/native.c %D%/native/native.h \
	%D%/native/native_runtime.c %D%/native/native_runtime.h \
	%D%/sandbox/network.c %D%/sandbox/network.h \
	%D%/native/oci_mounts.c \
	%D%/native/oci_process.c \
	%D%/native/oci_seccomp.c \
	%D%/native/oci_spec.c %D%/native/oci_spec.h \
	%D%/native/oci_user.c %D%/native/oci_user.h \
	%D%/sandbox/oom_score.c %D%/sandbox/oom_score.h \
	%D%/sandbox/pause.c %D%/sandbox/pause.h \
	%D%/sandbox/pause_layer.c %D%/sandbox/pause_layer.h \
	%D%/sandbox/pod_socket.c %D%/sandbox/pod_socket.h \
	%D%/sandbox/pod_cgroup.c %D%/sandbox/pod_cgroup.h \
	%D%/native/rootfs.c %D%/native/rootfs.h \
	%D%/native/sandbox.c %D%/native/sandbox.h \
	%D%/native/sandbox_setup.c %D%/native/sandbox_setup.h \
	%D%/native/usage_places.c %D%/native/usage_places.h \
	%D%/http/cadvisor.c \
	%D%/http/configz.c \
	%D%/http/node_http.c %D%/http/node_http.h \
	%D%/http/node_http_private.h \
	%D%/http/node_logs.c \
	%D%/http/node_metrics.c \
	%D%/http/node_pods.c \
	%D%/http/prometheus.c %D%/http/prometheus.h \
	%D%/http/summary.c \
	%D%/pressure/eviction.c %D%/pressure/eviction.h \
	%D%/pressure/image_collector.c %D%/pressure/image_collector.h \
	%D%/pressure/image_records.c %D%/pressure/image_records.h \
	%D%/pressure/pod_use.c %D%/pressure/pod_use.h \
	%D%/pressure/pressure_settings.c %D%/pressure/pressure_settings.h \
	%D%/pressure/pressure_source.c %D%/pressure/pressure_source.h \
	%D%/pressure/pressure_state.c %D%/pressure/pressure_state.h \
	%D%/pressure/reservation.c %D%/pressure/reservation.h \
	%D%/pressure/threshold.c %D%/pressure/threshold.h \
	%D%/pod/apparmor.c %D%/pod/apparmor.h \
	%D%/sandbox/sysctls.c %D%/sandbox/sysctls.h \
	%D%/stats/cgroup.c %D%/stats/cgroup.h \
	%D%/stats/disk.c %D%/stats/disk.h \
	%D%/stats/node_sample.c %D%/stats/node_sample.h \
	%D%/stats/node_stats.c %D%/stats/node_stats.h \
	%D%/stats/node_totals.c %D%/stats/node_totals.h \
	%D%/stats/resource_metrics.c %D%/stats/resource_metrics.h \
	%D%/stats/sample_history.c %D%/stats/sample_history.h \
	%D%/stats/stat_file.c %D%/stats/stat_file.h \
	%D%/stats/stat_text.c %D%/stats/stat_text.h \
	%D%/stats/usage.c %D%/stats/usage.h \
	%D%/volumes/atomic_dir.c %D%/volumes/atomic_dir.h \
	%D%/volumes/block_volume.c %D%/volumes/block_volume.h \
	%D%/volumes/loop_device.c %D%/volumes/loop_device.h \
	%D%/volumes/mounts.c %D%/volumes/mounts.h \
	%D%/volumes/sub_path.c %D%/volumes/sub_path.h \
	%D%/volumes/claim_volume.c %D%/volumes/claim_volume.h \
	%D%/volumes/host_path.c %D%/volumes/host_path.h \
	%D%/volumes/nfs_volume.c %D%/volumes/nfs_volume.h \
	%D%/volumes/volume_files.c %D%/volumes/volume_files.h \
	%D%/volumes/volume_folder.c %D%/volumes/volume_folder.h \
	%D%/volumes/volume_owner.c %D%/volumes/volume_owner.h \
	%D%/volumes/volumes.c %D%/volumes/volumes.h \
	%D%/runtime.c %D%/runtime.h

# messages of gRPC: of probes, of container runtimes
EXTRA_DIST += %D%/grpc_health.proto %D%/cri/cri.proto %D%/cri/containerd.proto
node_messages_built = %D%/grpc_health.pb-c.c %D%/grpc_health.pb-c.h %D%/cri/cri.pb-c.c %D%/cri/cri.pb-c.h \
	%D%/cri/containerd.pb-c.c %D%/cri/containerd.pb-c.h
BUILT_SOURCES += %D%/grpc_health.pb-c.h %D%/cri/cri.pb-c.h %D%/cri/containerd.pb-c.h
CLEANFILES += $(node_messages_built)
nodist_%C%_libnode_a_SOURCES = %D%/grpc_health.pb-c.h %D%/cri/cri.pb-c.h %D%/cri/containerd.pb-c.h
%D%/grpc_health.pb-c.h: %D%/grpc_health.proto
	$(AM_V_GEN)$(MKDIR_P) %D% && $(PROTOC_C) --proto_path=$(srcdir)/%D% --c_out=%D% $(srcdir)/%D%/grpc_health.proto
%D%/grpc_health.pb-c.c: %D%/grpc_health.pb-c.h
	@:
%D%/cri/cri.pb-c.h: %D%/cri/cri.proto
	$(AM_V_GEN)$(MKDIR_P) %D%/cri && $(PROTOC_C) --proto_path=$(srcdir)/%D%/cri --c_out=%D%/cri $(srcdir)/%D%/cri/cri.proto
%D%/cri/cri.pb-c.c: %D%/cri/cri.pb-c.h
	@:
%D%/cri/containerd.pb-c.h: %D%/cri/containerd.proto
	$(AM_V_GEN)$(MKDIR_P) %D%/cri && $(PROTOC_C) --proto_path=$(srcdir)/%D%/cri --c_out=%D%/cri $(srcdir)/%D%/cri/containerd.proto
%D%/cri/containerd.pb-c.c: %D%/cri/containerd.pb-c.h
	@:
$(%C%_libnode_a_OBJECTS): %D%/grpc_health.pb-c.h %D%/cri/cri.pb-c.h %D%/cri/containerd.pb-c.h

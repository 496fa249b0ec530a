noinst_LIBRARIES += %D%/libdriver.a
%C%_libdriver_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"driver\"
%C%_libdriver_a_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS) $(ARCHIVE_CFLAGS)
%C%_libdriver_a_SOURCES = \
	%D%/driver.h %D%/driver.c %D%/program.h %D%/program.c %D%/machine_folder.h %D%/machine_folder.c \
	%D%/libvirt.h %D%/libvirt.c %D%/libvirt_connect.h %D%/libvirt_connect.c %D%/libvirt_ports.h %D%/libvirt_ports.c \
	%D%/libvirt_wait.h %D%/libvirt_wait.c %D%/domain_xml.h %D%/domain_xml.c %D%/kvm_probe.h %D%/kvm_probe.c \
	%D%/data_disk.h %D%/data_disk.c %D%/iso_file.h %D%/iso_file.c \
	%D%/container.h %D%/container.c %D%/container_spec.h %D%/container_spec.c %D%/container_child.h %D%/container_child.c \
	%D%/container_cgroup.h %D%/container_cgroup.c %D%/container_mount.h %D%/container_mount.c \
	%D%/container_control.h %D%/container_control.c %D%/container_holder.h %D%/container_holder.c \
	%D%/container_ports.h %D%/container_ports.c %D%/event_loop.h %D%/event_loop.c \
	%D%/tcp_relay.h %D%/tcp_relay.c %D%/udp_relay.h %D%/udp_relay.c

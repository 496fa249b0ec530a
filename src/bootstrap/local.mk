noinst_LIBRARIES += %D%/libbootstrap.a
%C%_libbootstrap_a_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS) -DG_LOG_DOMAIN=\"bootstrap\"
%C%_libbootstrap_a_SOURCES = \
	%D%/api_client.c %D%/api_client.h \
	%D%/boot_events.c %D%/boot_events.h \
	%D%/boot_image.c %D%/boot_image.h \
	%D%/certificates.c %D%/certificates.h \
	%D%/config_drive.c %D%/config_drive.h \
	%D%/download.c %D%/download.h \
	%D%/iso_reader.c %D%/iso_reader.h \
	%D%/keeper.c %D%/keeper.h \
	%D%/kubeconfig.c %D%/kubeconfig.h \
	%D%/machine.c %D%/machine.h \
	%D%/progress.h \
	%D%/service_ports.c %D%/service_ports.h \
	%D%/start.c %D%/start.h

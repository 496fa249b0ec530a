bin_PROGRAMS += %D%/launcher
noinst_LIBRARIES += %D%/liblauncher.a
%C%_liblauncher_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBVIRT_CFLAGS) -DG_LOG_DOMAIN=\"launcher\" \
	-DPACKAGE_VERSION=\"$(PACKAGE_VERSION)\"
%C%_liblauncher_a_SOURCES = \
	%D%/command.h %D%/command_table.c \
	%D%/delete.c \
	%D%/docker_env.c \
	%D%/docker_env_text.c %D%/docker_env_text.h \
	%D%/help.c \
	%D%/image.c \
	%D%/image_list.c %D%/image_list.h \
	%D%/internal.c \
	%D%/ip.c \
	%D%/kubectl.c \
	%D%/live.c %D%/live.h \
	%D%/logs.c \
	%D%/options.c \
	%D%/output.c %D%/output.h \
	%D%/pause.c \
	%D%/profile.c \
	%D%/ssh.c \
	%D%/ssh_command.c %D%/ssh_command.h \
	%D%/start.c \
	%D%/status.c \
	%D%/stop.c \
	%D%/update_context.c \
	%D%/version.c
launcher_libs = src/launcher/liblauncher.a src/addons/libaddons.a src/bootstrap/libbootstrap.a src/driver/libdriver.a \
	src/profile/libprofile.a src/base/libbase.a
launcher_system_libs = $(LIBVIRT_LIBS) $(ARCHIVE_LIBS) $(BASE_LIBS) -lm
%C%_launcher_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"launcher\"
%C%_launcher_SOURCES = %D%/main.c
%C%_launcher_LDADD = $(launcher_libs) $(launcher_system_libs)

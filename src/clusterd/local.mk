bin_PROGRAMS += %D%/clusterd
%C%_clusterd_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"clusterd\"
%C%_clusterd_SOURCES = %D%/main.c %D%/certificates.c %D%/certificates.h %D%/certificate_watch.c %D%/certificate_watch.h \
	%D%/cluster_config.c %D%/cluster_config.h %D%/command_line.c %D%/command_line.h \
	%D%/control_components.c \
	%D%/components.c %D%/components.h %D%/events.c %D%/events.h %D%/node_components.c \
	%D%/options.c %D%/options.h %D%/options_help.c \
	%D%/store_cli.c %D%/store_cli.h

# The program of pause containers is linked statically, without sanitizers: its image has no libraries.
pkglibexec_PROGRAMS += %D%/clusterd-pause
%C%_clusterd_pause_SOURCES = %D%/node/sandbox/pause_main.c %D%/node/sandbox/pause.c %D%/node/sandbox/pause.h
%C%_clusterd_pause_CFLAGS = -std=c17 -Wall -Wextra
%C%_clusterd_pause_LDFLAGS = -static

# In link order: each may use only those after it.
clusterd_libs = src/clusterd/dns/libdns.a src/clusterd/proxy/libproxy.a src/clusterd/node/libnode.a \
	src/clusterd/scheduler/libscheduler.a src/clusterd/controllers/libcontrollers.a src/clusterd/client/libclient.a \
	src/clusterd/server/libserver.a src/clusterd/store/libstore.a src/clusterd/api/libapi.a src/base/libbase.a
clusterd_system_libs = $(LIBEVENT_LIBS) $(SQLITE_LIBS) $(PROTOBUF_LIBS) $(NETLINK_LIBS) $(LDNS_LIBS) $(TAR_LIBS) \
	$(ZLIB_LIBS) $(BASE_LIBS) -lm
%C%_clusterd_LDADD = $(clusterd_libs) $(clusterd_system_libs)

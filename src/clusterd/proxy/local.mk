noinst_LIBRARIES += %D%/libproxy.a
%C%_libproxy_a_CPPFLAGS = $(AM_CPPFLAGS) $(NETLINK_CFLAGS) -DG_LOG_DOMAIN=\"proxy\"
%C%_libproxy_a_SOURCES = \
	%D%/conntrack.c %D%/conntrack.h \
	%D%/host_port.c %D%/host_port.h \
	%D%/nft.c %D%/nft.h \
	%D%/proxy.c %D%/proxy.h \
	%D%/ruleset.c %D%/ruleset.h \
	%D%/service_port.c %D%/service_port.h

noinst_LIBRARIES += %D%/libdns.a
%C%_libdns_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(NETLINK_CFLAGS) -DG_LOG_DOMAIN=\"dns\"
%C%_libdns_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/dns.c %D%/dns.h \
	%D%/facts.c %D%/facts.h \
	%D%/forwarding.c %D%/forwarding.h \
	%D%/name.c %D%/name.h \
	%D%/records.c %D%/records.h \
	%D%/resolver.c %D%/resolver.h \
	%D%/server.c %D%/server.h \
	%D%/stream.c %D%/stream.h \
	%D%/upstream.c %D%/upstream.h

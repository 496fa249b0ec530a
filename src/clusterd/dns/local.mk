noinst_LIBRARIES += %D%/libdns.a
%C%_libdns_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(NETLINK_CFLAGS) -DG_LOG_DOMAIN=\"dns\"
%C%_libdns_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/answer.c %D%/answer.h \
	%D%/batch.c %D%/batch.h \
	%D%/block.c %D%/block.h \
	%D%/cache.c %D%/cache.h \
	%D%/corefile.c %D%/corefile.h \
	%D%/dns.c %D%/dns.h \
	%D%/endpoints.c \
	%D%/exchange.c %D%/exchange.h \
	%D%/facts.c %D%/facts.h \
	%D%/hosts.c %D%/hosts.h \
	%D%/lookup.c %D%/lookup.h \
	%D%/loop.c %D%/loop.h \
	%D%/merge.c %D%/merge.h \
	%D%/name.c %D%/name.h \
	%D%/plan.c %D%/plan.h \
	%D%/question.c %D%/question.h \
	%D%/records.c %D%/records.h \
	%D%/resolv_conf.c %D%/resolv_conf.h \
	%D%/resolver.c %D%/resolver.h \
	%D%/rewrite.c %D%/rewrite.h \
	%D%/server.c %D%/server.h \
	%D%/server_list.c %D%/server_list.h \
	%D%/stream.c %D%/stream.h \
	%D%/template.c %D%/template.h \
	%D%/upstream.c %D%/upstream.h \
	%D%/zone_set.c %D%/zone_set.h \
	%D%/resolution.h

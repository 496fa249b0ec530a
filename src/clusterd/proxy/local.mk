noinst_LIBRARIES += %D%/libproxy.a
%C%_libproxy_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(NETLINK_CFLAGS) -DG_LOG_DOMAIN=\"proxy\"
%C%_libproxy_a_SOURCES = \
	%D%/address_family.c %D%/address_family.h \
	%D%/chain_id.c %D%/chain_id.h \
	%D%/conntrack.c %D%/conntrack.h \
	%D%/health_check.c %D%/health_check.h \
	%D%/host_port.c %D%/host_port.h \
	%D%/network_policy.c %D%/network_policy.h \
	%D%/nft.c %D%/nft.h \
	%D%/number_range.c %D%/number_range.h \
	%D%/pod_address.c %D%/pod_address.h \
	%D%/policy_peers.c %D%/policy_peers.h \
	%D%/policy_pods.c %D%/policy_pods.h \
	%D%/proxy.c %D%/proxy.h \
	%D%/rule_table.c %D%/rule_table.h \
	%D%/ruleset.c %D%/ruleset.h \
	%D%/service_port.c %D%/service_port.h \
	%D%/service_rules.c %D%/service_rules.h

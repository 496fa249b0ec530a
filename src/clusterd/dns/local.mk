noinst_LIBRARIES += %D%/libdns.a
%C%_libdns_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"dns\"
%C%_libdns_a_SOURCES =

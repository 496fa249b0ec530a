noinst_LIBRARIES += %D%/libproxy.a
%C%_libproxy_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"proxy\"
%C%_libproxy_a_SOURCES =

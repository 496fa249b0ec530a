noinst_LIBRARIES += %D%/libclient.a
%C%_libclient_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"client\"
%C%_libclient_a_SOURCES =

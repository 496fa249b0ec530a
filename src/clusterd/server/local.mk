noinst_LIBRARIES += %D%/libserver.a
%C%_libserver_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"server\"
%C%_libserver_a_SOURCES =

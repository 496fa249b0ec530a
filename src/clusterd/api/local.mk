noinst_LIBRARIES += %D%/libapi.a
%C%_libapi_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"api\"
%C%_libapi_a_SOURCES =

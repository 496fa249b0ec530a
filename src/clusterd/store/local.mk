noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"store\"
%C%_libstore_a_SOURCES =

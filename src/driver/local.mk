noinst_LIBRARIES += %D%/libdriver.a
%C%_libdriver_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"driver\"
%C%_libdriver_a_SOURCES =

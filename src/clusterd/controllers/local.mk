noinst_LIBRARIES += %D%/libcontrollers.a
%C%_libcontrollers_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"controllers\"
%C%_libcontrollers_a_SOURCES =

noinst_LIBRARIES += %D%/libbootstrap.a
%C%_libbootstrap_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"bootstrap\"
%C%_libbootstrap_a_SOURCES =

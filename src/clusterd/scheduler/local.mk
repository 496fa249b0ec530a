noinst_LIBRARIES += %D%/libscheduler.a
%C%_libscheduler_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"scheduler\"
%C%_libscheduler_a_SOURCES =

noinst_LIBRARIES += %D%/libaddons.a
%C%_libaddons_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"addons\"
%C%_libaddons_a_SOURCES =

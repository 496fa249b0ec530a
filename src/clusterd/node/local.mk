noinst_LIBRARIES += %D%/libnode.a
%C%_libnode_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"node\"
%C%_libnode_a_SOURCES =

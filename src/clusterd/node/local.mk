noinst_LIBRARIES += %D%/libnode.a
%C%_libnode_a_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS) $(NETLINK_CFLAGS) -DG_LOG_DOMAIN=\"node\"
%C%_libnode_a_SOURCES = \
	%D%/runtime.c %D%/runtime.h \
	%D%/native/native.h

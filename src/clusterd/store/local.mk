noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) -DG_LOG_DOMAIN=\"store\"
%C%_libstore_a_SOURCES = \
	%D%/sqlite.c %D%/sqlite_private.h \
	%D%/sqlite_read.c \
	%D%/sqlite_writer.c \
	%D%/store.h

noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) -DG_LOG_DOMAIN=\"store\"
%C%_libstore_a_SOURCES = \
	%D%/engine.h \
	%D%/sqlite.c %D%/sqlite_private.h \
	%D%/sqlite_backup.c %D%/sqlite_backup.h \
	%D%/sqlite_checkpoint.c \
	%D%/sqlite_compact.c \
	%D%/sqlite_file.c \
	%D%/sqlite_read.c \
	%D%/sqlite_writer.c \
	%D%/store.c %D%/store.h

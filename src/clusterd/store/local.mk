noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS) $(CURL_CFLAGS) $(PROTOBUF_CFLAGS) -DG_LOG_DOMAIN=\"store\"
%C%_libstore_a_SOURCES = \
	%D%/engine.h \
	%D%/etcd.c %D%/etcd_private.h %D%/store_etcd.h \
	%D%/etcd_call.c %D%/etcd_call.h \
	%D%/etcd_compactor.c \
	%D%/etcd_resync.c \
	%D%/etcd_watch.c \
	%D%/etcd_write.c \
	%D%/sqlite.c %D%/sqlite_private.h \
	%D%/sqlite_backup.c %D%/sqlite_backup.h \
	%D%/sqlite_checkpoint.c \
	%D%/sqlite_compact.c \
	%D%/sqlite_file.c \
	%D%/sqlite_read.c \
	%D%/sqlite_reserve.c \
	%D%/sqlite_writer.c \
	%D%/store.c %D%/store.h

# etcd's messages
EXTRA_DIST += %D%/etcd.proto
BUILT_SOURCES += %D%/etcd.pb-c.h
CLEANFILES += %D%/etcd.pb-c.c %D%/etcd.pb-c.h
nodist_%C%_libstore_a_SOURCES = %D%/etcd.pb-c.c %D%/etcd.pb-c.h
%D%/etcd.pb-c.h: %D%/etcd.proto
	$(AM_V_GEN)$(MKDIR_P) %D% && $(PROTOC_C) --proto_path=$(srcdir)/%D% --c_out=%D% $(srcdir)/%D%/etcd.proto
%D%/etcd.pb-c.c: %D%/etcd.pb-c.h
	@:
$(%C%_libstore_a_OBJECTS): %D%/etcd.pb-c.h

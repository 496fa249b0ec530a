noinst_LIBRARIES += %D%/libnode.a
%C%_libnode_a_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS) $(NETLINK_CFLAGS) -DG_LOG_DOMAIN=\"node\"
%C%_libnode_a_SOURCES = \
	%D%/image_cli.c %D%/image_cli.h \
	%D%/native/docker_images.c %D%/native/docker_images.h \
	%D%/native/image_archive.c \
	%D%/native/image_index.c %D%/native/image_index.h \
	%D%/native/image_loader.h \
	%D%/native/image_manifest.c \
	%D%/native/image_reference.c %D%/native/image_reference.h \
	%D%/native/image_store.c %D%/native/image_store.h \
	%D%/native/layer.c %D%/native/layer.h \
	%D%/native/layer_entry.c %D%/native/layer_entry.h \
	%D%/native/native.h \
	%D%/runtime.c %D%/runtime.h

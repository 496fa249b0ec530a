noinst_LIBRARIES += %D%/libserver.a
%C%_libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(ZLIB_CFLAGS) -DG_LOG_DOMAIN=\"server\"
%C%_libserver_a_SOURCES = \
	%D%/admission.c \
	%D%/admission.h \
	%D%/admission/namespace_lifecycle.c \
	%D%/api_error.c \
	%D%/api_error.h \
	%D%/base64url.c \
	%D%/base64url.h \
	%D%/continue_token.c \
	%D%/continue_token.h \
	%D%/eviction.c \
	%D%/eviction.h \
	%D%/identity.c \
	%D%/identity.h \
	%D%/node_access.h \
	%D%/registry.c \
	%D%/registry.h \
	%D%/registry_delete.c \
	%D%/registry_list.c \
	%D%/registry_patch.c \
	%D%/registry_private.h \
	%D%/registry_write.c \
	%D%/scale.c \
	%D%/scale.h \
	%D%/server.h \
	%D%/spdy.c \
	%D%/spdy.h \
	%D%/spdy_dictionary.h \
	%D%/stream_channels.c \
	%D%/stream_channels.h \
	%D%/stream_command.c \
	%D%/stream_forward.c \
	%D%/stream_handshake.c \
	%D%/stream_io.c \
	%D%/stream_io.h \
	%D%/stream_session.h \
	%D%/subresource.c \
	%D%/watch_cache.c \
	%D%/websocket.c \
	%D%/websocket.h \
	%D%/write.h

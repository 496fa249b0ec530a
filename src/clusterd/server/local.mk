noinst_LIBRARIES += %D%/libserver.a
%C%_libserver_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"server\"
%C%_libserver_a_SOURCES =

# upgraded connections: exec, attach, port-forward
%C%_libserver_a_SOURCES += \
	%D%/spdy.c %D%/spdy.h %D%/spdy_dictionary.h \
	%D%/websocket.c %D%/websocket.h

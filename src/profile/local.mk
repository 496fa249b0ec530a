noinst_LIBRARIES += %D%/libprofile.a
%C%_libprofile_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"profile\"
%C%_libprofile_a_SOURCES = \
	%D%/address.c \
	%D%/home.c %D%/home.h \
	%D%/profile.c %D%/profile.h

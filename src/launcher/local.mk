bin_PROGRAMS += %D%/launcher
%C%_launcher_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"launcher\"
%C%_launcher_SOURCES = %D%/main.c
%C%_launcher_LDADD = src/addons/libaddons.a src/bootstrap/libbootstrap.a src/driver/libdriver.a src/profile/libprofile.a \
	src/base/libbase.a $(LIBVIRT_LIBS) $(CURL_LIBS) $(ARCHIVE_LIBS) $(BASE_LIBS)

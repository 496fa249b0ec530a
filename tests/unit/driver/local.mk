# unit tests of driver; see tests/local.mk
check_PROGRAMS += tests/driver/drive
tests_driver_drive_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"drive\"
tests_driver_drive_SOURCES = tests/driver/drive.c
tests_driver_drive_LDADD = src/driver/libdriver.a src/base/libbase.a $(LIBVIRT_LIBS) $(ARCHIVE_LIBS) $(BASE_LIBS)

# unit tests of driver; see tests/local.mk
check_PROGRAMS += %D%/test-machine %D%/test-relay
TESTS += %D%/test-machine %D%/test-relay
driver_test_libs = src/driver/libdriver.a src/base/libbase.a $(LIBVIRT_LIBS) $(ARCHIVE_LIBS) $(BASE_LIBS)
%C%_test_machine_SOURCES = %D%/test-machine.c
%C%_test_machine_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
%C%_test_machine_LDADD = $(driver_test_libs)
%C%_test_relay_SOURCES = %D%/test-relay.c
%C%_test_relay_LDADD = $(driver_test_libs)
EXTRA_DIST += %D%/golden

# Calls one driver from the command line; the scripts boot machines with it.
check_PROGRAMS += tests/driver/drive
tests_driver_drive_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"drive\"
tests_driver_drive_SOURCES = tests/driver/drive.c
tests_driver_drive_LDADD = $(driver_test_libs)
dist_check_SCRIPTS += tests/driver/container.sh tests/driver/libvirt.sh
TESTS += tests/driver/container.sh tests/driver/libvirt.sh

check_PROGRAMS += %D%/test-bootstrap
TESTS += %D%/test-bootstrap
%C%_test_bootstrap_CPPFLAGS = $(AM_CPPFLAGS) $(ARCHIVE_CFLAGS)
%C%_test_bootstrap_SOURCES = %D%/test-bootstrap.c
%C%_test_bootstrap_LDADD = src/bootstrap/libbootstrap.a src/driver/libdriver.a src/profile/libprofile.a src/base/libbase.a \
	$(launcher_system_libs)

check_PROGRAMS += %D%/test-service-ports
TESTS += %D%/test-service-ports
%C%_test_service_ports_SOURCES = %D%/test-service-ports.c tests/unit/controllers/cluster.c tests/unit/controllers/cluster.h
%C%_test_service_ports_LDADD = src/bootstrap/libbootstrap.a src/driver/libdriver.a src/profile/libprofile.a \
	$(controllers_test_libs) $(launcher_system_libs)

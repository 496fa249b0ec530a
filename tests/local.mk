# Unit tests: one program per subject, GLib GTest with TAP. Each room has a fragment of its own:
#   check_PROGRAMS += %D%/test-NAME
#   TESTS += %D%/test-NAME
#   %C%_test_NAME_SOURCES = %D%/test-NAME.c
#   %C%_test_NAME_LDADD = src/ROOM/libROOM.a src/base/libbase.a $(BASE_LIBS)
include tests/unit/base/local.mk
include tests/unit/profile/local.mk
include tests/unit/driver/local.mk
include tests/unit/bootstrap/local.mk
include tests/unit/launcher/local.mk
include tests/unit/api/local.mk
include tests/unit/store/local.mk
include tests/unit/server/local.mk
include tests/unit/client/local.mk
include tests/unit/controllers/local.mk
include tests/unit/scheduler/local.mk
include tests/unit/node/local.mk
include tests/unit/proxy/local.mk
include tests/unit/dns/local.mk

EXTRA_DIST += tests/course tests/e2e tests/tap.sh tests/docker tests/kubectl tests/unpacked tests/lint.py tests/tsan.supp tests/sanitizer-reports.sh
include tests/api/local.mk
include tests/store/local.mk
include tests/clients/local.mk

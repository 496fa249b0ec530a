check_PROGRAMS += %D%/test-cron-schedule %D%/test-files %D%/test-values
TESTS += %D%/test-cron-schedule %D%/test-files %D%/test-values
%C%_test_cron_schedule_SOURCES = %D%/test-cron-schedule.c
%C%_test_cron_schedule_LDADD = src/base/libbase.a $(BASE_LIBS) -lm
%C%_test_files_SOURCES = %D%/test-files.c
%C%_test_files_LDADD = src/base/libbase.a $(BASE_LIBS) -lm
%C%_test_values_SOURCES = %D%/test-values.c
%C%_test_values_LDADD = src/base/libbase.a $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-ip-address
TESTS += %D%/test-ip-address
%C%_test_ip_address_SOURCES = %D%/test-ip-address.c
%C%_test_ip_address_LDADD = src/base/libbase.a $(BASE_LIBS) -lm

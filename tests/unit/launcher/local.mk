check_PROGRAMS += %D%/test-launcher
TESTS += %D%/test-launcher
%C%_test_launcher_SOURCES = %D%/test-launcher.c
%C%_test_launcher_LDADD = $(launcher_libs) $(launcher_system_libs)

check_PROGRAMS += %D%/test-profile
TESTS += %D%/test-profile
%C%_test_profile_SOURCES = %D%/test-profile.c
%C%_test_profile_LDADD = src/profile/libprofile.a src/base/libbase.a $(BASE_LIBS) -lm

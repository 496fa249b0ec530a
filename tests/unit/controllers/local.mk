# unit tests of controllers; see tests/local.mk
check_PROGRAMS += %D%/test-deployment-math
TESTS += %D%/test-deployment-math
%C%_test_deployment_math_SOURCES = %D%/test-deployment-math.c
%C%_test_deployment_math_LDADD = src/clusterd/controllers/libcontrollers.a src/base/libbase.a $(BASE_LIBS) -lm

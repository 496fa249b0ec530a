# unit tests of controllers; see tests/local.mk
check_PROGRAMS += %D%/test-deployment-math
TESTS += %D%/test-deployment-math
%C%_test_deployment_math_SOURCES = %D%/test-deployment-math.c
%C%_test_deployment_math_LDADD = src/clusterd/controllers/libcontrollers.a src/base/libbase.a $(BASE_LIBS) -lm

# The whole control plane in one process; only what lies below the scheduler and the controllers.
controllers_test_libs = src/clusterd/scheduler/libscheduler.a src/clusterd/controllers/libcontrollers.a \
	src/clusterd/client/libclient.a src/clusterd/server/libserver.a src/clusterd/store/libstore.a \
	src/clusterd/api/libapi.a src/base/libbase.a $(SQLITE_LIBS) $(LIBEVENT_LIBS) $(ZLIB_LIBS) $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-deployment
TESTS += %D%/test-deployment
%C%_test_deployment_SOURCES = %D%/test-deployment.c %D%/cluster.c %D%/cluster.h
%C%_test_deployment_LDADD = $(controllers_test_libs)

check_PROGRAMS += %D%/test-controllers
TESTS += %D%/test-controllers
%C%_test_controllers_SOURCES = %D%/test-controllers.c %D%/cluster.c %D%/cluster.h
%C%_test_controllers_LDADD = $(controllers_test_libs)

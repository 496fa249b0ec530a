# unit tests of node; see tests/local.mk
check_PROGRAMS += %D%/test-docker-activation
TESTS += %D%/test-docker-activation
%C%_test_docker_activation_SOURCES = %D%/test-docker-activation.c
%C%_test_docker_activation_LDADD = src/clusterd/node/libnode.a src/base/libbase.a $(NETLINK_LIBS) $(ARCHIVE_LIBS) $(BASE_LIBS)

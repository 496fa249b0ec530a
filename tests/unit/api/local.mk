# unit tests of api; see tests/local.mk
api_test_libs = src/clusterd/api/libapi.a src/base/libbase.a $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-selector
TESTS += %D%/test-selector
%C%_test_selector_SOURCES = %D%/test-selector.c
%C%_test_selector_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-codec
TESTS += %D%/test-codec
%C%_test_codec_SOURCES = %D%/test-codec.c
%C%_test_codec_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-patch
TESTS += %D%/test-patch
%C%_test_patch_SOURCES = %D%/test-patch.c
%C%_test_patch_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-table
TESTS += %D%/test-table
%C%_test_table_SOURCES = %D%/test-table.c
%C%_test_table_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-discovery
TESTS += %D%/test-discovery
%C%_test_discovery_SOURCES = %D%/test-discovery.c
%C%_test_discovery_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-openapi
TESTS += %D%/test-openapi
%C%_test_openapi_SOURCES = %D%/test-openapi.c
%C%_test_openapi_LDADD = $(api_test_libs)

dist_check_SCRIPTS += %D%/kinds.sh
TESTS += %D%/kinds.sh
EXTRA_DIST += %D%/kinds.py

validation_case = %D%/validation_case.c %D%/validation_case.h
check_PROGRAMS += %D%/test-validation
TESTS += %D%/test-validation
%C%_test_validation_SOURCES = %D%/test-validation.c $(validation_case)
%C%_test_validation_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-pod
TESTS += %D%/test-validation-pod
%C%_test_validation_pod_SOURCES = %D%/test-validation-pod.c $(validation_case)
%C%_test_validation_pod_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-storage
TESTS += %D%/test-validation-storage
%C%_test_validation_storage_SOURCES = %D%/test-validation-storage.c $(validation_case)
%C%_test_validation_storage_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-network
TESTS += %D%/test-validation-network
%C%_test_validation_network_SOURCES = %D%/test-validation-network.c $(validation_case)
%C%_test_validation_network_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-policy
TESTS += %D%/test-validation-policy
%C%_test_validation_policy_SOURCES = %D%/test-validation-policy.c $(validation_case)
%C%_test_validation_policy_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-workloads
TESTS += %D%/test-validation-workloads
%C%_test_validation_workloads_SOURCES = %D%/test-validation-workloads.c $(validation_case)
%C%_test_validation_workloads_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-batch
TESTS += %D%/test-validation-batch
%C%_test_validation_batch_SOURCES = %D%/test-validation-batch.c $(validation_case)
%C%_test_validation_batch_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-service
TESTS += %D%/test-validation-service
%C%_test_validation_service_SOURCES = %D%/test-validation-service.c $(validation_case)
%C%_test_validation_service_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-cluster
TESTS += %D%/test-validation-cluster
%C%_test_validation_cluster_SOURCES = %D%/test-validation-cluster.c $(validation_case)
%C%_test_validation_cluster_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-validation-extension
TESTS += %D%/test-validation-extension
%C%_test_validation_extension_SOURCES = %D%/test-validation-extension.c $(validation_case)
%C%_test_validation_extension_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-object
TESTS += %D%/test-object
%C%_test_object_SOURCES = %D%/test-object.c
%C%_test_object_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-managed-fields
TESTS += %D%/test-managed-fields
%C%_test_managed_fields_SOURCES = %D%/test-managed-fields.c
%C%_test_managed_fields_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-legacy
TESTS += %D%/test-legacy
%C%_test_legacy_SOURCES = %D%/test-legacy.c
%C%_test_legacy_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-custom-schema
TESTS += %D%/test-custom-schema
%C%_test_custom_schema_SOURCES = %D%/test-custom-schema.c
%C%_test_custom_schema_LDADD = $(api_test_libs)

check_PROGRAMS += %D%/test-custom-definition
TESTS += %D%/test-custom-definition
%C%_test_custom_definition_SOURCES = %D%/test-custom-definition.c $(validation_case)
%C%_test_custom_definition_LDADD = $(api_test_libs)

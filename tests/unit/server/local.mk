# unit tests of server; see tests/local.mk

check_PROGRAMS += %D%/test-websocket
TESTS += %D%/test-websocket
%C%_test_websocket_SOURCES = %D%/test-websocket.c
%C%_test_websocket_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/test-spdy
TESTS += %D%/test-spdy
%C%_test_spdy_SOURCES = %D%/test-spdy.c
%C%_test_spdy_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(ZLIB_LIBS) $(BASE_LIBS)

check_PROGRAMS += %D%/test-stream
TESTS += %D%/test-stream
%C%_test_stream_SOURCES = %D%/test-stream.c %D%/child.c %D%/child.h
%C%_test_stream_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(ZLIB_LIBS) $(BASE_LIBS)

admission_test_libraries = src/clusterd/server/libserver.a src/clusterd/store/libstore.a src/clusterd/api/libapi.a \
	src/base/libbase.a $(SQLITE_LIBS) $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-admission-plugins
TESTS += %D%/test-admission-plugins
%C%_test_admission_plugins_SOURCES = %D%/test-admission-plugins.c %D%/admission.c %D%/admission.h
%C%_test_admission_plugins_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-bootstrap
TESTS += %D%/test-bootstrap
%C%_test_bootstrap_SOURCES = %D%/test-bootstrap.c %D%/admission.c %D%/admission.h
%C%_test_bootstrap_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-admission-limits
TESTS += %D%/test-admission-limits
%C%_test_admission_limits_SOURCES = %D%/test-admission-limits.c %D%/admission.c %D%/admission.h
%C%_test_admission_limits_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-admission-quota
TESTS += %D%/test-admission-quota
%C%_test_admission_quota_SOURCES = %D%/test-admission-quota.c %D%/admission.c %D%/admission.h
%C%_test_admission_quota_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-admission-pod-security
TESTS += %D%/test-admission-pod-security
%C%_test_admission_pod_security_SOURCES = %D%/test-admission-pod-security.c %D%/admission.c %D%/admission.h
%C%_test_admission_pod_security_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-admission-pods
TESTS += %D%/test-admission-pods
%C%_test_admission_pods_SOURCES = %D%/test-admission-pods.c %D%/admission.c %D%/admission.h
%C%_test_admission_pods_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-admission-objects
TESTS += %D%/test-admission-objects
%C%_test_admission_objects_SOURCES = %D%/test-admission-objects.c %D%/admission.c %D%/admission.h %D%/certificate-requests.h
%C%_test_admission_objects_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-admission-nodes
TESTS += %D%/test-admission-nodes
%C%_test_admission_nodes_SOURCES = %D%/test-admission-nodes.c %D%/admission.c %D%/admission.h
%C%_test_admission_nodes_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-registry
TESTS += %D%/test-registry
%C%_test_registry_SOURCES = %D%/test-registry.c
%C%_test_registry_LDADD = src/clusterd/server/libserver.a src/clusterd/store/libstore.a src/clusterd/api/libapi.a \
	src/base/libbase.a $(SQLITE_LIBS) $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-custom-resources
TESTS += %D%/test-custom-resources
%C%_test_custom_resources_SOURCES = %D%/test-custom-resources.c
%C%_test_custom_resources_LDADD = src/clusterd/server/libserver.a src/clusterd/store/libstore.a src/clusterd/api/libapi.a \
	src/base/libbase.a $(SQLITE_LIBS) $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-outbound
TESTS += %D%/test-outbound
%C%_test_outbound_SOURCES = %D%/test-outbound.c
%C%_test_outbound_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(LIBEVENT_LIBS) $(BASE_LIBS)

check_PROGRAMS += %D%/test-relay
TESTS += %D%/test-relay
%C%_test_relay_SOURCES = %D%/test-relay.c
%C%_test_relay_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(LIBEVENT_LIBS) $(BASE_LIBS)

check_PROGRAMS += %D%/test-webhook
TESTS += %D%/test-webhook
%C%_test_webhook_SOURCES = %D%/test-webhook.c %D%/admission.c %D%/admission.h
%C%_test_webhook_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-access
TESTS += %D%/test-access
%C%_test_access_SOURCES = %D%/test-access.c %D%/folder.c %D%/folder.h
%C%_test_access_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/test-rbac-rules
TESTS += %D%/test-rbac-rules
%C%_test_rbac_rules_SOURCES = %D%/test-rbac-rules.c
%C%_test_rbac_rules_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/test-event-expiry
TESTS += %D%/test-event-expiry
%C%_test_event_expiry_SOURCES = %D%/test-event-expiry.c
%C%_test_event_expiry_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-flow-control
TESTS += %D%/test-flow-control
%C%_test_flow_control_SOURCES = %D%/test-flow-control.c
%C%_test_flow_control_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-audit
TESTS += %D%/test-audit
%C%_test_audit_SOURCES = %D%/test-audit.c %D%/folder.c %D%/folder.h
%C%_test_audit_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(BASE_LIBS) -lm

check_PROGRAMS += %D%/test-resource-metrics
TESTS += %D%/test-resource-metrics
%C%_test_resource_metrics_SOURCES = %D%/test-resource-metrics.c
%C%_test_resource_metrics_LDADD = $(admission_test_libraries)

check_PROGRAMS += %D%/test-service-families
TESTS += %D%/test-service-families
%C%_test_service_families_SOURCES = %D%/test-service-families.c
%C%_test_service_families_LDADD = $(admission_test_libraries)

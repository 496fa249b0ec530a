noinst_LIBRARIES += %D%/libapi.a
%C%_libapi_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"api\"
%C%_libapi_a_SOURCES =

# selectors and patches
%C%_libapi_a_SOURCES += \
	%D%/patch.h %D%/patch_json.c %D%/patch_lists.c %D%/patch_merge.c %D%/patch_strategic.c %D%/patch_strategic.h \
	%D%/selector.c %D%/selector.h %D%/selector_field.c %D%/selector_syntax.c %D%/selector_syntax.h %D%/selector_term.c

# Table output
%C%_libapi_a_SOURCES += \
	%D%/cell_text.c %D%/cell_text.h %D%/table.c %D%/table.h \
	%D%/table_cells_autoscaling.c %D%/table_cells_cluster.c %D%/table_cells_event.c %D%/table_cells_extension.c \
	%D%/table_cells_network.c \
	%D%/table_cells_pod.c %D%/table_cells_storage.c %D%/table_cells_workload.c

# discovery and OpenAPI
%C%_libapi_a_SOURCES += \
	%D%/discovery.c %D%/discovery.h \
	%D%/openapi.c %D%/openapi.h %D%/openapi_parts.h %D%/openapi_paths.c %D%/openapi_protobuf.c %D%/openapi_schema.c

# custom resources
%C%_libapi_a_SOURCES += \
	%D%/custom_definition.c %D%/custom_definition.h \
	%D%/definition_approval.c %D%/definition_approval.h \
	%D%/definition_schema.c %D%/definition_schema.h \
	%D%/definition_version.c %D%/definition_version.h \
	%D%/strategy_definition.c \
	%D%/json_path.c %D%/json_path.h \
	%D%/openapi_custom.c \
	%D%/schema.h %D%/schema_compile.c %D%/schema_format.c %D%/schema_number.h %D%/schema_prune.c %D%/schema_validate.c

# server-side apply
%C%_libapi_a_SOURCES += \
	%D%/field_set.c %D%/field_set.h %D%/field_set_value.c %D%/managed_fields.c %D%/managed_fields.h \
	%D%/version_changes.c %D%/version_changes.h

# the tables and what is read from them
%C%_libapi_a_SOURCES += \
	%D%/conversion.c %D%/conversion.h %D%/conversion_annotation.c %D%/conversion_annotation.h \
	%D%/conversion_autoscaling.c %D%/conversion_autoscaling_beta.c %D%/conversion_network.c %D%/conversion_policy.c \
	%D%/conversion_workloads.c \
	%D%/codec.c %D%/codec.h \
	%D%/field_errors.c %D%/field_errors.h \
	%D%/json_prune.c %D%/json_prune.h \
	%D%/json_scan.c %D%/json_scan.h %D%/last_applied.c %D%/last_applied.h %D%/typed_path.c %D%/typed_path.h \
	%D%/kind.c %D%/kind.h \
	%D%/object.c %D%/object.h \
	%D%/protobuf.h %D%/protobuf_decode.c %D%/protobuf_encode.c \
	%D%/resource_list.c %D%/resource_list.h \
	%D%/scheme.c %D%/scheme.h \
	%D%/defaults.c \
	%D%/strategies.h \
	%D%/strategy_admission.c %D%/strategy_admission.h \
	%D%/strategy_admission_policy.c \
	%D%/strategy_autoscaling.c \
	%D%/strategy_batch.c \
	%D%/strategy_certificate.c \
	%D%/strategy_common.c %D%/strategy_common.h \
	%D%/strategy_config.c \
	%D%/strategy_container.c \
	%D%/strategy_core.c \
	%D%/strategy_driver.c \
	%D%/strategy_endpoints.c \
	%D%/strategy_environment.c %D%/strategy_environment.h \
	%D%/strategy_extension.c \
	%D%/strategy_flow.c \
	%D%/strategy_legacy.c \
	%D%/strategy_job.h %D%/strategy_job_policy.c \
	%D%/strategy_mount.c %D%/strategy_mount.h \
	%D%/strategy_network.c \
	%D%/strategy_placement.c %D%/strategy_placement.h \
	%D%/strategy_pod.c %D%/strategy_pod.h \
	%D%/strategy_pod_spec.c \
	%D%/strategy_pod_update.c \
	%D%/strategy_probe.c \
	%D%/strategy_quota.c \
	%D%/strategy_rbac.c \
	%D%/strategy_resources.c %D%/strategy_resources.h \
	%D%/strategy_security.c %D%/strategy_security.h \
	%D%/strategy_service.c %D%/strategy_service.h %D%/strategy_service_rules.c \
	%D%/strategy_small.c \
	%D%/strategy_storage.c \
	%D%/strategy_volume.c \
	%D%/strategy_workloads.c \
	%D%/validation.c %D%/validation.h \
	%D%/validation_format.c \
	%D%/validation_metadata.c %D%/validation_metadata.h \
	%D%/table_cells.h

api_kinds = \
	%D%/meta_v1.kinds \
	%D%/core_v1.kinds \
	%D%/admissionregistration_v1.kinds \
	%D%/apiextensions_v1.kinds \
	%D%/apiregistration_v1.kinds \
	%D%/apps_v1.kinds \
	%D%/authentication_v1.kinds \
	%D%/authorization_v1.kinds \
	%D%/autoscaling_v1.kinds \
	%D%/autoscaling_v2.kinds \
	%D%/batch_v1.kinds \
	%D%/certificates_v1.kinds \
	%D%/coordination_v1.kinds \
	%D%/discovery_v1.kinds \
	%D%/events_v1.kinds \
	%D%/flowcontrol_v1.kinds \
	%D%/networking_v1.kinds \
	%D%/node_v1.kinds \
	%D%/policy_v1.kinds \
	%D%/rbac_v1.kinds \
	%D%/scheduling_v1.kinds \
	%D%/settings_v1alpha1.kinds \
	%D%/storage_v1.kinds

# older versions, made from the ones above
legacy_kinds = \
	%D%/extensions_v1beta1.kinds \
	%D%/apps_v1beta1.kinds \
	%D%/apps_v1beta2.kinds \
	%D%/autoscaling_v2beta1.kinds \
	%D%/autoscaling_v2beta2.kinds \
	%D%/batch_v1beta1.kinds \
	%D%/certificates_v1beta1.kinds \
	%D%/coordination_v1beta1.kinds \
	%D%/discovery_v1beta1.kinds \
	%D%/events_v1beta1.kinds \
	%D%/networking_v1beta1.kinds \
	%D%/node_v1beta1.kinds \
	%D%/policy_v1beta1.kinds \
	%D%/rbac_v1beta1.kinds \
	%D%/scheduling_v1beta1.kinds \
	%D%/storage_v1beta1.kinds

EXTRA_DIST += $(api_kinds) $(legacy_kinds) %D%/generate.py %D%/kinds.md
CLEANFILES += %D%/tables.c
nodist_%C%_libapi_a_SOURCES = %D%/tables.c
%D%/tables.c: %D%/generate.py $(api_kinds) $(legacy_kinds)
	$(AM_V_GEN)$(MKDIR_P) %D% && cd $(srcdir) && \
	$(PYTHON) %D%/generate.py $(abs_builddir)/$@.tmp $(api_kinds) $(legacy_kinds) && mv $(abs_builddir)/$@.tmp $(abs_builddir)/$@

noinst_LIBRARIES += %D%/libapi.a
%C%_libapi_a_CPPFLAGS = $(AM_CPPFLAGS) -DG_LOG_DOMAIN=\"api\"
%C%_libapi_a_SOURCES =

# selectors and patches
%C%_libapi_a_SOURCES += \
	%D%/patch/patch.h %D%/patch/patch_json.c %D%/patch/patch_lists.c %D%/patch/patch_merge.c \
	%D%/patch/patch_strategic.c %D%/patch/patch_strategic.h \
	%D%/selector/selector.c %D%/selector/selector.h %D%/selector/selector_field.c %D%/selector/selector_syntax.c \
	%D%/selector/selector_syntax.h %D%/selector/selector_term.c

# Table output
%C%_libapi_a_SOURCES += \
	%D%/table/cell_text.c %D%/table/cell_text.h %D%/table/table.c %D%/table/table.h \
	%D%/table/table_cells_autoscaling.c %D%/table/table_cells_cluster.c %D%/table/table_cells_event.c %D%/table/table_cells_metrics.c \
	%D%/table/table_cells_extension.c \
	%D%/table/table_cells_network.c \
	%D%/table/table_cells_pod.c %D%/table/table_cells_storage.c %D%/table/table_cells_workload.c

# discovery and OpenAPI
%C%_libapi_a_SOURCES += \
	%D%/openapi/discovery.c %D%/openapi/discovery.h \
	%D%/openapi/openapi.c %D%/openapi/openapi.h %D%/openapi/openapi_parts.h %D%/openapi/openapi_paths.c \
	%D%/openapi/openapi_merge.c \
	%D%/openapi/openapi_protobuf.c %D%/openapi/openapi_schema.c

# custom resources
%C%_libapi_a_SOURCES += \
	%D%/custom/custom_definition.c %D%/custom/custom_definition.h \
	%D%/custom/definition_approval.c %D%/custom/definition_approval.h \
	%D%/custom/definition_schema.c %D%/custom/definition_schema.h \
	%D%/custom/definition_version.c %D%/custom/definition_version.h \
	%D%/strategies/strategy_definition.c \
	%D%/json_path.c %D%/json_path.h \
	%D%/openapi/openapi_custom.c \
	%D%/custom/schema.h %D%/custom/schema_compile.c %D%/custom/schema_format.c %D%/custom/schema_number.h \
	%D%/custom/schema_prune.c %D%/custom/schema_validate.c

# server-side apply
%C%_libapi_a_SOURCES += \
	%D%/apply/field_set.c %D%/apply/field_set.h %D%/apply/field_set_value.c %D%/apply/managed_fields.c \
	%D%/apply/managed_fields.h \
	%D%/apply/version_prune.c %D%/apply/version_prune.h %D%/apply/version_changes.c %D%/apply/version_changes.h

# the tables and what is read from them
%C%_libapi_a_SOURCES += \
	%D%/conversion/conversion.c %D%/conversion/conversion.h %D%/conversion/conversion_annotation.c \
	%D%/conversion/conversion_annotation.h \
	%D%/conversion/conversion_autoscaling.c %D%/conversion/conversion_autoscaling_beta.c \
	%D%/conversion/conversion_network.c %D%/conversion/conversion_policy.c \
	%D%/conversion/conversion_workloads.c \
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
	%D%/strategies/strategies.h \
	%D%/strategies/strategy_admission.c %D%/strategies/strategy_admission.h \
	%D%/strategies/strategy_admission_policy.c \
	%D%/strategies/strategy_autoscaling.c \
	%D%/strategies/strategy_batch.c \
	%D%/strategies/strategy_certificate.c \
	%D%/strategies/strategy_common.c %D%/strategies/strategy_common.h \
	%D%/strategies/strategy_config.c \
	%D%/strategies/strategy_container.c \
	%D%/strategies/strategy_core.c \
	%D%/strategies/strategy_driver.c \
	%D%/strategies/strategy_endpoints.c \
	%D%/strategies/strategy_environment.c %D%/strategies/strategy_environment.h \
	%D%/strategies/strategy_extension.c \
	%D%/strategies/strategy_flow.c \
	%D%/strategies/strategy_legacy.c \
	%D%/strategies/strategy_job.h %D%/strategies/strategy_job_policy.c \
	%D%/strategies/strategy_mount.c %D%/strategies/strategy_mount.h \
	%D%/strategies/strategy_network.c \
	%D%/strategies/strategy_placement.c %D%/strategies/strategy_placement.h \
	%D%/strategies/strategy_pod.c %D%/strategies/strategy_pod.h \
	%D%/strategies/strategy_pod_annotations.c \
	%D%/strategies/strategy_pod_spec.c \
	%D%/strategies/strategy_pod_update.c \
	%D%/strategies/strategy_probe.c \
	%D%/strategies/strategy_quota.c \
	%D%/strategies/strategy_rbac.c \
	%D%/strategies/strategy_resources.c %D%/strategies/strategy_resources.h \
	%D%/strategies/strategy_security.c %D%/strategies/strategy_security.h \
	%D%/strategies/strategy_service.c %D%/strategies/strategy_service.h %D%/strategies/strategy_service_rules.c \
	%D%/strategies/strategy_small.c \
	%D%/strategies/strategy_storage.c \
	%D%/strategies/strategy_event.c \
	%D%/strategies/strategy_volume.c \
	%D%/strategies/strategy_windows.c \
	%D%/strategies/strategy_workloads.c \
	%D%/validation.c %D%/validation.h \
	%D%/validation_format.c \
	%D%/validation_metadata.c %D%/validation_metadata.h \
	%D%/table/table_cells.h

api_kinds = \
	%D%/kinds/meta_v1.kinds \
	%D%/kinds/core_v1.kinds \
	%D%/kinds/admissionregistration_v1.kinds \
	%D%/kinds/apiextensions_v1.kinds \
	%D%/kinds/apiregistration_v1.kinds \
	%D%/kinds/apps_v1.kinds \
	%D%/kinds/authentication_v1.kinds \
	%D%/kinds/authorization_v1.kinds \
	%D%/kinds/autoscaling_v1.kinds \
	%D%/kinds/autoscaling_v2.kinds \
	%D%/kinds/batch_v1.kinds \
	%D%/kinds/certificates_v1.kinds \
	%D%/kinds/coordination_v1.kinds \
	%D%/kinds/discovery_v1.kinds \
	%D%/kinds/events_v1.kinds \
	%D%/kinds/flowcontrol_v1.kinds \
	%D%/kinds/metrics_v1beta1.kinds \
	%D%/kinds/networking_v1.kinds \
	%D%/kinds/node_v1.kinds \
	%D%/kinds/policy_v1.kinds \
	%D%/kinds/rbac_v1.kinds \
	%D%/kinds/scheduling_v1.kinds \
	%D%/kinds/settings_v1alpha1.kinds \
	%D%/kinds/storage_v1.kinds

# older versions, made from the ones above
legacy_kinds = \
	%D%/kinds/extensions_v1beta1.kinds \
	%D%/kinds/apps_v1beta1.kinds \
	%D%/kinds/apps_v1beta2.kinds \
	%D%/kinds/autoscaling_v2beta1.kinds \
	%D%/kinds/autoscaling_v2beta2.kinds \
	%D%/kinds/batch_v1beta1.kinds \
	%D%/kinds/certificates_v1beta1.kinds \
	%D%/kinds/coordination_v1beta1.kinds \
	%D%/kinds/discovery_v1beta1.kinds \
	%D%/kinds/events_v1beta1.kinds \
	%D%/kinds/networking_v1beta1.kinds \
	%D%/kinds/node_v1beta1.kinds \
	%D%/kinds/policy_v1beta1.kinds \
	%D%/kinds/rbac_v1beta1.kinds \
	%D%/kinds/scheduling_v1beta1.kinds \
	%D%/kinds/storage_v1beta1.kinds

EXTRA_DIST += $(api_kinds) $(legacy_kinds) %D%/kinds/generate.py %D%/kinds/kinds.md
CLEANFILES += %D%/tables.c
nodist_%C%_libapi_a_SOURCES = %D%/tables.c
%D%/tables.c: %D%/kinds/generate.py $(api_kinds) $(legacy_kinds)
	$(AM_V_GEN)$(MKDIR_P) %D% && cd $(srcdir) && \
	$(PYTHON) %D%/kinds/generate.py $(abs_builddir)/$@.tmp $(api_kinds) $(legacy_kinds) && mv $(abs_builddir)/$@.tmp $(abs_builddir)/$@

#pragma once
/* The rules of kinds and messages that are code: what the *.kinds files name by `strategy`, `defaults()` and
 * `validate()`. Each lives in the strategy_*.c of its area. Before prepare_create the registry has set metadata.name,
 * namespace, uid and creationTimestamp, and the defaults are filled in. */
#include "clusterd/api/field_errors.h"
#include "clusterd/api/kind.h"

#define STRATEGY(name) extern const ApiStrategy strategy_##name
#define DEFAULTS(name) void default_##name(json_t *value)
#define VALIDATE(name) void validate_##name(const json_t *value, const char *path, FieldErrors *errors)

/* strategy_common.c */
STRATEGY(status_only); /* status is written through its subresource, and nothing else there */

/* strategy_pod.c, strategy_pod_update.c, strategy_container.c, strategy_probe.c, strategy_volume.c */
STRATEGY(pod);
DEFAULTS(pod);
DEFAULTS(pod_spec);
DEFAULTS(container);
DEFAULTS(volume);
VALIDATE(pod_spec);
VALIDATE(container);
VALIDATE(volume);
VALIDATE(probe);
VALIDATE(lifecycle_handler);
VALIDATE(port_action);
VALIDATE(empty_dir);
VALIDATE(nfs);
VALIDATE(iscsi);
VALIDATE(fibre_channel);
VALIDATE(csi_name);
VALIDATE(downward_api);
VALIDATE(projected);

/* strategy_environment.c, strategy_resources.c, strategy_security.c, strategy_placement.c */
VALIDATE(env_var);
VALIDATE(env_source);
VALIDATE(named_reference);
VALIDATE(key_selector);
VALIDATE(resources);
VALIDATE(seccomp);
VALIDATE(app_armor);
VALIDATE(security_context);
VALIDATE(windows_options); /* strategy_windows.c */
VALIDATE(node_selector);
VALIDATE(preferred_term);
VALIDATE(pod_affinity_term);
VALIDATE(spread_constraint);
VALIDATE(toleration);

/* strategy_event.c */
STRATEGY(event);

/* strategy_service.c */
STRATEGY(service);
DEFAULTS(service);

/* strategy_workloads.c */
STRATEGY(deployment);
STRATEGY(replica_set);
STRATEGY(daemon_set);
STRATEGY(stateful_set);
STRATEGY(replication_controller);
DEFAULTS(deployment_strategy);
DEFAULTS(daemon_set_strategy);
DEFAULTS(stateful_set_strategy);
DEFAULTS(replication_controller);

/* strategy_batch.c */
STRATEGY(job);
STRATEGY(cron_job);
VALIDATE(job_spec);
DEFAULTS(job);

/* strategy_certificate.c, strategy_driver.c, strategy_endpoints.c, strategy_small.c */
STRATEGY(certificate_signing_request);
STRATEGY(csi_driver);
STRATEGY(csi_node);
STRATEGY(volume_attachment);
STRATEGY(endpoint_slice);
STRATEGY(endpoints);
STRATEGY(priority_class);
VALIDATE(lease_spec);
STRATEGY(controller_revision);
STRATEGY(runtime_class);

/* strategy_config.c */
STRATEGY(config_map);
STRATEGY(secret);
DEFAULTS(secret);

/* strategy_core.c; the last two are in strategy_common.c */
STRATEGY(namespace);
STRATEGY(node);
DEFAULTS(namespace);
DEFAULTS(node);
DEFAULTS(network_policy_spec);
DEFAULTS(limit_range_item);
VALIDATE(label_requirement);
VALIDATE(label_selector);
VALIDATE(pod_template);

/* strategy_storage.c */
STRATEGY(persistent_volume);
STRATEGY(persistent_volume_claim);
STRATEGY(storage_class);
STRATEGY(volume_attributes_class);
VALIDATE(claim_spec);
VALIDATE(topology_term);

/* strategy_network.c */
STRATEGY(ingress);
STRATEGY(ingress_class);
VALIDATE(ingress_path);
VALIDATE(ingress_backend);
VALIDATE(ingress_rule);
VALIDATE(ingress_tls);
VALIDATE(ingress_spec);
VALIDATE(policy_port);
VALIDATE(policy_peer);
VALIDATE(ip_block);
VALIDATE(network_policy_spec);

/* strategy_quota.c */
STRATEGY(resource_quota);
STRATEGY(limit_range);

/* strategy_rbac.c */
STRATEGY(role);
STRATEGY(cluster_role);
STRATEGY(role_binding);
STRATEGY(cluster_role_binding);
DEFAULTS(subject);

/* strategy_autoscaling.c */
DEFAULTS(autoscaler_behavior);
DEFAULTS(autoscaler_spec);
VALIDATE(autoscaler_spec);
VALIDATE(metric);
VALIDATE(metric_target);
VALIDATE(scaling_rules);
VALIDATE(budget_spec);

/* strategy_admission.c, strategy_admission_policy.c */
STRATEGY(webhook_configuration);
STRATEGY(validating_admission_policy);
STRATEGY(validating_admission_policy_binding);
VALIDATE(webhook);
VALIDATE(rule_with_operations);
VALIDATE(named_rule);
VALIDATE(match_resources);

/* strategy_flow.c */
STRATEGY(flow_schema);
STRATEGY(priority_level);
DEFAULTS(queuing);
DEFAULTS(flow_schema_spec);

/* strategy_definition.c */
STRATEGY(custom_resource_definition);

/* strategy_extension.c */
STRATEGY(api_service);
DEFAULTS(custom_resource_definition);

/* strategy_legacy.c: what only old versions have */
DEFAULTS(template_labels); /* selector and labels are the template's labels */
DEFAULTS(extensions_deployment_strategy);
VALIDATE(pod_preset_spec);

#undef STRATEGY
#undef DEFAULTS
#undef VALIDATE

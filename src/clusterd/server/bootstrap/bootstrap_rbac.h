#pragma once
/*
 * The roles and bindings every cluster begins with. RULES is a list separated by ";" of "verbs | groups | resources",
 * "… | resourceNames" where only named objects are meant, or "verbs | url | paths"; items are separated by ",", the
 * group "core" is "". Source: the default roles of Kubernetes' RBAC documentation.
 */
typedef struct BootstrapRole {
  const char *namespace_;   /* NULL: a ClusterRole */
  const char *name;         /* NULL ends the table */
  const char *aggregate_to; /* its rules are part of these roles ("edit,view"): label aggregate-to-NAME; NULL: none */
  const char *aggregates;   /* it is the sum of the roles with that label; NULL: its own rules */
  const char *rules;
} BootstrapRole;

typedef struct BootstrapBinding {
  const char *namespace_; /* NULL: a ClusterRoleBinding */
  const char *name;       /* NULL ends the table */
  const char *role_kind, *role;
  const char *subjects; /* "KIND NAME" separated by ";"; a ServiceAccount is NAMESPACE:NAME */
} BootstrapBinding;

extern const BootstrapRole bootstrap_roles[];
/* Those that metrics-server brings with it: only where metrics.k8s.io is served. */
extern const BootstrapRole bootstrap_metrics_roles[];
extern const BootstrapBinding bootstrap_bindings[];

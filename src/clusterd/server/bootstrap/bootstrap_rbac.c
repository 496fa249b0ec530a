/* The default roles and bindings, as facts in a compact form: see bootstrap_rbac.h. */
#include "clusterd/server/bootstrap/bootstrap_rbac.h"

#include <stddef.h>

/* clang-format off */
const BootstrapRole bootstrap_metrics_roles[] = {
  { NULL, "system:aggregated-metrics-reader", "admin,edit,view", NULL,
    "get,list,watch | metrics.k8s.io | nodes,pods" },
  { NULL, NULL, NULL, NULL, NULL },
};

const BootstrapRole bootstrap_roles[] = {
  { NULL, "admin", NULL, "admin",
    "" },
  { NULL, "cluster-admin", NULL, NULL,
    "* | * | *;"
    "* | url | *" },
  { NULL, "edit", "admin", "edit",
    "" },
  { NULL, "system:aggregate-to-admin", "admin", NULL,
    "create | authorization.k8s.io | localsubjectaccessreviews;"
    "create,delete,deletecollection,get,list,patch,update,watch | rbac.authorization.k8s.io | rolebindings,"
    "roles" },
  { NULL, "system:aggregate-to-edit", "edit", NULL,
    "get,list,watch | core | pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy;"
    "impersonate | core | serviceaccounts;"
    "create,delete,deletecollection,patch,update | core | pods,pods/attach,pods/exec,pods/portforward,"
    "pods/proxy;"
    "create | core | pods/eviction;"
    "create,delete,deletecollection,patch,update | core | configmaps,events,persistentvolumeclaims,"
    "replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy;"
    "create,delete,deletecollection,patch,update | apps | daemonsets,deployments,deployments/rollback,"
    "deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale;"
    "create,delete,deletecollection,patch,update | autoscaling | horizontalpodautoscalers;"
    "create,delete,deletecollection,patch,update | batch | cronjobs,jobs;"
    "create,delete,deletecollection,patch,update | extensions | daemonsets,deployments,deployments/rollback,"
    "deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale;"
    "create,delete,deletecollection,patch,update | policy | poddisruptionbudgets;"
    "create,delete,deletecollection,patch,update | networking.k8s.io | ingresses,networkpolicies;"
    "create | core | serviceaccounts/token;"
    "create,delete,deletecollection,get,list,patch,update,watch | coordination.k8s.io | leases" },
  { NULL, "system:aggregate-to-view", "view", NULL,
    "get,list,watch | core | configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,"
    "replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status;"
    "get,list,watch | core | bindings,events,limitranges,namespaces/status,pods/log,pods/status,"
    "replicationcontrollers/status,resourcequotas,resourcequotas/status;"
    "get,list,watch | core | namespaces;"
    "get,list,watch | apps | controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,"
    "deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,"
    "statefulsets/status;"
    "get,list,watch | autoscaling | horizontalpodautoscalers,horizontalpodautoscalers/status;"
    "get,list,watch | batch | cronjobs,cronjobs/status,jobs,jobs/status;"
    "get,list,watch | extensions | daemonsets,daemonsets/status,deployments,deployments/scale,"
    "deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,"
    "replicasets/status,replicationcontrollers/scale;"
    "get,list,watch | policy | poddisruptionbudgets,poddisruptionbudgets/status;"
    "get,list,watch | networking.k8s.io | ingresses,ingresses/status,networkpolicies;"
    "get,list,watch | discovery.k8s.io | endpointslices" },
  { NULL, "system:auth-delegator", NULL, NULL,
    "create | authentication.k8s.io | tokenreviews;"
    "create | authorization.k8s.io | subjectaccessreviews" },
  { NULL, "system:basic-user", NULL, NULL,
    "create | authorization.k8s.io | selfsubjectaccessreviews,selfsubjectrulesreviews;"
    "create | authentication.k8s.io | selfsubjectreviews" },
  { NULL, "system:certificates.k8s.io:certificatesigningrequests:nodeclient", NULL, NULL,
    "create | certificates.k8s.io | certificatesigningrequests/nodeclient" },
  { NULL, "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", NULL, NULL,
    "create | certificates.k8s.io | certificatesigningrequests/selfnodeclient" },
  { NULL, "system:certificates.k8s.io:kube-apiserver-client-approver", NULL, NULL,
    "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client" },
  { NULL, "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver", NULL, NULL,
    "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet" },
  { NULL, "system:certificates.k8s.io:kubelet-serving-approver", NULL, NULL,
    "approve | certificates.k8s.io | signers | kubernetes.io/kubelet-serving" },
  { NULL, "system:certificates.k8s.io:legacy-unknown-approver", NULL, NULL,
    "approve | certificates.k8s.io | signers | kubernetes.io/legacy-unknown" },
  { NULL, "system:controller:attachdetach-controller", NULL, NULL,
    "list,watch | core | persistentvolumeclaims,persistentvolumes;"
    "get,list,watch | core | nodes;"
    "patch,update | core | nodes/status;"
    "list,watch | core | pods;"
    "create,patch,update | core,events.k8s.io | events;"
    "create,delete,get,list,watch | storage.k8s.io | volumeattachments;"
    "get,list,watch | storage.k8s.io | csidrivers;"
    "get,list,watch | storage.k8s.io | csinodes" },
  { NULL, "system:controller:certificate-controller", NULL, NULL,
    "delete,get,list,watch | certificates.k8s.io | certificatesigningrequests;"
    "update | certificates.k8s.io | certificatesigningrequests/approval,certificatesigningrequests/status;"
    "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet;"
    "sign | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client,"
    "kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown;"
    "create | authorization.k8s.io | subjectaccessreviews;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:clusterrole-aggregation-controller", NULL, NULL,
    "escalate,get,list,patch,update,watch | rbac.authorization.k8s.io | clusterroles" },
  { NULL, "system:controller:cronjob-controller", NULL, NULL,
    "get,list,update,watch | batch | cronjobs;"
    "create,delete,get,list,patch,update,watch | batch | jobs;"
    "update | batch | cronjobs/status;"
    "update | batch | cronjobs/finalizers;"
    "delete,list | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:daemon-set-controller", NULL, NULL,
    "get,list,watch | apps,extensions | daemonsets;"
    "update | apps,extensions | daemonsets/status;"
    "update | apps,extensions | daemonsets/finalizers;"
    "list,watch | core | nodes;"
    "create,delete,list,patch,watch | core | pods;"
    "create | core | pods/binding;"
    "create,delete,get,list,patch,update,watch | apps | controllerrevisions;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:deployment-controller", NULL, NULL,
    "get,list,update,watch | apps,extensions | deployments;"
    "update | apps,extensions | deployments/status;"
    "update | apps,extensions | deployments/finalizers;"
    "create,delete,get,list,patch,update,watch | apps,extensions | replicasets;"
    "get,list,update,watch | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:disruption-controller", NULL, NULL,
    "get,list,watch | apps,extensions | deployments;"
    "get,list,watch | apps,extensions | replicasets;"
    "get,list,watch | core | replicationcontrollers;"
    "get,list,watch | policy | poddisruptionbudgets;"
    "get,list,watch | apps | statefulsets;"
    "update | policy | poddisruptionbudgets/status;"
    "patch,update | core | pods/status;"
    "get | * | */scale;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:endpoint-controller", NULL, NULL,
    "get,list,watch | core | pods,services;"
    "create,delete,get,list,update | core | endpoints;"
    "create | core | endpoints/restricted;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:endpointslice-controller", NULL, NULL,
    "get,list,watch | core | nodes,pods,services;"
    "update | core | services/finalizers;"
    "create,delete,get,list,update | discovery.k8s.io | endpointslices;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:endpointslicemirroring-controller", NULL, NULL,
    "get,list,watch | core | endpoints,services;"
    "update | core | services/finalizers;"
    "update | core | endpoints/finalizers;"
    "create,delete,get,list,update | discovery.k8s.io | endpointslices;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:ephemeral-volume-controller", NULL, NULL,
    "get,list,watch | core | pods;"
    "update | core | pods/finalizers;"
    "create,get,list,watch | core | persistentvolumeclaims;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:expand-controller", NULL, NULL,
    "get,list,patch,update,watch | core | persistentvolumes;"
    "patch,update | core | persistentvolumeclaims/status;"
    "get,list,watch | core | persistentvolumeclaims;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:generic-garbage-collector", NULL, NULL,
    "delete,get,list,patch,update,watch | * | *;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:horizontal-pod-autoscaler", NULL, NULL,
    "get,list,watch | autoscaling | horizontalpodautoscalers;"
    "update | autoscaling | horizontalpodautoscalers/status;"
    "get,update | * | */scale;"
    "list | core | pods;"
    "list | metrics.k8s.io | pods;"
    "get,list | custom.metrics.k8s.io | *;"
    "get,list | external.metrics.k8s.io | *;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:job-controller", NULL, NULL,
    "get,list,patch,update,watch | batch | jobs;"
    "update | batch | jobs/status;"
    "update | batch | jobs/finalizers;"
    "create,delete,list,patch,watch | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:legacy-service-account-token-cleaner", NULL, NULL,
    "get | core | configmaps | kube-apiserver-legacy-service-account-token-tracking;"
    "delete,patch | core | secrets" },
  { NULL, "system:controller:namespace-controller", NULL, NULL,
    "delete,get,list,watch | core | namespaces;"
    "update | core | namespaces/finalize,namespaces/status;"
    "delete,deletecollection,get,list | * | *" },
  { NULL, "system:controller:node-controller", NULL, NULL,
    "delete,get,list,patch,update | core | nodes;"
    "patch,update | core | nodes/status;"
    "patch,update | core | pods/status;"
    "delete,get,list | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:persistent-volume-binder", NULL, NULL,
    "create,delete,get,list,update,watch | core | persistentvolumes;"
    "update | core | persistentvolumes/status;"
    "get,list,update,watch | core | persistentvolumeclaims;"
    "update | core | persistentvolumeclaims/status;"
    "create,delete,get,list,watch | core | pods;"
    "get,list,watch | storage.k8s.io | storageclasses;"
    "get,list | core | nodes;"
    "watch | core | events;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:pod-garbage-collector", NULL, NULL,
    "delete,list,watch | core | pods;"
    "get,list | core | nodes;"
    "patch | core | pods/status" },
  { NULL, "system:controller:pv-protection-controller", NULL, NULL,
    "get,list,update,watch | core | persistentvolumes;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:pvc-protection-controller", NULL, NULL,
    "get,list,update,watch | core | persistentvolumeclaims;"
    "get,list,watch | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:replicaset-controller", NULL, NULL,
    "get,list,update,watch | apps,extensions | replicasets;"
    "update | apps,extensions | replicasets/status;"
    "update | apps,extensions | replicasets/finalizers;"
    "create,delete,list,patch,watch | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:replication-controller", NULL, NULL,
    "get,list,update,watch | core | replicationcontrollers;"
    "update | core | replicationcontrollers/status;"
    "update | core | replicationcontrollers/finalizers;"
    "create,delete,list,patch,watch | core | pods;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:resourcequota-controller", NULL, NULL,
    "list,watch | * | *;"
    "update | core | resourcequotas/status;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:root-ca-cert-publisher", NULL, NULL,
    "create,update | core | configmaps;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:route-controller", NULL, NULL,
    "list,watch | core | nodes;"
    "patch | core | nodes/status;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:service-account-controller", NULL, NULL,
    "create | core | serviceaccounts;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:service-controller", NULL, NULL,
    "get,list,watch | core | services;"
    "patch,update | core | services/status;"
    "list,watch | core | nodes;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:statefulset-controller", NULL, NULL,
    "list,watch | core | pods;"
    "get,list,watch | apps | statefulsets;"
    "update | apps | statefulsets/status;"
    "update | apps | statefulsets/finalizers;"
    "create,delete,get,patch,update | core | pods;"
    "create,delete,get,list,patch,update,watch | apps | controllerrevisions;"
    "create,get | core | persistentvolumeclaims;"
    "delete,update | core | persistentvolumeclaims;"
    "update | core | pods/finalizers;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:ttl-after-finished-controller", NULL, NULL,
    "delete,get,list,watch | batch | jobs;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:ttl-controller", NULL, NULL,
    "list,patch,update,watch | core | nodes;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:controller:validatingadmissionpolicy-status-controller", NULL, NULL,
    "get,list,watch | admissionregistration.k8s.io | validatingadmissionpolicies;"
    "get,patch,update | admissionregistration.k8s.io | validatingadmissionpolicies/status;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:discovery", NULL, NULL,
    "get | url | /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/" },
  { NULL, "system:heapster", NULL, NULL,
    "get,list,watch | core | events,namespaces,nodes,pods;"
    "get,list,watch | extensions | deployments" },
  { NULL, "system:kube-aggregator", NULL, NULL,
    "get,list,watch | core | endpoints,services" },
  { NULL, "system:kube-controller-manager", NULL, NULL,
    "create,patch,update | core,events.k8s.io | events;"
    "create | coordination.k8s.io | leases;"
    "get,update | coordination.k8s.io | leases | kube-controller-manager;"
    "create | core | secrets,serviceaccounts;"
    "delete | core | secrets;"
    "get | core | configmaps,namespaces,secrets,serviceaccounts;"
    "update | core | secrets,serviceaccounts;"
    "create | authentication.k8s.io | tokenreviews;"
    "create | authorization.k8s.io | subjectaccessreviews;"
    "list,watch | * | *;"
    "create | core | serviceaccounts/token" },
  { NULL, "system:kube-dns", NULL, NULL,
    "list,watch | core | endpoints,services" },
  { NULL, "system:kube-scheduler", NULL, NULL,
    "create,patch,update | core,events.k8s.io | events;"
    "create | coordination.k8s.io | leases;"
    "get,update | coordination.k8s.io | leases | kube-scheduler;"
    "get,list,watch | core | nodes;"
    "delete,get,list,watch | core | pods;"
    "create | core | bindings,pods/binding;"
    "patch,update | core | pods/status;"
    "get,list,watch | core | replicationcontrollers,services;"
    "get,list,watch | apps,extensions | replicasets;"
    "get,list,watch | apps | statefulsets;"
    "get,list,watch | policy | poddisruptionbudgets;"
    "get,list,watch | core | persistentvolumeclaims,persistentvolumes;"
    "create | authentication.k8s.io | tokenreviews;"
    "create | authorization.k8s.io | subjectaccessreviews;"
    "get,list,watch | storage.k8s.io | csinodes;"
    "get,list,watch | core | namespaces;"
    "get,list,watch | storage.k8s.io | csidrivers;"
    "get,list,watch | storage.k8s.io | csistoragecapacities" },
  { NULL, "system:kubelet-api-admin", NULL, NULL,
    "get,list,watch | core | nodes;"
    "proxy | core | nodes;"
    "* | core | nodes/log,nodes/metrics,nodes/proxy,nodes/stats" },
  { NULL, "system:monitoring", NULL, NULL,
    "get | url | /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*" },
  { NULL, "system:node", NULL, NULL,
    "create | authentication.k8s.io | tokenreviews;"
    "create | authorization.k8s.io | localsubjectaccessreviews,subjectaccessreviews;"
    "get,list,watch | core | services;"
    "create,get,list,watch | core | nodes;"
    "patch,update | core | nodes/status;"
    "patch,update | core | nodes;"
    "create,patch,update | core | events;"
    "get,list,watch | core | pods;"
    "create,delete | core | pods;"
    "patch,update | core | pods/status;"
    "create | core | pods/eviction;"
    "get,list,watch | core | configmaps,secrets;"
    "get | core | persistentvolumeclaims,persistentvolumes;"
    "get | core | endpoints;"
    "create,get,list,watch | certificates.k8s.io | certificatesigningrequests;"
    "create,delete,get,patch,update | coordination.k8s.io | leases;"
    "get | storage.k8s.io | volumeattachments;"
    "create | core | serviceaccounts/token;"
    "get,patch,update | core | persistentvolumeclaims/status;"
    "get,list,watch | storage.k8s.io | csidrivers;"
    "create,delete,get,patch,update | storage.k8s.io | csinodes;"
    "get,list,watch | node.k8s.io | runtimeclasses" },
  { NULL, "system:node-bootstrapper", NULL, NULL,
    "create,get,list,watch | certificates.k8s.io | certificatesigningrequests" },
  { NULL, "system:node-problem-detector", NULL, NULL,
    "get | core | nodes;"
    "patch | core | nodes/status;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:node-proxier", NULL, NULL,
    "list,watch | core | endpoints,services;"
    "get,list,watch | core | nodes;"
    "create,patch,update | core,events.k8s.io | events;"
    "list,watch | discovery.k8s.io | endpointslices" },
  { NULL, "system:persistent-volume-provisioner", NULL, NULL,
    "create,delete,get,list,watch | core | persistentvolumes;"
    "get,list,update,watch | core | persistentvolumeclaims;"
    "get,list,watch | storage.k8s.io | storageclasses;"
    "watch | core | events;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, "system:public-info-viewer", NULL, NULL,
    "get | url | /healthz,/livez,/readyz,/version,/version/" },
  { NULL, "system:service-account-issuer-discovery", NULL, NULL,
    "get | url | /.well-known/openid-configuration,/openid/v1/jwks" },
  { NULL, "system:volume-scheduler", NULL, NULL,
    "get,list,patch,update,watch | core | persistentvolumes;"
    "get,list,watch | storage.k8s.io | storageclasses;"
    "get,list,patch,update,watch | core | persistentvolumeclaims" },
  { NULL, "view", "edit", "view",
    "" },
  { "kube-public", "system:controller:bootstrap-signer", NULL, NULL,
    "get,list,watch | core | configmaps;"
    "update | core | configmaps | cluster-info;"
    "create,patch,update | core,events.k8s.io | events" },
  { "kube-system", "extension-apiserver-authentication-reader", NULL, NULL,
    "get,list,watch | core | configmaps | extension-apiserver-authentication" },
  { "kube-system", "system::leader-locking-kube-controller-manager", NULL, NULL,
    "create,get,list,update,watch | coordination.k8s.io | leases" },
  { "kube-system", "system::leader-locking-kube-scheduler", NULL, NULL,
    "create,get,list,update,watch | coordination.k8s.io | leases" },
  { "kube-system", "system:controller:bootstrap-signer", NULL, NULL,
    "get,list,watch | core | secrets" },
  { "kube-system", "system:controller:cloud-provider", NULL, NULL,
    "create,get,list,watch | core | configmaps" },
  { "kube-system", "system:controller:token-cleaner", NULL, NULL,
    "delete,get,list,watch | core | secrets;"
    "create,patch,update | core,events.k8s.io | events" },
  { NULL, NULL, NULL, NULL, NULL },
};

const BootstrapBinding bootstrap_bindings[] = {
  { NULL, "cluster-admin", "ClusterRole", "cluster-admin", "Group system:masters" },
  { NULL, "system:basic-user", "ClusterRole", "system:basic-user", "Group system:authenticated" },
  { NULL, "system:controller:attachdetach-controller", "ClusterRole", "system:controller:attachdetach-controller",
    "ServiceAccount kube-system:attachdetach-controller" },
  { NULL, "system:controller:certificate-controller", "ClusterRole", "system:controller:certificate-controller",
    "ServiceAccount kube-system:certificate-controller" },
  { NULL, "system:controller:clusterrole-aggregation-controller", "ClusterRole", "system:controller:clusterrole-aggregation-controller",
    "ServiceAccount kube-system:clusterrole-aggregation-controller" },
  { NULL, "system:controller:cronjob-controller", "ClusterRole", "system:controller:cronjob-controller",
    "ServiceAccount kube-system:cronjob-controller" },
  { NULL, "system:controller:daemon-set-controller", "ClusterRole", "system:controller:daemon-set-controller",
    "ServiceAccount kube-system:daemon-set-controller" },
  { NULL, "system:controller:deployment-controller", "ClusterRole", "system:controller:deployment-controller",
    "ServiceAccount kube-system:deployment-controller" },
  { NULL, "system:controller:disruption-controller", "ClusterRole", "system:controller:disruption-controller",
    "ServiceAccount kube-system:disruption-controller" },
  { NULL, "system:controller:endpoint-controller", "ClusterRole", "system:controller:endpoint-controller",
    "ServiceAccount kube-system:endpoint-controller" },
  { NULL, "system:controller:endpointslice-controller", "ClusterRole", "system:controller:endpointslice-controller",
    "ServiceAccount kube-system:endpointslice-controller" },
  { NULL, "system:controller:endpointslicemirroring-controller", "ClusterRole", "system:controller:endpointslicemirroring-controller",
    "ServiceAccount kube-system:endpointslicemirroring-controller" },
  { NULL, "system:controller:ephemeral-volume-controller", "ClusterRole", "system:controller:ephemeral-volume-controller",
    "ServiceAccount kube-system:ephemeral-volume-controller" },
  { NULL, "system:controller:expand-controller", "ClusterRole", "system:controller:expand-controller",
    "ServiceAccount kube-system:expand-controller" },
  { NULL, "system:controller:generic-garbage-collector", "ClusterRole", "system:controller:generic-garbage-collector",
    "ServiceAccount kube-system:generic-garbage-collector" },
  { NULL, "system:controller:horizontal-pod-autoscaler", "ClusterRole", "system:controller:horizontal-pod-autoscaler",
    "ServiceAccount kube-system:horizontal-pod-autoscaler" },
  { NULL, "system:controller:job-controller", "ClusterRole", "system:controller:job-controller",
    "ServiceAccount kube-system:job-controller" },
  { NULL, "system:controller:legacy-service-account-token-cleaner", "ClusterRole", "system:controller:legacy-service-account-token-cleaner",
    "ServiceAccount kube-system:legacy-service-account-token-cleaner" },
  { NULL, "system:controller:namespace-controller", "ClusterRole", "system:controller:namespace-controller",
    "ServiceAccount kube-system:namespace-controller" },
  { NULL, "system:controller:node-controller", "ClusterRole", "system:controller:node-controller",
    "ServiceAccount kube-system:node-controller" },
  { NULL, "system:controller:persistent-volume-binder", "ClusterRole", "system:controller:persistent-volume-binder",
    "ServiceAccount kube-system:persistent-volume-binder" },
  { NULL, "system:controller:pod-garbage-collector", "ClusterRole", "system:controller:pod-garbage-collector",
    "ServiceAccount kube-system:pod-garbage-collector" },
  { NULL, "system:controller:pv-protection-controller", "ClusterRole", "system:controller:pv-protection-controller",
    "ServiceAccount kube-system:pv-protection-controller" },
  { NULL, "system:controller:pvc-protection-controller", "ClusterRole", "system:controller:pvc-protection-controller",
    "ServiceAccount kube-system:pvc-protection-controller" },
  { NULL, "system:controller:replicaset-controller", "ClusterRole", "system:controller:replicaset-controller",
    "ServiceAccount kube-system:replicaset-controller" },
  { NULL, "system:controller:replication-controller", "ClusterRole", "system:controller:replication-controller",
    "ServiceAccount kube-system:replication-controller" },
  { NULL, "system:controller:resourcequota-controller", "ClusterRole", "system:controller:resourcequota-controller",
    "ServiceAccount kube-system:resourcequota-controller" },
  { NULL, "system:controller:root-ca-cert-publisher", "ClusterRole", "system:controller:root-ca-cert-publisher",
    "ServiceAccount kube-system:root-ca-cert-publisher" },
  { NULL, "system:controller:route-controller", "ClusterRole", "system:controller:route-controller",
    "ServiceAccount kube-system:route-controller" },
  { NULL, "system:controller:service-account-controller", "ClusterRole", "system:controller:service-account-controller",
    "ServiceAccount kube-system:service-account-controller" },
  { NULL, "system:controller:service-controller", "ClusterRole", "system:controller:service-controller",
    "ServiceAccount kube-system:service-controller" },
  { NULL, "system:controller:statefulset-controller", "ClusterRole", "system:controller:statefulset-controller",
    "ServiceAccount kube-system:statefulset-controller" },
  { NULL, "system:controller:ttl-after-finished-controller", "ClusterRole", "system:controller:ttl-after-finished-controller",
    "ServiceAccount kube-system:ttl-after-finished-controller" },
  { NULL, "system:controller:ttl-controller", "ClusterRole", "system:controller:ttl-controller",
    "ServiceAccount kube-system:ttl-controller" },
  { NULL, "system:controller:validatingadmissionpolicy-status-controller", "ClusterRole",
    "system:controller:validatingadmissionpolicy-status-controller",
    "ServiceAccount kube-system:validatingadmissionpolicy-status-controller" },
  { NULL, "system:discovery", "ClusterRole", "system:discovery", "Group system:authenticated" },
  { NULL, "system:kube-controller-manager", "ClusterRole", "system:kube-controller-manager",
    "User system:kube-controller-manager" },
  { NULL, "system:kube-dns", "ClusterRole", "system:kube-dns", "ServiceAccount kube-system:kube-dns" },
  { NULL, "system:kube-scheduler", "ClusterRole", "system:kube-scheduler", "User system:kube-scheduler" },
  { NULL, "system:monitoring", "ClusterRole", "system:monitoring", "Group system:monitoring" },
  { NULL, "system:node", "ClusterRole", "system:node", "" },
  { NULL, "system:node-proxier", "ClusterRole", "system:node-proxier", "User system:kube-proxy" },
  { NULL, "system:public-info-viewer", "ClusterRole", "system:public-info-viewer",
    "Group system:authenticated;Group system:unauthenticated" },
  { NULL, "system:service-account-issuer-discovery", "ClusterRole", "system:service-account-issuer-discovery",
    "Group system:serviceaccounts" },
  { NULL, "system:volume-scheduler", "ClusterRole", "system:volume-scheduler", "User system:kube-scheduler" },
  { "kube-public", "system:controller:bootstrap-signer", "Role", "system:controller:bootstrap-signer",
    "ServiceAccount kube-system:bootstrap-signer" },
  { "kube-system", "system::extension-apiserver-authentication-reader", "Role", "extension-apiserver-authentication-reader",
    "User system:kube-controller-manager;User system:kube-scheduler" },
  { "kube-system", "system::leader-locking-kube-controller-manager", "Role", "system::leader-locking-kube-controller-manager",
    "User system:kube-controller-manager;ServiceAccount kube-system:kube-controller-manager" },
  { "kube-system", "system::leader-locking-kube-scheduler", "Role", "system::leader-locking-kube-scheduler",
    "User system:kube-scheduler;ServiceAccount kube-system:kube-scheduler" },
  { "kube-system", "system:controller:bootstrap-signer", "Role", "system:controller:bootstrap-signer",
    "ServiceAccount kube-system:bootstrap-signer" },
  { "kube-system", "system:controller:cloud-provider", "Role", "system:controller:cloud-provider",
    "ServiceAccount kube-system:cloud-provider" },
  { "kube-system", "system:controller:token-cleaner", "Role", "system:controller:token-cleaner",
    "ServiceAccount kube-system:token-cleaner" },
  { NULL, NULL, NULL, NULL, NULL },
};
/* clang-format on */

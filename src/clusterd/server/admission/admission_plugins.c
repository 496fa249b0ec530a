/* The plugins of kube-apiserver 1.32 in its order. Webhooks, quota and denial come last: they judge what all others
 * have made of the object. Source: pkg/kubeapiserver/options/plugins.go. */
#include "clusterd/server/admission/admission.h"

static bool refuse(void *state, const AdmissionRequest *request, GError **error)
{
  return admission_forbid(request, error, "admission control is denying all modifications");
}

static const AdmissionPlugin always_admit = { .name = "AlwaysAdmit" };
static const AdmissionPlugin always_deny = { .name = "AlwaysDeny", .takes_bodies = true, .validate = refuse };

static const AdmissionRow rows[] = {
  { "AlwaysAdmit", false, &always_admit },
  { "NamespaceAutoProvision", false, &admission_namespace_auto_provision },
  { "NamespaceLifecycle", true, &admission_namespace_lifecycle },
  { "NamespaceExists", false, &admission_namespace_exists },
  { "LimitPodHardAntiAffinityTopology", false, &admission_anti_affinity },
  { "PodPreset", true, &admission_pod_preset }, /* of 1.19 and before; there it must be enabled */
  { "LimitRanger", true, &admission_limit_ranger },
  { "ServiceAccount", true, &admission_service_account },
  { "NodeRestriction", true, &admission_node_restriction }, /* as kubeadm has it; upstream it must be enabled */
  { "TaintNodesByCondition", true, &admission_node_taint },
  { "AlwaysPullImages", false, &admission_always_pull_images },
  { "ImagePolicyWebhook", false, NULL },
  { "PodSecurity", true, &admission_pod_security },
  { "PodNodeSelector", false, &admission_pod_node_selector },
  { "Priority", true, &admission_priority },
  { "DefaultTolerationSeconds", true, &admission_default_tolerations },
  { "PodTolerationRestriction", false, &admission_pod_tolerations },
  { "EventRateLimit", false, NULL },
  { "ExtendedResourceToleration", false, &admission_extended_resources },
  { "DefaultStorageClass", true, &admission_default_storage_class },
  { "StorageObjectInUseProtection", true, &admission_storage_object_in_use },
  { "OwnerReferencesPermissionEnforcement", false, &admission_owner_references },
  { "PersistentVolumeClaimResize", true, &admission_volume_claim_resize },
  { "RuntimeClass", true, &admission_runtime_class },
  { "CertificateApproval", true, &admission_certificate_approval },
  { "CertificateSigning", true, &admission_certificate_signing },
  { "ClusterTrustBundleAttest", true, NULL },
  { "CertificateSubjectRestriction", true, &admission_certificate_subject },
  { "DefaultIngressClass", true, &admission_default_ingress_class },
  { "DenyServiceExternalIPs", false, &admission_deny_external_ips },
  { "MutatingAdmissionPolicy", true, NULL },
  { "MutatingAdmissionWebhook", true, &admission_mutating_webhook },
  { "ValidatingAdmissionPolicy", true, NULL },
  { "ValidatingAdmissionWebhook", true, &admission_validating_webhook },
  { "ResourceQuota", true, &admission_resource_quota },
  { "AlwaysDeny", false, &always_deny },
};

const AdmissionRow *admission_rows(gsize *n_rows)
{
  *n_rows = G_N_ELEMENTS(rows);
  return rows;
}

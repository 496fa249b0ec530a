/* The plugins of kube-apiserver 1.32 in its order. Webhooks, quota and denial come last: they judge what all others
 * have made of the object. Source: pkg/kubeapiserver/options/plugins.go. */
#include "base/json.h"
#include "clusterd/server/admission.h"
#include "clusterd/server/api_error.h"

static bool refuse(void *state, const AdmissionRequest *request, GError **error)
{
  const char *name = request->target->name;
  if (request->object)
    name = json_str(json_object_get(request->object, "metadata"), "name", "");
  return api_error_forbidden(error, request->kind, name, "admission control is denying all modifications");
}

static const AdmissionPlugin always_admit = { .name = "AlwaysAdmit" };
static const AdmissionPlugin always_deny = { .name = "AlwaysDeny", .takes_bodies = true, .validate = refuse };

static const AdmissionRow rows[] = {
  { "AlwaysAdmit", false, &always_admit },
  { "NamespaceAutoProvision", false, NULL },
  { "NamespaceLifecycle", true, &admission_namespace_lifecycle },
  { "NamespaceExists", false, NULL },
  { "LimitPodHardAntiAffinityTopology", false, NULL },
  { "LimitRanger", true, &admission_limit_ranger },
  { "ServiceAccount", true, &admission_service_account },
  { "NodeRestriction", false, NULL },
  { "TaintNodesByCondition", true, NULL },
  { "AlwaysPullImages", false, NULL },
  { "ImagePolicyWebhook", false, NULL },
  { "PodSecurity", true, &admission_pod_security },
  { "PodNodeSelector", false, NULL },
  { "Priority", true, &admission_priority },
  { "DefaultTolerationSeconds", true, &admission_default_tolerations },
  { "PodTolerationRestriction", false, NULL },
  { "EventRateLimit", false, NULL },
  { "ExtendedResourceToleration", false, NULL },
  { "DefaultStorageClass", true, NULL },
  { "StorageObjectInUseProtection", true, NULL },
  { "OwnerReferencesPermissionEnforcement", false, NULL },
  { "PersistentVolumeClaimResize", true, NULL },
  { "RuntimeClass", true, NULL },
  { "CertificateApproval", true, NULL },
  { "CertificateSigning", true, NULL },
  { "ClusterTrustBundleAttest", true, NULL },
  { "CertificateSubjectRestriction", true, NULL },
  { "DefaultIngressClass", true, NULL },
  { "DenyServiceExternalIPs", false, NULL },
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

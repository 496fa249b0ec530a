#pragma once
/* The signers of the cluster, kubernetes.io/…, and what each of them will sign.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers */
#include <jansson.h>
#include <stdbool.h>

#include "base/certificate_request.h"

#define SIGNER_CLIENT "kubernetes.io/kube-apiserver-client"
#define SIGNER_KUBELET_CLIENT "kubernetes.io/kube-apiserver-client-kubelet"
#define SIGNER_KUBELET_SERVING "kubernetes.io/kubelet-serving"
#define SIGNER_LEGACY "kubernetes.io/legacy-unknown"

/* True for one of the four. */
bool certificate_signer_is_known(const char *signer);

/* What SIGNER has against REQUEST with USAGES (array of text): upstream's text, static or the caller's through *OWNED;
 * NULL when it will sign. */
const char *certificate_signer_objection(const char *signer, const CertificateRequest *request, const json_t *usages,
                                         char **owned);

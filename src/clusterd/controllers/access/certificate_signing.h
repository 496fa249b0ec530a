#pragma once
/* CertificateSigningRequests: approves what nodes ask for themselves, signs what was approved for the cluster's own
 * signers, and takes old requests away.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ */
#include "clusterd/controllers/context.h"

typedef struct CertificateSigningController CertificateSigningController;

CertificateSigningController *certificate_signing_controller_new(const ControllerContext *context);
void certificate_signing_controller_free(CertificateSigningController *controller);

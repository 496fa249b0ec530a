#pragma once
/* Requests for certificates (PKCS#10, RFC 2986): reading them, and signing what they ask for. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/x509.h"

#define CERTIFICATE_REQUEST_MAX (64u << 10) /* bytes of PEM */

typedef struct CertificateRequest {
  struct X509_req_st *request;                   /* X509_REQ */
  char *common_name;                             /* "" when there is none */
  char **organizations;                          /* NULL-terminated */
  unsigned n_dns, n_addresses, n_emails, n_uris; /* of the subject's alternative names */
} CertificateRequest;

/* Reads PEM and checks the request's own signature. NULL with REASON_BAD_REQUEST. */
CertificateRequest *certificate_request_parse(const void *pem, gsize length, GError **error);
void certificate_request_free(CertificateRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CertificateRequest, certificate_request_free)

/* The usages of certificates.k8s.io ("digital signature", "client auth"), sorted; NULL-terminated; static. */
const char *const *certificate_usages(void);

/* A certificate for what REQUEST asks, for USAGES, by AUTHORITY: PEM, the caller frees. It is valid from five minutes
 * ago for LIFETIME_SECONDS, and never longer than the authority. NULL with REASON_INTERNAL. */
char *certificate_request_sign(const CertificateRequest *request, const X509Pair *authority, const char *const *usages,
                               int64_t lifetime_seconds, GError **error);

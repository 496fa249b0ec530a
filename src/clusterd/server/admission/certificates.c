/* Certificate signing requests: who may approve and sign for a signer, and that nobody asks for a certificate of the
 * group that may do everything. */
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission.h"
#include "clusterd/server/authorizer.h"
#include "clusterd/server/registry_private.h"

#define GROUP "certificates.k8s.io"
#define CLIENT_SIGNER "kubernetes.io/kube-apiserver-client"
#define MASTERS "system:masters"

static bool is_request(const AdmissionRequest *request, const char *subresource)
{
  return g_str_equal(request->kind->group, GROUP) && g_str_equal(request->kind->plural, "certificatesigningrequests") &&
         g_strcmp0(request->target->subresource, subresource) == 0;
}

static bool may(const AdmissionRequest *request, const char *verb, const char *signer)
{
  Attributes attributes = { .verb = verb, .group = GROUP, .resource = "signers", .name = signer };
  if (!request->registry->authorizer || !request->caller || !request->caller->identity)
    return true;
  return authorizer_allows(request->registry->authorizer, request->caller->identity, &attributes);
}

/* For the signer itself, or for all of its domain: kubernetes.io/ and a star. */
static bool may_for_signer(const AdmissionRequest *request, const char *verb, const char *signer)
{
  const char *slash = strrchr(signer, '/');
  g_autofree char *domain = g_strndup(signer, slash ? (gsize)(slash - signer) : strlen(signer));
  g_autofree char *all = g_strconcat(domain, "/*", NULL);
  return may(request, verb, signer) || may(request, verb, all);
}

static const char *signer_of(const json_t *request)
{
  return json_str(json_object_get(request, "spec"), "signerName", "");
}

static bool check_approval(void *state, const AdmissionRequest *request, GError **error)
{
  if (request->operation != ADMISSION_UPDATE || !is_request(request, "approval"))
    return true;
  const char *signer = signer_of(request->old);
  return may_for_signer(request, "approve", signer) ||
         admission_forbid(request, error, "user not permitted to approve requests with signerName \"%s\"", signer);
}

static bool check_signing(void *state, const AdmissionRequest *request, GError **error)
{
  if (request->operation != ADMISSION_UPDATE || !is_request(request, "status"))
    return true;
  const json_t *before = json_object_get(request->old, "status");
  const json_t *after = json_object_get(request->object, "status");
  if (json_same(json_object_get(before, "certificate"), json_object_get(after, "certificate")) &&
      json_same(json_object_get(before, "conditions"), json_object_get(after, "conditions")))
    return true;
  const char *signer = signer_of(request->old);
  return may_for_signer(request, "sign", signer) ||
         admission_forbid(request, error, "user not permitted to sign requests with signerName \"%s\"", signer);
}

/* --- subjects ------------------------------------------------------------------------------------------------------
 */

static bool names_masters(X509_REQ *request)
{
  X509_NAME *subject = X509_REQ_get_subject_name(request);
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_organizationName, i)) >= 0;) {
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
    unsigned char *text = NULL;
    int length = ASN1_STRING_to_UTF8(&text, value);
    bool masters = length == (int)strlen(MASTERS) && memcmp(text, MASTERS, strlen(MASTERS)) == 0;
    OPENSSL_free(text);
    if (masters)
      return true;
  }
  return false;
}

/* NULL when the request's bytes are no PEM of a certificate request. */
static X509_REQ *parse(const json_t *request)
{
  gsize length = 0;
  g_autofree guchar *pem = g_base64_decode(json_str(json_object_get(request, "spec"), "request", ""), &length);
  BIO *bio = BIO_new_mem_buf(pem, (int)MIN(length, (gsize)G_MAXINT));
  X509_REQ *parsed = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
  BIO_free(bio);
  return parsed;
}

static bool check_subject(void *state, const AdmissionRequest *request, GError **error)
{
  if (!admission_creates(request, GROUP, "certificatesigningrequests") ||
      !g_str_equal(signer_of(request->object), CLIENT_SIGNER))
    return true;
  X509_REQ *parsed = parse(request->object);
  if (!parsed)
    return admission_forbid(request, error, "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST");
  bool masters = names_masters(parsed);
  X509_REQ_free(parsed);
  return !masters ||
         admission_forbid(request, error, "use of %s signer with %s group is not allowed", CLIENT_SIGNER, MASTERS);
}

const AdmissionPlugin admission_certificate_approval = { .name = "CertificateApproval", .validate = check_approval };
const AdmissionPlugin admission_certificate_signing = { .name = "CertificateSigning", .validate = check_signing };
const AdmissionPlugin admission_certificate_subject = { .name = "CertificateSubjectRestriction",
                                                        .validate = check_subject };

/* Certificate signing requests: that they carry who asks, who may approve and sign for a signer, and that nobody asks
 * for a certificate of the group that may do everything. */
#include <string.h>

#include "base/certificate_request.h"
#include "base/json.h"
#include "clusterd/server/access/authorizer.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

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

static bool check_subject(void *state, const AdmissionRequest *request, GError **error)
{
  gsize length;
  if (!admission_creates(request, GROUP, "certificatesigningrequests") ||
      !g_str_equal(signer_of(request->object), CLIENT_SIGNER))
    return true;
  g_autofree guchar *pem = g_base64_decode(json_str(json_object_get(request->object, "spec"), "request", ""), &length);
  g_autoptr(GError) problem = NULL;
  g_autoptr(CertificateRequest) asked = certificate_request_parse(pem, length, &problem);
  if (!asked)
    return admission_forbid(request, error, "failed to parse CSR: %s", problem->message);
  return !g_strv_contains((const char *const *)asked->organizations, MASTERS) ||
         admission_forbid(request, error, "use of %s signer with %s group is not allowed", CLIENT_SIGNER, MASTERS);
}

/* --- who asks ------------------------------------------------------------------------------------------------------
 */

static bool record_requestor(void *state, AdmissionRequest *request, GError **error)
{
  static const char *const members[] = { "username", "uid", "groups", "extra" };
  const Identity *identity = request->caller ? request->caller->identity : NULL;
  if (request->operation != ADMISSION_CREATE || !is_request(request, NULL) || !identity)
    return true;
  g_autoptr(json_t) user = identity_user_info(identity);
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
    json_t *value = json_object_get(user, members[i]);
    if (value)
      json_object_set_new(spec, members[i], json_deep_copy(value));
    else
      json_object_del(spec, members[i]);
  }
  return true;
}

const AdmissionPlugin admission_certificate_requestor = { .name = "CertificateRequestor", .mutate = record_requestor };
const AdmissionPlugin admission_certificate_approval = { .name = "CertificateApproval", .validate = check_approval };
const AdmissionPlugin admission_certificate_signing = { .name = "CertificateSigning", .validate = check_signing };
const AdmissionPlugin admission_certificate_subject = { .name = "CertificateSubjectRestriction",
                                                        .validate = check_subject };

#include "clusterd/controllers/access/certificate_signers.h"

#include <string.h>

#include "base/json.h"

/* --- clients of the API --------------------------------------------------------------------------------------------
 */

static const char *client_objection(const CertificateRequest *request, const json_t *usages, char **owned)
{
  size_t i;
  json_t *item;
  json_array_foreach (usages, i, item) {
    const char *usage = json_is_string(item) ? json_string_value(item) : "";
    if (g_str_equal(usage, "digital signature") || g_str_equal(usage, "key encipherment") ||
        g_str_equal(usage, "client auth"))
      continue;
    return *owned = g_strdup_printf("invalid usage for client certificate: %s", usage);
  }
  return json_has_text(usages, "client auth") ? NULL : "missing required usage for client certificate: client auth";
}

/* --- kubelets ------------------------------------------------------------------------------------------------------
 */

/* Exactly digital signature and PURPOSE, with key encipherment (which only RSA needs) or without. */
static bool usages_are(const json_t *usages, const char *purpose)
{
  size_t rest = json_array_size(usages) - (json_has_text(usages, "key encipherment") ? 1 : 0);
  return json_has_text(usages, "digital signature") && json_has_text(usages, purpose) && rest == 2;
}

static bool is_of_nodes(const CertificateRequest *request)
{
  return g_strv_length(request->organizations) == 1 && g_str_equal(request->organizations[0], "system:nodes");
}

static const char *kubelet_client_objection(const CertificateRequest *request, const json_t *usages, char **owned)
{
  if (!is_of_nodes(request))
    return "subject organization is not system:nodes";
  if (request->n_dns > 0)
    return "DNS subjectAltNames are not allowed";
  if (request->n_emails > 0)
    return "Email subjectAltNames are not allowed";
  if (request->n_addresses > 0)
    return "IP subjectAltNames are not allowed";
  if (request->n_uris > 0)
    return "URI subjectAltNames are not allowed";
  if (!g_str_has_prefix(request->common_name, "system:node:"))
    return "subject common name does not begin with system:node:";
  return usages_are(usages, "client auth") ? NULL
                                           : "usages did not match [client auth digital signature key encipherment] or "
                                             "[client auth digital signature]";
}

static const char *kubelet_serving_objection(const CertificateRequest *request, const json_t *usages, char **owned)
{
  if (!is_of_nodes(request))
    return "subject organization is not system:nodes";
  if (request->n_dns + request->n_addresses == 0)
    return "DNS or IP subjectAltName is required";
  if (request->n_emails > 0)
    return "Email subjectAltNames are not allowed";
  if (request->n_uris > 0)
    return "URI subjectAltNames are not allowed";
  if (!usages_are(usages, "server auth"))
    return "usages did not match [digital signature key encipherment server auth] or [digital signature server auth]";
  return g_str_has_prefix(request->common_name, "system:node:")
             ? NULL
             : "subject common name does not begin with system:node:";
}

static const char *no_objection(const CertificateRequest *request, const json_t *usages, char **owned)
{
  return NULL;
}

static const struct Signer {
  const char *name;
  const char *(*objection)(const CertificateRequest *request, const json_t *usages, char **owned);
} signers[] = {
  { SIGNER_CLIENT, client_objection },
  { SIGNER_KUBELET_CLIENT, kubelet_client_objection },
  { SIGNER_KUBELET_SERVING, kubelet_serving_objection },
  { SIGNER_LEGACY, no_objection },
};

static const struct Signer *signer_of(const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS(signers); i++)
    if (g_str_equal(signers[i].name, name))
      return &signers[i];
  return NULL;
}

bool certificate_signer_is_known(const char *signer)
{
  return signer_of(signer) != NULL;
}

const char *certificate_signer_objection(const char *signer, const CertificateRequest *request, const json_t *usages,
                                         char **owned)
{
  const struct Signer *known = signer_of(signer);
  return known ? known->objection(request, usages, owned) : "unknown signer";
}

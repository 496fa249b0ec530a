#include "base/certificate_request.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/x509_private.h"

#define BACKDATE_SECONDS 300 /* clocks differ */

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static char *entry_text(const X509_NAME *name, int index)
{
  unsigned char *utf8 = NULL;
  int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  char *text = length >= 0 ? g_strndup((const char *)utf8, (gsize)length) : g_strdup("");
  OPENSSL_free(utf8);
  return text;
}

static void read_subject(CertificateRequest *request)
{
  X509_NAME *name = X509_REQ_get_subject_name(request->request);
  g_autoptr(GStrvBuilder) organizations = g_strv_builder_new();
  int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  request->common_name = index >= 0 ? entry_text(name, index) : g_strdup("");
  for (index = -1; (index = X509_NAME_get_index_by_NID(name, NID_organizationName, index)) >= 0;) {
    g_autofree char *organization = entry_text(name, index);
    g_strv_builder_add(organizations, organization);
  }
  request->organizations = g_strv_builder_end(organizations);
}

static X509_EXTENSION *find_alternative_names(STACK_OF(X509_EXTENSION) * extensions)
{
  int index = extensions ? X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1) : -1;
  return index >= 0 ? sk_X509_EXTENSION_value(extensions, index) : NULL;
}

static void count_names(CertificateRequest *request)
{
  STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request->request);
  X509_EXTENSION *extension = find_alternative_names(extensions);
  GENERAL_NAMES *names = extension ? X509V3_EXT_d2i(extension) : NULL;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
    int type = sk_GENERAL_NAME_value(names, i)->type;
    request->n_dns += type == GEN_DNS;
    request->n_addresses += type == GEN_IPADD;
    request->n_emails += type == GEN_EMAIL;
    request->n_uris += type == GEN_URI;
  }
  GENERAL_NAMES_free(names);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

CertificateRequest *certificate_request_parse(const void *pem, gsize length, GError **error)
{
  g_autoptr(CertificateRequest) request = g_new0(CertificateRequest, 1);
  g_autoptr(BIO) bio = length <= CERTIFICATE_REQUEST_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
  char *name = NULL, *header = NULL;
  unsigned char *der = NULL;
  long size = 0;
  bool is_request =
      bio && PEM_read_bio(bio, &name, &header, &der, &size) == 1 && g_str_equal(name, PEM_STRING_X509_REQ);
  const unsigned char *cursor = der;
  request->request = is_request ? d2i_X509_REQ(NULL, &cursor, size) : NULL;
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(der);
  ERR_clear_error();
  if (!request->request) {
    reason_set(error, REASON_BAD_REQUEST,
               is_request ? "the certificate request cannot be read" : "PEM block type must be CERTIFICATE REQUEST");
    return NULL;
  }
  EVP_PKEY *key = X509_REQ_get0_pubkey(request->request);
  bool is_signed = key && X509_REQ_verify(request->request, key) == 1;
  ERR_clear_error();
  if (!is_signed) {
    reason_set(error, REASON_BAD_REQUEST, "the certificate request is not signed with its own key");
    return NULL;
  }
  read_subject(request);
  count_names(request);
  return g_steal_pointer(&request);
}

void certificate_request_free(CertificateRequest *request)
{
  if (!request)
    return;
  X509_REQ_free(request->request);
  g_free(request->common_name);
  g_strfreev(request->organizations);
  g_free(request);
}

/* --- usages --------------------------------------------------------------------------------------------------------
 */

/* What X.509 calls a usage: of the key, or extended. Sorted by name. */
static const struct Usage {
  const char *name, *key, *extended;
} usages_known[] = {
  { "any", NULL, "anyExtendedKeyUsage" },
  { "cert sign", "keyCertSign", NULL },
  { "client auth", NULL, "clientAuth" },
  { "code signing", NULL, "codeSigning" },
  { "content commitment", "nonRepudiation", NULL },
  { "crl sign", "cRLSign", NULL },
  { "data encipherment", "dataEncipherment", NULL },
  { "decipher only", "decipherOnly", NULL },
  { "digital signature", "digitalSignature", NULL },
  { "email protection", NULL, "emailProtection" },
  { "encipher only", "encipherOnly", NULL },
  { "ipsec end system", NULL, "ipsecEndSystem" },
  { "ipsec tunnel", NULL, "ipsecTunnel" },
  { "ipsec user", NULL, "ipsecUser" },
  { "key agreement", "keyAgreement", NULL },
  { "key encipherment", "keyEncipherment", NULL },
  { "microsoft sgc", NULL, "msSGC" },
  { "netscape sgc", NULL, "nsSGC" },
  { "ocsp signing", NULL, "OCSPSigning" },
  { "s/mime", NULL, "emailProtection" },
  { "server auth", NULL, "serverAuth" },
  { "signing", "digitalSignature", NULL },
  { "timestamping", NULL, "timeStamping" },
};

static const struct Usage *usage_of(const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS(usages_known); i++)
    if (g_str_equal(usages_known[i].name, name))
      return &usages_known[i];
  return NULL;
}

const char *const *certificate_usages(void)
{
  static const char *names[G_N_ELEMENTS(usages_known) + 1];
  static gsize once;
  if (g_once_init_enter(&once)) {
    for (gsize i = 0; i < G_N_ELEMENTS(usages_known); i++)
      names[i] = usages_known[i].name;
    g_once_init_leave(&once, 1);
  }
  return names;
}

/* --- signing -------------------------------------------------------------------------------------------------------
 */

static bool add_usages(X509 *certificate, X509 *issuer, const char *const *usages)
{
  g_autoptr(GString) key = g_string_new("critical"), extended = g_string_new(NULL);
  for (; usages && *usages; usages++) {
    const struct Usage *usage = usage_of(*usages);
    if (usage && usage->key)
      g_string_append_printf(key, ",%s", usage->key);
    if (usage && usage->extended)
      g_string_append_printf(extended, "%s%s", extended->len ? "," : "", usage->extended);
  }
  return (!strchr(key->str, ',') || x509_add_extension(certificate, issuer, NID_key_usage, key->str)) &&
         (!extended->len || x509_add_extension(certificate, issuer, NID_ext_key_usage, extended->str));
}

static bool copy_alternative_names(X509 *certificate, const CertificateRequest *request)
{
  STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request->request);
  X509_EXTENSION *names = find_alternative_names(extensions);
  bool good = !names || X509_add_ext(certificate, names, -1);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return good;
}

static bool fill(X509 *certificate, const CertificateRequest *request, const X509Pair *authority,
                 const char *const *usages, int64_t lifetime_seconds)
{
  X509 *issuer = authority->certificate;
  EVP_PKEY *key = X509_REQ_get0_pubkey(request->request);
  const ASN1_TIME *end = X509_get0_notAfter(issuer);
  bool good = X509_set_version(certificate, X509_VERSION_3) && x509_set_random_serial(certificate) &&
              X509_set_subject_name(certificate, X509_REQ_get_subject_name(request->request)) &&
              X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) && X509_set_pubkey(certificate, key) &&
              X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATE_SECONDS) &&
              X509_gmtime_adj(X509_getm_notAfter(certificate), (long)lifetime_seconds);
  if (good && ASN1_TIME_compare(X509_get0_notAfter(certificate), end) > 0)
    good = X509_set1_notAfter(certificate, end);
  return good && x509_add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_usages(certificate, issuer, usages) &&
         x509_add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
         copy_alternative_names(certificate, request) && X509_sign(certificate, authority->key, EVP_sha256());
}

char *certificate_request_sign(const CertificateRequest *request, const X509Pair *authority, const char *const *usages,
                               int64_t lifetime_seconds, GError **error)
{
  g_autoptr(X509) certificate = X509_new();
  g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
  char *data;
  if (!certificate || !bio || !fill(certificate, request, authority, usages, lifetime_seconds) ||
      !PEM_write_bio_X509(bio, certificate)) {
    x509_fail(error, REASON_INTERNAL, "Cannot sign a certificate");
    return NULL;
  }
  long length = BIO_get_mem_data(bio, &data);
  return g_strndup(data, (gsize)length);
}

#pragma once
/* What the files that make certificates share. */
#include <glib.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "base/reason.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_EXTENSION, X509_EXTENSION_free)

/* Sets *ERROR to WHAT with the text of OpenSSL's newest error, which is taken off its queue. Returns false. */
bool x509_fail(GError **error, Reason reason, const char *what);

/* VALUE as openssl-x509v3_config(5) has it. */
bool x509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value);

/* A 159-bit random serial number: RFC 5280 allows 20 octets, positive. */
bool x509_set_random_serial(X509 *certificate);

#pragma once
/* Service account tokens: JWT signed with ES256, bound to a service account's uid and, if wanted, to a pod's.
 * Source: RFC 7519, RFC 7518 section 3.4, KEP-1205. Thread-safe. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/server/registry.h"

typedef struct ServiceAccountTokens ServiceAccountTokens;

#define TOKEN_LIFETIME_MIN 600
#define TOKEN_LIFETIME_MAX (1ll << 32)
#define TOKEN_LENGTH_MAX 16384

/* KEY_FILE: EC P-256 private key (PEM). NULL with REASON_CONFIG. */
ServiceAccountTokens *service_account_tokens_new(Registry *registry, const char *key_file, const char *issuer,
                                                 GError **error);
void service_account_tokens_free(ServiceAccountTokens *tokens);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServiceAccountTokens, service_account_tokens_free)

/* A token; the caller frees. See api_server_issue_token. */
char *service_account_tokens_issue(ServiceAccountTokens *tokens, const char *namespace_, const char *name,
                                   const char *const *audiences, int64_t lifetime_seconds, const char *pod_name,
                                   const char *pod_uid, int64_t *expires_us, GError **error);

/* Who TOKEN speaks for, or NULL with REASON_UNAUTHORIZED. AUDIENCES (NULL: the issuer) must share one with it. */
Identity *service_account_tokens_verify(ServiceAccountTokens *tokens, const char *token, const char *const *audiences,
                                        GError **error);

/* GET /openid/v1/jwks and /.well-known/openid-configuration. New references. */
json_t *service_account_tokens_jwks(const ServiceAccountTokens *tokens);
json_t *service_account_tokens_configuration(const ServiceAccountTokens *tokens);

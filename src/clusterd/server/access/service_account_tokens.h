#pragma once
/* Service account tokens: JWT bound to a service account's uid and, if wanted, to a pod's, node's or secret's; and the
 * tokens without an end that Secrets of type kubernetes.io/service-account-token hold.
 * Source: RFC 7519, KEP-1205, KEP-4193. Thread-safe. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/server/registry/registry.h"
#include "clusterd/server/server_config.h"

typedef struct ServiceAccountTokens ServiceAccountTokens;

#define TOKEN_LIFETIME_MIN 600
#define TOKEN_LIFETIME_MAX (1ll << 32)
#define TOKEN_LENGTH_MAX 16384

/* Takes keys, issuers and audiences from CONFIG. NULL with REASON_FILE or REASON_CONFIG. */
ServiceAccountTokens *service_account_tokens_new(Registry *registry, const ApiServerConfig *config, GError **error);
void service_account_tokens_free(ServiceAccountTokens *tokens);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServiceAccountTokens, service_account_tokens_free)

/* What a token is for. */
typedef struct TokenRequest {
  const char *namespace_, *account;
  const char *const *audiences; /* NULL or empty: this API */
  int64_t lifetime_seconds;
  /* The object it ends with; KIND NULL: none. UID may be NULL: the object's own. */
  const char *bound_version, *bound_kind, *bound_name, *bound_uid;
} TokenRequest;

/* A token; the caller frees. *EXPIRES_US gets its end. NULL with upstream's errors. */
char *service_account_tokens_issue(ServiceAccountTokens *tokens, const TokenRequest *request, int64_t *expires_us,
                                   GError **error);

/* The token the Secret called SECRET holds for ACCOUNT. The caller frees; NULL with REASON_INTERNAL. */
char *service_account_tokens_issue_for_secret(ServiceAccountTokens *tokens, const Object *account, const char *secret,
                                              GError **error);

/* Who TOKEN speaks for, or NULL with REASON_UNAUTHORIZED and why. AUDIENCES (NULL: this API's) must share one with it.
 */
Identity *service_account_tokens_verify(ServiceAccountTokens *tokens, const char *token, const char *const *audiences,
                                        GError **error);

/* The audiences of this API; borrowed. */
const char *const *service_account_tokens_audiences(const ServiceAccountTokens *tokens);

/* GET /openid/v1/jwks and /.well-known/openid-configuration (JWKS_URI says where the former is). New references. */
json_t *service_account_tokens_jwks(const ServiceAccountTokens *tokens);
json_t *service_account_tokens_configuration(const ServiceAccountTokens *tokens, const char *jwks_uri);

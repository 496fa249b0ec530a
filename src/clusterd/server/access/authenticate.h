#pragma once
/* Who sends a request: client certificate, bearer token, or nobody; and who they wish to be taken for. */
#include "clusterd/server/access/authorizer.h"
#include "clusterd/server/access/service_account_tokens.h"
#include "clusterd/server/access/token_file.h"
#include "clusterd/server/http/http.h"

/* Who knows whom; borrowed, and not changed while requests run. */
typedef struct Authenticator {
  TokenFile *token_file;        /* may be NULL */
  Registry *bootstrap_registry; /* whose bootstrap tokens count; NULL: none do */
  ServiceAccountTokens *tokens;
  bool allow_anonymous;
} Authenticator;

/* The request's identity, new; NULL with REASON_UNAUTHORIZED when credentials were given and nobody knows them, or when
 * there are none and anonymous requests are not allowed. */
Identity *authenticate(const Authenticator *authenticator, const HttpRequest *request, GError **error);

/* Who the bearer TOKEN stands for, new; NULL with REASON_UNAUTHORIZED and why. AUDIENCES as
 * service_account_tokens_verify; tokens without audiences are for this API. */
Identity *authenticate_token(const Authenticator *authenticator, const char *token, const char *const *audiences,
                             GError **error);

/* Whom the Impersonate-* headers say IDENTITY wants to be taken for: *OTHER, new; NULL without these headers. False
 * with REASON_FORBIDDEN when it may not. */
bool authenticate_impersonate(const HttpRequest *request, Authorizer *authorizer, const Identity *identity,
                              Identity **other, GError **error);

#pragma once
/* Who sends a request: client certificate, bearer token, or nobody; and who they wish to be taken for. */
#include "clusterd/server/authorizer.h"
#include "clusterd/server/http.h"
#include "clusterd/server/service_account_tokens.h"

/* The request's identity, new; NULL with REASON_UNAUTHORIZED when credentials were given and are wrong. */
Identity *authenticate(const HttpRequest *request, ServiceAccountTokens *tokens, GError **error);

/* Applies the Impersonate-* headers to *IDENTITY (replaced). False with REASON_FORBIDDEN when it may not impersonate.
 */
bool authenticate_impersonate(const HttpRequest *request, Authorizer *authorizer, Identity **identity, GError **error);

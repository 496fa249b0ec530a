#pragma once
/* What the files that issue (service_account_tokens.c) and verify (service_account_verify.c) tokens share. */
#include "clusterd/server/access/jose_key.h"
#include "clusterd/server/access/service_account_tokens.h"

#define SERVICE_ACCOUNT_PREFIX "system:serviceaccount:"
#define LEGACY_ISSUER "kubernetes/serviceaccount" /* of the tokens Secrets hold */
#define LEGACY_CLAIM "kubernetes.io/serviceaccount/"

struct ServiceAccountTokens {
  Registry *registry;
  char **issuers;   /* the first issues; all are believed */
  char **audiences; /* of this API */
  GPtrArray *keys;  /* JoseKey*: the first signs, all verify */
};

/* An object of the core group, new reference; NULL when there is none. */
Object *service_account_tokens_find(const ServiceAccountTokens *tokens, const char *plural, const char *namespace_,
                                    const char *name);

#pragma once
/* Bootstrap tokens "abcdef.0123456789abcdef": Secrets in kube-system of type bootstrap.kubernetes.io/token, by which a
 * new node first shows who it is. Source: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
#include "clusterd/server/registry/registry.h"

/* Who TOKEN stands for; NULL when it is no bootstrap token, or one that is unknown, expired or not for this. The caller
 * frees. */
Identity *bootstrap_token_find(Registry *registry, const char *token);

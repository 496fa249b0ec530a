#pragma once
/* Signs the ConfigMap kube-public/cluster-info, where there is one, with every bootstrap token that may: who holds a
 * token can then trust the cluster it describes. Source: k8s.io/kubernetes pkg/controller/bootstrap. */
#include "clusterd/controllers/context.h"

typedef struct BootstrapSigner BootstrapSigner;

BootstrapSigner *bootstrap_signer_new(const ControllerContext *context);
void bootstrap_signer_free(BootstrapSigner *signer);

/* The detached JSON web signature (RFC 7515, HS256) of CONTENT with the token "ID.SECRET". The caller frees. */
char *bootstrap_signature(const char *content, const char *id, const char *secret);

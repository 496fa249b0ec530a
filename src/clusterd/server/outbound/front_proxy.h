#pragma once
/*
 * Who this server is to extension API servers: a client certificate, and the ConfigMap
 * kube-system/extension-apiserver-authentication by which they know whom to believe about who asks. Source:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
 */
#include "clusterd/server/access/identity.h"
#include "clusterd/server/registry/registry.h"

typedef struct FrontProxy {
  char *ca_pem, *cert_pem, *key_pem;
} FrontProxy;

/* A new authority and a certificate of its; both live as long as the process. NULL with REASON_INTERNAL. */
FrontProxy *front_proxy_new(GError **error);
/* The same from files: a certificate, its key, and who signed it. NULL with REASON_FILE. */
FrontProxy *front_proxy_read(const char *cert_file, const char *key_file, const char *ca_file, GError **error);
void front_proxy_free(FrontProxy *proxy);

/* Publishes the authority, besides those of other servers and of earlier starts, and CLIENT_CA_FILE. */
bool front_proxy_publish(const FrontProxy *proxy, Registry *registry, const char *client_ca_file, GError **error);

/* "X-Remote-User: …", …: what tells an extension API server who asks. The caller frees. */
char **front_proxy_headers(const Identity *identity);

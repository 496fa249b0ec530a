#pragma once
/*
 * Where a webhook or an extension API server is: a URL, or a service that is looked up for every call. Source:
 * admissionregistration.k8s.io/v1 WebhookClientConfig, apiextensions.k8s.io/v1 WebhookClientConfig,
 * apiregistration.k8s.io/v1 ServiceReference.
 */
#include "clusterd/server/outbound/outbound.h"
#include "clusterd/server/registry/registry.h"

typedef struct ClientConfig {
  OutboundTarget target; /* borrows from the rest */
  char *url, *connect_to, *ca_pem;
} ClientConfig;

void client_config_clear(ClientConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ClientConfig, client_config_clear)

/* Reads {url | service: {namespace, name, path, port}, caBundle}; *CONFIG need not be cleared before, but must be
 * afterwards. A service is called by the name `NAME.NAMESPACE.svc`. REASON_INTERNAL or REASON_SERVICE_UNAVAILABLE, with
 * upstream's `Post "URL": …` not in front. */
bool client_config_read(Registry *registry, const json_t *value, ClientConfig *config, GError **error);

/* A JSON document to a webhook and its reply, as outbound_post_json. CLIENT_CONFIG is the object's member clientConfig
 * (or conversion.webhook.clientConfig). New reference. */
json_t *client_config_post_json(Registry *registry, const json_t *client_config, const json_t *body,
                                unsigned timeout_seconds, GError **error);

/* The same up to the wait, see outbound_post_start; NULL with an error when there is nobody to call. */
OutboundPost *client_config_post_start(Registry *registry, const json_t *client_config, const json_t *body,
                                       unsigned timeout_seconds, GError **error);

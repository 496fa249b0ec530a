#include "clusterd/server/outbound/client_config.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/outbound/service_resolver.h"
#include "clusterd/server/registry/registry_private.h"

#define HTTPS_PORT 443

void client_config_clear(ClientConfig *config)
{
  g_clear_pointer(&config->url, g_free);
  g_clear_pointer(&config->connect_to, g_free);
  g_clear_pointer(&config->ca_pem, g_free);
}

/* caBundle is PEM in base64. False when it is no base64. */
static bool read_bundle(const char *bundle, char **pem)
{
  gsize length;
  g_autofree guchar *bytes = g_base64_decode(bundle, &length);
  *pem = bytes && length ? g_strndup((const char *)bytes, length) : NULL;
  return *pem || !*bundle;
}

static bool read_service(Registry *registry, const json_t *service, ClientConfig *config, GError **error)
{
  const char *namespace_ = json_str(service, "namespace", "");
  const char *name = json_str(service, "name", "");
  const char *path = json_str(service, "path", "");
  int64_t port = json_int(service, "port", HTTPS_PORT);
  config->url = g_strdup_printf("https://%s.%s.svc:%" G_GINT64_FORMAT "%s%s", name, namespace_, port,
                                *path == '/' ? "" : "/", path);
  config->connect_to = service_resolve(registry, namespace_, name, port, error);
  return config->connect_to != NULL;
}

bool client_config_read(Registry *registry, const json_t *value, ClientConfig *config, GError **error)
{
  const json_t *service = json_object_get(value, "service");
  const char *url = json_str(value, "url", "");
  *config = (ClientConfig){ 0 };
  if (!read_bundle(json_str(value, "caBundle", ""), &config->ca_pem))
    return reason_set(error, REASON_INTERNAL, "unable to load root certificates: unable to parse bytes as PEM block");
  if (service ? !read_service(registry, service, config, error) : false)
    return false;
  if (!service && !g_str_has_prefix(url, "https://"))
    return reason_set(error, REASON_INTERNAL, "webhook URL must use https");
  if (!service)
    config->url = g_strdup(url);
  config->target = (OutboundTarget){ .url = config->url, .connect_to = config->connect_to, .ca_pem = config->ca_pem };
  return true;
}

OutboundPost *client_config_post_start(Registry *registry, const json_t *client_config, const json_t *body,
                                       unsigned timeout_seconds, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_auto(ClientConfig) config = { 0 };
  if (client_config_read(registry, client_config, &config, &problem))
    return outbound_post_start(registry->outbound, &config.target, body, timeout_seconds);
  /* to upstream's client looking the service up is a part of the call */
  if (config.url)
    g_prefix_error(&problem, "Post \"%s?timeout=%us\": ", config.url, timeout_seconds);
  g_propagate_error(error, g_steal_pointer(&problem));
  return NULL;
}

json_t *client_config_post_json(Registry *registry, const json_t *client_config, const json_t *body,
                                unsigned timeout_seconds, GError **error)
{
  if (!http_worker_lend()) {
    outbound_too_many(error);
    return NULL;
  }
  OutboundPost *post = client_config_post_start(registry, client_config, body, timeout_seconds, error);
  json_t *reply = post ? outbound_post_finish(post, error) : NULL;
  outbound_post_free(post);
  http_worker_return();
  return reply;
}

/* The subresource proxy of pods, services and nodes: the request goes on to what they name. Source: upstream's
 * pkg/registry/core/{pod,service,node}. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/outbound/relay.h"
#include "clusterd/server/outbound/service_resolver.h"
#include "clusterd/server/registry/registry_private.h"

#define KUBELET_PORT 10250

/* The name in the URL: [SCHEME:]NAME[:PORT]. */
typedef struct ProxyName {
  char *scheme; /* "http" or "https" */
  char *name;
  char *port; /* "" when there is none; a number, or a service port's name */
} ProxyName;

static void proxy_name_clear(ProxyName *name)
{
  g_free(name->scheme);
  g_free(name->name);
  g_free(name->port);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProxyName, proxy_name_clear)

static bool parse_name(const char *text, const char *what, ProxyName *name, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(text, ":", 4);
  guint count = g_strv_length(parts);
  const char *scheme = count == 3 ? parts[0] : "";
  *name = (ProxyName){ 0 };
  const char *port = count == 3 ? parts[2] : count == 2 ? parts[1] : "";
  /* it becomes a part of a URL */
  if (port[strspn(port, "abcdefghijklmnopqrstuvwxyz0123456789-")] || count < 1 || count > 3 || !*parts[count == 3] ||
      !(g_str_equal(scheme, "") || g_str_equal(scheme, "http") || g_str_equal(scheme, "https")))
    return reason_set(error, REASON_BAD_REQUEST, "invalid %s request \"%s\"", what, text);
  name->scheme = g_strdup(*scheme ? scheme : "http");
  name->name = g_strdup(parts[count == 3]);
  name->port = g_strdup(port);
  return true;
}

/* Addresses of this machine itself, of its link, and of nobody in particular are not for those who may only proxy. */
static bool is_proxyable(const char *address)
{
  struct in_addr v4;
  struct in6_addr v6;
  if (inet_pton(AF_INET, address, &v4) == 1) {
    uint32_t host = ntohl(v4.s_addr);
    return host != 0 && host >> 24 != 127 && host >> 16 != 0xa9fe && host >> 28 != 14 && host != UINT32_MAX;
  }
  return inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_LOOPBACK(&v6) &&
         !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_MULTICAST(&v6);
}

static bool check_address(const char *address, GError **error)
{
  return is_proxyable(address) || reason_set(error, REASON_BAD_REQUEST, "address not allowed");
}

static Object *find_object(const ApiRequest *request, const char *name, GError **error)
{
  Object *object = registry_lookup(request->registry, request->kind, request->info->namespace_, name);
  if (!object)
    api_error_not_found(error, request->kind, name);
  return object;
}

/* --- whom to call: "10.1.2.3:80", the caller frees -----------------------------------------------------------------
 */

/* The first port a container names. The caller frees. */
static char *pod_port(const json_t *pod)
{
  size_t i;
  json_t *container;
  json_array_foreach (json_at(pod, "spec", "containers", NULL), i, container) {
    const json_t *ports = json_object_get(container, "ports");
    if (json_array_size(ports))
      return g_strdup_printf("%" G_GINT64_FORMAT, json_int(json_array_get(ports, 0), "containerPort", 0));
  }
  return g_strdup("");
}

static char *with_port(const char *address, const char *port, const char *scheme, GError **error)
{
  guint64 number;
  if (!*port)
    port = g_str_equal(scheme, "https") ? "443" : "80";
  if (!g_ascii_string_to_unsigned(port, 10, 1, 65535, &number, NULL)) {
    reason_set(error, REASON_SERVICE_UNAVAILABLE,
               "error trying to reach service: dial tcp: lookup tcp/%s: unknown port", port);
    return NULL;
  }
  return strchr(address, ':') ? g_strdup_printf("[%s]:%s", address, port) : g_strdup_printf("%s:%s", address, port);
}

static char *locate_pod(const ApiRequest *request, const ProxyName *name, GError **error)
{
  g_autoptr(Object) pod = find_object(request, name->name, error);
  if (!pod)
    return NULL;
  const char *address = json_str(json_object_get(object_json(pod), "status"), "podIP", "");
  g_autofree char *port = *name->port ? g_strdup(name->port) : pod_port(object_json(pod));
  return check_address(address, error) ? with_port(address, port, name->scheme, error) : NULL;
}

/* The name of the service's port that is meant by its name or number; NULL with an error. Borrowed from both. */
static const char *service_port_name(const Object *service, const char *port, GError **error)
{
  guint64 number;
  size_t i;
  json_t *item;
  if (!g_ascii_string_to_unsigned(port, 10, 0, G_MAXINT64, &number, NULL))
    return port;
  json_array_foreach (json_at(object_json(service), "spec", "ports", NULL), i, item)
    if ((guint64)json_int(item, "port", 0) == number)
      return json_str(item, "name", "");
  reason_set(error, REASON_SERVICE_UNAVAILABLE, "no service port %s found for service \"%s\"", port,
             object_name(service));
  return NULL;
}

static char *locate_service(const ApiRequest *request, const ProxyName *name, GError **error)
{
  g_autoptr(Object) service = find_object(request, name->name, error);
  const char *port = service ? service_port_name(service, name->port, error) : NULL;
  if (!port)
    return NULL;
  char *address = service_pod_endpoint(request->registry, request->info->namespace_, name->name, port);
  if (!address)
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "no endpoints available for service \"%s\"", request->info->name);
  return address;
}

static const char *node_address(const Object *node)
{
  size_t i;
  json_t *address;
  json_array_foreach (json_at(object_json(node), "status", "addresses", NULL), i, address)
    if (g_str_equal(json_str(address, "type", ""), "InternalIP"))
      return json_str(address, "address", "");
  return "";
}

/* The port that node agents serve on; NULL with an error when there is no such node. */
static char *agent_port(const ApiRequest *request, const ProxyName *name, Object **node, GError **error)
{
  *node = find_object(request, name->name, error);
  if (!*node)
    return NULL;
  const json_t *endpoint = json_at(object_json(*node), "status", "daemonEndpoints", "kubeletEndpoint", NULL);
  return g_strdup_printf("%" G_GINT64_FORMAT, json_int(endpoint, "Port", KUBELET_PORT));
}

static char *locate_node(const ApiRequest *request, const ProxyName *name, GError **error)
{
  g_autoptr(Object) node = NULL;
  g_autofree char *own_port = agent_port(request, name, &node, error);
  if (!own_port)
    return NULL;
  const char *address = node_address(node);
  if (!*name->port || g_str_equal(name->port, own_port)) {
    /* the node agent is a part of its process and listens nowhere; this process's own was asked before */
    reason_set(error, REASON_SERVICE_UNAVAILABLE,
               "error trying to reach service: dial tcp %s:%s: connect: connection refused", address, own_port);
    return NULL;
  }
  return check_address(address, error) ? with_port(address, name->port, name->scheme, error) : NULL;
}

/* Whether the node's own agent is meant, not something else on that machine. */
static bool means_agent(const ApiRequest *request, const ProxyName *name)
{
  g_autoptr(Object) node = NULL;
  g_autofree char *port = agent_port(request, name, &node, NULL);
  return port && (!*name->port || g_str_equal(name->port, port));
}

/* --- the request ---------------------------------------------------------------------------------------------------
 */

/* What follows `/proxy` in the path as it was sent; "" or beginning with a slash. Borrowed. */
static const char *rest_of_path(const ApiRequest *request)
{
  /* /api/v1/namespaces/NAMESPACE/KIND/NAME/proxy, or without the namespace */
  int segments = request->info->namespace_ ? 7 : 5;
  const char *path = http_path(request->http);
  for (; segments > 0 && *path; segments--) {
    path += strspn(path, "/");
    path += strcspn(path, "/");
  }
  return path;
}

static void fail(HttpRequest *http, const char *text)
{
  g_autoptr(GError) error = NULL;
  reason_set(&error, REASON_SERVICE_UNAVAILABLE, "%s", text);
  g_autoptr(json_t) status = status_of_error(error);
  char *body = json_text(status);
  http_reply(http, 503, "application/json", g_bytes_new_take(body, strlen(body)));
}

/* The page itself and what it links to must lie below it. */
static void redirect(ApiRequest *request)
{
  const char *query = http_query(request->http);
  g_autofree char *location = g_strdup_printf("%s/%s%s", http_path(request->http), *query ? "?" : "", query);
  HttpRequest *http = g_steal_pointer(&request->http);
  http_add_header(http, "Location", location);
  http_reply(http, 301, NULL, NULL);
}

static void pass_on(ApiRequest *request, const char *scheme, const char *address, const char *rest)
{
  const char *query = http_query(request->http), *peer = http_peer_address(request->http);
  const char *before = http_header(request->http, "X-Forwarded-For");
  g_autofree char *url =
      g_strdup_printf("%s://%s%s%s%s", scheme, address, *rest ? rest : "/", *query ? "?" : "", query);
  g_autofree char *prefix =
      g_strndup(http_path(request->http), (gsize)(strlen(http_path(request->http)) - strlen(rest)));
  g_autofree char *forwarded_for =
      g_strdup_printf("X-Forwarded-For: %s%s%s", before ? before : "", before ? ", " : "", peer);
  g_autofree char *forwarded_uri = g_strdup_printf("X-Forwarded-Uri: %s%s", prefix, rest);
  const char *const headers[] = { forwarded_for, forwarded_uri, NULL };
  RelayRequest relay = { .target = { .url = url, .insecure = true },
                         .headers = headers,
                         .path_prefix = prefix,
                         .keep_host = true,
                         .fail = fail };
  HttpRequest *http = g_steal_pointer(&request->http);
  if (relay_is_upgrade(http))
    relay_start_upgrade(api_server_sessions(request->server), http, &relay);
  else
    relay_start(request->registry->outbound, http, &relay);
}

typedef struct ProxyRow {
  const char *plural, *what;
  char *(*locate)(const ApiRequest *request, const ProxyName *name, GError **error);
} ProxyRow;

static const ProxyRow rows[] = {
  { "pods", "pod", locate_pod },
  { "services", "service", locate_service },
  { "nodes", "node", locate_node },
};

static void handle_row(ApiRequest *request, const ProxyRow *row)
{
  g_autoptr(GError) error = NULL;
  g_auto(ProxyName) name = { 0 };
  const char *rest = rest_of_path(request);
  bool ok = parse_name(request->info->name, row->what, &name, &error) && connect_admit(request, &error);
  bool agent = ok && row->locate == locate_node && means_agent(request, &name) && !relay_is_upgrade(request->http);
  if (agent && !*rest) {
    redirect(request);
    return;
  }
  if (agent && handle_own_node(request, name.name, rest))
    return;
  g_autofree char *address = ok ? row->locate(request, &name, &error) : NULL;
  if (!address)
    respond_error(request, error);
  else if (!*rest && !relay_is_upgrade(request->http))
    redirect(request);
  else
    pass_on(request, name.scheme, address, rest);
}

bool handle_proxy(ApiRequest *request)
{
  const RequestInfo *info = request->info;
  if (g_strcmp0(info->subresource, "proxy") != 0 || *request->kind->group)
    return false;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (g_str_equal(rows[i].plural, request->kind->plural)) {
      handle_row(request, &rows[i]);
      return true;
    }
  }
  return false;
}

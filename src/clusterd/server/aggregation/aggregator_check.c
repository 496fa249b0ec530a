/* Whether remote API servers answer: their condition Available, and what they serve. Source: kube-aggregator's
 * available controller. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/openapi/openapi.h"
#include "clusterd/server/aggregation/aggregator_private.h"
#include "clusterd/server/outbound/service_resolver.h"

/* One remote APIService while it is asked. */
typedef struct Check {
  Object *api_service;
  AggregatorTarget target;
  char *url; /* for messages: with the address that is called */
  OutboundPost *resources, *openapi;
  const char *reason; /* of the condition */
  char *message;
  bool available;
  json_t *resource_list, *openapi_entry, *swagger;
} Check;

static void check_free(void *data)
{
  Check *check = data;
  outbound_post_free(check->resources);
  outbound_post_free(check->openapi);
  aggregator_target_clear(&check->target);
  json_decref(check->resource_list);
  json_decref(check->openapi_entry);
  json_decref(check->swagger);
  g_free(check->url);
  g_free(check->message);
  g_free(check);
}

static bool conclude(Check *check, bool available, const char *reason, char *message)
{
  check->available = available;
  check->reason = reason;
  g_free(check->message);
  check->message = message;
  return available;
}

/* --- before the call -----------------------------------------------------------------------------------------------
 */

static const json_t *spec_of(const Check *check)
{
  return json_object_get(object_json(check->api_service), "spec");
}

/* The name of the service's port; NULL: it has no such port. Borrowed. */
static const char *port_name(const Object *service, int64_t number)
{
  size_t i;
  json_t *port;
  json_array_foreach (json_at(object_json((Object *)(uintptr_t)service), "spec", "ports", NULL), i, port)
    if (json_int(port, "port", 0) == number)
      return json_str(port, "name", "");
  return NULL;
}

/* That the service is there and has somebody behind it. */
static bool check_service(Aggregator *aggregator, Check *check)
{
  const json_t *reference = json_object_get(spec_of(check), "service");
  const char *namespace_ = json_str(reference, "namespace", ""), *name = json_str(reference, "name", "");
  int64_t port = json_int(reference, "port", 443);
  const ApiKind *kind = api_scheme_resource(registry_scheme(aggregator->registry), "", "v1", "services");
  g_autoptr(Object) service = registry_lookup(aggregator->registry, kind, namespace_, name);
  if (!service)
    return conclude(check, false, "ServiceNotFound",
                    g_strdup_printf("service/%s in \"%s\" is not present", name, namespace_));
  if (!g_str_equal(json_str(json_object_get(object_json(service), "spec"), "type", ""), "ClusterIP"))
    return true;
  const char *named = port_name(service, port);
  if (!named)
    return conclude(
        check, false, "ServicePortError",
        g_strdup_printf("service/%s in \"%s\" is not listening on port %" G_GINT64_FORMAT, name, namespace_, port));
  g_autofree char *endpoint = service_endpoint(aggregator->registry, namespace_, name, named);
  return endpoint || conclude(check, false, "MissingEndpoints",
                              g_strdup_printf("endpoints for service/%s in \"%s\" have no addresses with port name "
                                              "\"%s\"",
                                              name, namespace_, named));
}

/* --- the call ------------------------------------------------------------------------------------------------------
 */

static OutboundPost *ask(Aggregator *aggregator, Check *check, const char *path)
{
  /* an identity that may always look */
  static const char *const headers[] = { "X-Remote-User: system:kube-aggregator", "X-Remote-Group: system:masters",
                                         "Accept: application/json", NULL };
  g_autofree char *url = g_strconcat(check->target.origin, path, NULL);
  OutboundTarget target = check->target.target;
  target.url = url;
  return outbound_get_start(aggregator->registry->outbound, &target, headers, AGGREGATOR_CHECK_SECONDS);
}

static void start(Aggregator *aggregator, Check *check)
{
  g_autoptr(GError) error = NULL;
  if (!check_service(aggregator, check))
    return;
  if (!aggregator_target(aggregator, check->api_service, &check->target, &error)) {
    conclude(check, false, "FailedDiscoveryCheck", g_strdup(error->message));
    return;
  }
  g_autofree char *path =
      g_strdup_printf("/apis/%s/%s", json_str(spec_of(check), "group", ""), json_str(spec_of(check), "version", ""));
  check->url = g_strdup_printf("https://%s%s", check->target.connect_to, path);
  check->resources = ask(aggregator, check, path);
  check->openapi = ask(aggregator, check, "/openapi/v3");
}

static json_t *parse(GBytes *bytes)
{
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  return text ? json_parse(text, length, false, NULL) : NULL;
}

static void read_resources(Check *check)
{
  g_autoptr(GError) error = NULL;
  long status = 0;
  g_autoptr(GBytes) body = outbound_get_finish(check->resources, &status, &error);
  if (!body) {
    conclude(check, false, "FailedDiscoveryCheck",
             g_strdup_printf("failing or missing response from %s: %s", check->url, error->message));
  } else if (status < 200 || status > 299) {
    conclude(check, false, "FailedDiscoveryCheck",
             g_strdup_printf("failing or missing response from %s: bad status from %s: %ld", check->url, check->url,
                             status));
  } else {
    check->resource_list = parse(body);
    conclude(check, true, "Passed", g_strdup("all checks passed"));
  }
}

static void read_openapi(Check *check)
{
  long status = 0;
  g_autoptr(GBytes) body = outbound_get_finish(check->openapi, &status, NULL);
  g_autoptr(json_t) index = body && status == 200 ? parse(body) : NULL;
  g_autofree char *path =
      g_strdup_printf("apis/%s/%s", json_str(spec_of(check), "group", ""), json_str(spec_of(check), "version", ""));
  check->openapi_entry = json_incref(json_at(index, "paths", path, NULL));
}

/* Whether what the server says of itself differs from what is known: then its OpenAPI v2, which may be long, is read
 * again. */
static bool says_something_new(Aggregator *aggregator, const Check *check)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  const Remote *remote = g_hash_table_lookup(aggregator->remotes, object_name(check->api_service));
  return remote && (!remote->fresh || !remote->swagger || !json_same(remote->resources, check->resource_list) ||
                    !json_same(remote->openapi, check->openapi_entry));
}

static void read_swagger(Aggregator *aggregator, Check *check)
{
  long status = 0;
  if (!check->available || !says_something_new(aggregator, check))
    return;
  outbound_post_free(check->openapi);
  check->openapi = ask(aggregator, check, "/openapi/v2");
  g_autoptr(GBytes) body = outbound_get_finish(check->openapi, &status, NULL);
  g_autoptr(json_t) swagger = body && status == 200 ? parse(body) : NULL;
  check->swagger =
      openapi_v2_part(swagger, json_str(spec_of(check), "group", ""), json_str(spec_of(check), "version", ""));
}

/* --- what becomes of it --------------------------------------------------------------------------------------------
 */

/* The condition Available; its time is that of the last change of its status. False when it is there already. */
static bool set_condition(json_t *value, void *data)
{
  const Check *check = data;
  const char *state = check->available ? "True" : "False";
  json_t *status = json_ensure_object(value, "status", NULL);
  json_t *before = json_array_get(json_object_get(status, "conditions"), 0);
  if (g_str_equal(json_str(before, "status", ""), state) &&
      g_str_equal(json_str(before, "reason", ""), check->reason) &&
      g_str_equal(json_str(before, "message", ""), check->message))
    return false;
  g_autofree char *now = timestamp_now();
  const char *since =
      g_str_equal(json_str(before, "status", ""), state) ? json_str(before, "lastTransitionTime", now) : now;
  json_object_set_new(status, "conditions",
                      json_pack("[{s:s, s:s, s:s, s:s, s:s}]", "type", "Available", "status", state,
                                "lastTransitionTime", since, "reason", check->reason, "message", check->message));
  return true;
}

static void remember(Aggregator *aggregator, Check *check)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  Remote *remote = g_hash_table_lookup(aggregator->remotes, object_name(check->api_service));
  if (!remote)
    return;
  remote->fresh = check->available;
  if (!check->available)
    return;
  if (check->swagger) {
    json_decref(remote->swagger);
    remote->swagger = g_steal_pointer(&check->swagger);
    aggregator->generation++;
  }
  json_decref(remote->resources);
  json_decref(remote->openapi);
  remote->resources = g_steal_pointer(&check->resource_list);
  remote->openapi = g_steal_pointer(&check->openapi_entry);
}

static void finish(Aggregator *aggregator, Check *check)
{
  static const Caller self = { .field_manager = "kube-aggregator" };
  Target target = { aggregator->kind, NULL, object_name(check->api_service), "status" };
  g_autoptr(GError) error = NULL;
  if (check->resources) {
    read_resources(check);
    read_openapi(check);
    read_swagger(aggregator, check);
  }
  /* first what it serves: who sees that it is available finds it */
  remember(aggregator, check);
  g_autoptr(Object) stored = registry_modify(aggregator->registry, &self, &target, set_condition, check, &error);
  if (!stored && !reason_is(error, REASON_NOT_FOUND))
    g_warning("cannot write the status of the APIService %s: %s", object_name(check->api_service), error->message);
}

void aggregator_check(Aggregator *aggregator, GPtrArray *api_services)
{
  g_autoptr(GPtrArray) checks = g_ptr_array_new_with_free_func(check_free);
  for (guint i = 0; i < api_services->len; i++) {
    if (!aggregator_is_remote(api_services->pdata[i]))
      continue;
    Check *check = g_new0(Check, 1);
    check->api_service = api_services->pdata[i];
    g_ptr_array_add(checks, check);
    start(aggregator, check);
  }
  for (guint i = 0; i < checks->len; i++)
    finish(aggregator, checks->pdata[i]);
}

/* Requests for groups and versions that another server answers for. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/aggregation/aggregator.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/outbound/relay.h"
#include "clusterd/server/registry/registry_private.h"

#define FETCH_SECONDS 10 /* for an answer to a component of this process: the end of the process waits for it */
#define TEXT_PLAIN "text/plain; charset=utf-8"

static void fail(HttpRequest *http, const char *text)
{
  char *body = g_strconcat(text, "\n", NULL);
  http_reply(http, 503, TEXT_PLAIN, g_bytes_new_take(body, strlen(body)));
}

static bool is_available(const Object *api_service)
{
  const json_t *conditions = json_at(object_json((Object *)(uintptr_t)api_service), "status", "conditions", NULL);
  return g_str_equal(json_str(json_find(conditions, "type", "Available"), "status", ""), "True");
}

/* The headers that tell who asks, from where, and for what. The caller frees. */
static char **headers_of(const ApiRequest *request)
{
  g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
  g_auto(GStrv) who = front_proxy_headers(request->identity);
  const char *before = http_header(request->http, "X-Forwarded-For"), *host = http_header(request->http, "Host");
  g_autofree char *from = g_strdup_printf("X-Forwarded-For: %s%s%s", before ? before : "", before ? ", " : "",
                                          http_peer_address(request->http));
  g_autofree char *uri = g_strdup_printf("X-Forwarded-Uri: %s", http_path(request->http));
  g_autofree char *to = g_strdup_printf("X-Forwarded-Host: %s", host ? host : "");
  for (char **line = who; *line; line++)
    g_strv_builder_add(lines, *line);
  g_strv_builder_add(lines, from);
  g_strv_builder_add(lines, uri);
  g_strv_builder_add(lines, to);
  g_strv_builder_add(lines, "X-Forwarded-Proto: https");
  return g_strv_builder_end(lines);
}

/* What a component of this process asks: its answer comes as a whole. */
static void fetch(ApiRequest *request, const OutboundTarget *target, char **headers)
{
  HttpRequest *http = g_steal_pointer(&request->http);
  long status = 0;
  g_autoptr(GError) error = NULL;
  g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
  for (char **line = headers; *line; line++)
    g_strv_builder_add(lines, *line);
  g_strv_builder_add(lines, "Accept: application/json");
  g_auto(GStrv) all = g_strv_builder_end(lines);
  OutboundPost *get = outbound_get_start(request->registry->outbound, target, (const char *const *)all, FETCH_SECONDS);
  GBytes *body = outbound_get_finish(get, &status, &error);
  outbound_post_free(get);
  if (body)
    http_reply(http, (int)status, "application/json", body);
  else
    fail(http, error->message);
}

static void pass_on(ApiRequest *request, AggregatorTarget *target)
{
  const char *query = http_query(request->http);
  g_autofree char *url =
      g_strdup_printf("%s%s%s%s", target->origin, http_path(request->http), *query ? "?" : "", query);
  g_auto(GStrv) headers = headers_of(request);
  RelayRequest relay = {
    .target = target->target, .headers = (const char *const *)headers, .hidden_prefix = "X-Remote-", .fail = fail
  };
  relay.target.url = url;
  if (http_is_local(request->http)) {
    fetch(request, &relay.target, headers);
    return;
  }
  HttpRequest *http = g_steal_pointer(&request->http);
  if (relay_is_upgrade(http))
    relay_start_upgrade(api_server_sessions(request->server), http, &relay);
  else
    relay_start(request->registry->outbound, http, &relay);
}

bool handle_aggregated(ApiRequest *request, const char *group, const char *version)
{
  Aggregator *aggregator = api_server_aggregator(request->server);
  if (!group || !*group || !version || !aggregator_has_remote(aggregator))
    return false;
  g_autoptr(Object) api_service = aggregator_find(aggregator, group, version);
  g_auto(AggregatorTarget) target = { 0 };
  if (!api_service)
    return false;
  if (!is_available(api_service) || !aggregator_target(aggregator, api_service, &target, NULL))
    respond_text(request, 503, TEXT_PLAIN, "service unavailable\n");
  else
    pass_on(request, &target);
  return true;
}

/* Requests of this process's own components that somebody else may have to answer: they go the way of all requests. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/outbound/outbound.h"

#define EXCERPT_MAX 512 /* of a body that is no JSON, in an error's text */

typedef struct Answer {
  int status;
  GBytes *body;
} Answer;

/* Who asks whom. */
typedef struct Question {
  ApiServer *server;
  const Identity *identity;
} Question;

static void serve(HttpRequest *http, void *data)
{
  const Question *question = data;
  api_request_serve(http, question->server, question->identity);
}

/* " (get pods.metrics.k8s.io)", as clients name what they asked for. The caller frees. */
static char *asked_for(const RequestInfo *info)
{
  if (!info->is_resource)
    return g_strdup("");
  return g_strdup_printf(" (get %s%s%s%s%s)", info->resource, *info->group ? "." : "", info->group,
                         info->name ? " " : "", info->name ? info->name : "");
}

static Reason reason_of_status(int status)
{
  for (int reason = 0; reason < REASON_MAX; reason++)
    if (reason_info(reason)->http_status == status && *reason_info(reason)->kube)
      return (Reason)reason;
  return REASON_INTERNAL;
}

/* An error from a Status, or from what clients make of an answer that is none. */
static void read_failure(const Answer *answer, const RequestInfo *info, json_t *value, GError **error)
{
  g_autofree char *asked = asked_for(info);
  gsize length;
  const char *bytes = g_bytes_get_data(answer->body, &length);
  g_autofree char *raw = bytes ? g_strndup(bytes, MIN(length, EXCERPT_MAX)) : g_strdup("");
  g_autofree char *text = g_utf8_make_valid(raw, -1);
  g_autoptr(GError) problem = NULL;
  Reason reason = reason_of_status(answer->status);
  if (g_str_equal(json_str(value, "kind", ""), "Status") && *json_str(value, "message", "")) {
    reason_set(error, reason, "%s", json_str(value, "message", ""));
    return;
  }
  outbound_status_failure(&problem, answer->status, g_strstrip(text));
  reason_set(error, reason, "%s%s", problem->message, asked);
}

static json_t *read_answer(const Answer *answer, const RequestInfo *info, GError **error)
{
  gsize length;
  const char *bytes = g_bytes_get_data(answer->body, &length);
  bool good = answer->status >= 200 && answer->status <= 299;
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) value = json_parse(bytes ? bytes : "", length, false, &problem);
  if (good && json_is_object(value))
    return g_steal_pointer(&value);
  if (good)
    reason_set(error, REASON_INTERNAL, "couldn't get version/kind; json parse error: %s",
               problem ? problem->message : "no object");
  else
    read_failure(answer, info, value, error);
  return NULL;
}

json_t *api_server_get(ApiServer *server, const Identity *identity, const char *path_and_query, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(path_and_query, "?", 2);
  g_autoptr(Query) query = query_parse(parts[1] ? parts[1] : "");
  g_autoptr(RequestInfo) info = request_info_parse("GET", parts[0], query, error);
  if (!info)
    return NULL;
  if (g_str_equal(info->verb, "watch")) {
    reason_set(error, REASON_BAD_REQUEST, "a watch does not end");
    return NULL;
  }
  Question question = { server, identity };
  Answer answer = { 0 };
  answer.body = http_local_get(path_and_query, identity->name, serve, &question, &answer.status);
  json_t *value = read_answer(&answer, info, error);
  g_bytes_unref(answer.body);
  return value;
}

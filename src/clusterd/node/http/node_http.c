#include "clusterd/node/http/node_http.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/http/node_http_private.h"

void node_reply_text(NodeCall *call, int status, const char *content_type, const char *text)
{
  call->reply->status = status;
  call->reply->content_type = g_strdup(content_type);
  call->reply->body = g_bytes_new(text, strlen(text));
}

void node_reply_json(NodeCall *call, json_t *value)
{
  g_autofree char *text = json_text(value);
  json_decref(value);
  node_reply_text(call, 200, "application/json", text);
}

void node_reply_absent(NodeCall *call)
{
  node_reply_text(call, 404, TEXT_PLAIN, "404 page not found\n");
}

void node_reply_error(NodeCall *call, const GError *error)
{
  g_autofree char *line = g_strconcat(error->message, "\n", NULL);
  node_reply_text(call, reason_info((int)reason_of(error))->http_status, TEXT_PLAIN, line);
}

static void answer_health(NodeCall *call)
{
  if (call->parts[0] && strcmp(call->parts[0], "ping") != 0 && strcmp(call->parts[0], "log") != 0 &&
      strcmp(call->parts[0], "syncloop") != 0)
    node_reply_absent(call);
  else
    node_reply_text(call, 200, TEXT_PLAIN, "ok");
}

static const struct Route {
  const char *first; /* segment of the path */
  void (*answer)(NodeCall *call);
} routes[] = {
  { "healthz", answer_health },
  { "pods", node_answer_pods },
  { "runningpods", node_answer_running_pods },
  { "containerLogs", node_answer_container_logs },
  { "logs", node_answer_logs },
  { "stats", node_answer_stats },
  { "metrics", node_answer_metrics },
  { "configz", node_answer_configz },
};

/* The decoded segments of PATH; NULL when one cannot be decoded, or there are too many. */
static char **split(const char *path)
{
  g_autoptr(GStrvBuilder) parts = g_strv_builder_new();
  g_auto(GStrv) raw = g_strsplit(path, "/", NODE_PATH_MAX + 1);
  if (g_strv_length(raw) > NODE_PATH_MAX)
    return NULL;
  for (char **segment = raw; *segment; segment++) {
    g_autofree char *part = g_uri_unescape_string(*segment, "/");
    if (!part)
      return NULL;
    if (*part)
      g_strv_builder_add(parts, part);
  }
  return g_strv_builder_end(parts);
}

static void dispatch(NodeCall *call, char **parts)
{
  for (gsize i = 0; parts[0] && i < G_N_ELEMENTS(routes); i++) {
    if (strcmp(routes[i].first, parts[0]) != 0)
      continue;
    call->parts = parts + 1;
    routes[i].answer(call);
    return;
  }
  node_reply_absent(call);
}

void node_http_answer(void *node, const NodeHttpRequest *request, NodeHttpReply *reply)
{
  g_auto(GStrv) parts = split(request->path);
  NodeCall call = {
    .kubelet = node, .request = request, .folder = g_str_has_suffix(request->path, "/"), .reply = reply
  };
  *reply = (NodeHttpReply){ .fd = -1 };
  if (!parts) {
    node_reply_text(&call, 400, TEXT_PLAIN, "the path cannot be decoded\n");
  } else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
    node_reply_text(&call, 405, TEXT_PLAIN, "405: Method Not Allowed");
  } else {
    call.query = query_parse(request->query);
    dispatch(&call, parts);
    query_free(call.query);
  }
}

/* The subresource proxy of this machine's own node: the node agent is a part of this process and answers itself, as it
 * would on its port. Whoever may use nodes/proxy may ask for all of it: upstream's API server, too, asks the node in
 * its own name then. */
#include "base/file.h"
#include "base/reason.h"
#include "clusterd/server/api_request.h"

static void reply_clear(NodeHttpReply *reply)
{
  file_close(&reply->fd);
  g_free(reply->content_type);
  g_free(reply->location);
  g_clear_pointer(&reply->body, g_bytes_unref);
}

/* False when no node agent of the name NAME runs in this process. */
static bool ask(ApiRequest *request, const char *name, const char *path, NodeHttpReply *reply)
{
  const NodeAccess *node = api_server_node_hold(request->server);
  if (!node)
    return false;
  bool own = node->http && g_str_equal(node->name, name);
  if (own) {
    NodeHttpRequest asked = { http_method(request->http), path, http_query(request->http) };
    /* a look at all that runs takes a while: others may be served meanwhile */
    bool lent = http_worker_lend();
    node->http(node->node, &asked, reply);
    if (lent)
      http_worker_return();
  }
  api_server_node_release(request->server);
  return own;
}

bool handle_own_node(ApiRequest *request, const char *name, const char *path)
{
  NodeHttpReply reply = { .fd = -1 };
  if (!ask(request, name, path, &reply))
    return false;
  if (reply.fd >= 0) {
    respond_descriptor(request, reply.status, reply.content_type, reply.fd);
    reply.fd = -1;
  } else {
    HttpRequest *http = g_steal_pointer(&request->http);
    if (reply.location)
      http_add_header(http, "Location", reply.location);
    http_reply(http, reply.status, reply.content_type, g_steal_pointer(&reply.body));
  }
  reply_clear(&reply);
  return true;
}

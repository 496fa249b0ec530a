/* log, exec, attach and portforward of a pod: what the node agent gives, sent over HTTP or an upgraded connection. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/stream/session_set.h"
#include "clusterd/server/stream/stream_session.h"

/* What a session thread needs of the request after it is gone. */
typedef struct PodSession {
  const NodeAccess *node;
  char *namespace_, *pod, *container;
  char **argv; /* exec; NULL: attach */
  bool with_stdin, with_stdout, with_stderr, with_tty;
  StreamHandshake handshake;
  int fd;
  uint16_t ports[PORT_FORWARD_PORTS_MAX]; /* of a port-forward */
  unsigned n_ports;
} PodSession;

static void pod_session_free(PodSession *session)
{
  stream_handshake_clear(&session->handshake);
  g_free(session->namespace_);
  g_free(session->pod);
  g_free(session->container);
  g_strfreev(session->argv);
  g_free(session);
}

/* --- the pod -------------------------------------------------------------------------------------------------------
 */

static bool has_container(const json_t *spec, const char *name)
{
  static const char *const lists[] = { "containers", "initContainers", "ephemeralContainers" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    size_t j;
    json_t *container;
    json_array_foreach (json_object_get(spec, lists[i]), j, container)
      if (g_str_equal(json_str(container, "name", ""), name))
        return true;
  }
  return false;
}

/* The container that is meant: the one named, or the only one. */
static bool choose_container(const ApiRequest *request, const Object *pod, char **container, GError **error)
{
  const json_t *spec = json_object_get(object_json(pod), "spec");
  const json_t *containers = json_object_get(spec, "containers");
  const char *name = query_get(request->query, "container");
  if (name && *name) {
    if (!has_container(spec, name))
      return reason_set(error, REASON_BAD_REQUEST, "container %s is not valid for pod %s", name, object_name(pod));
    *container = g_strdup(name);
    return true;
  }
  if (json_array_size(containers) == 1) {
    *container = g_strdup(json_str(json_array_get(containers, 0), "name", ""));
    return true;
  }
  g_autoptr(GString) names = g_string_new(NULL);
  size_t i;
  json_t *item;
  json_array_foreach (containers, i, item)
    g_string_append_printf(names, "%s%s", i ? " " : "", json_str(item, "name", ""));
  return reason_set(error, REASON_BAD_REQUEST, "a container name must be specified for pod %s, choose one of: [%s]",
                    object_name(pod), names->str);
}

static bool no_node(GError **error)
{
  return reason_set(error, REASON_SERVICE_UNAVAILABLE, "the node agent is not running");
}

static Object *find_pod(ApiRequest *request, GError **error)
{
  Caller caller = { .identity = request->identity };
  Target target = { request->kind, request->info->namespace_, request->info->name, NULL };
  Object *pod = registry_get(request->registry, &caller, &target, error);
  if (pod && !api_server_node(request->server)) {
    no_node(error);
    g_clear_pointer(&pod, object_unref);
  }
  return pod;
}

/* --- log -----------------------------------------------------------------------------------------------------------
 */

static bool handle_log(ApiRequest *request, Object *pod, GError **error)
{
  g_autofree char *container = NULL;
  PodLogRequest log = { .namespace_ = request->info->namespace_, .pod = request->info->name, .uid = object_uid(pod) };
  if (!choose_container(request, pod, &container, error) || !pod_log_request_read(request->query, &log, error))
    return false;
  log.container = container;
  const NodeAccess *node = api_server_node_hold(request->server);
  if (!node)
    return no_node(error);
  int fd = node->logs(node->node, &log, error);
  api_server_node_release(request->server);
  if (fd < 0)
    return false;
  respond_descriptor(request, 200, "text/plain", fd);
  return true;
}

/* --- upgraded connections ------------------------------------------------------------------------------------------
 */

static NodeProcess *start_process(void *data, GError **error)
{
  PodSession *session = data;
  const NodeAccess *node = session->node;
  if (session->argv)
    return node->exec(node->node, session->namespace_, session->pod, session->container,
                      (const char *const *)session->argv, session->with_stdin, session->with_tty, error);
  return node->attach(node->node, session->namespace_, session->pod, session->container, session->with_stdin,
                      session->with_tty, error);
}

static void run_command(void *data)
{
  PodSession *session = data;
  RemoteCommand command = { session->with_stdin, session->with_stdout, session->with_stderr,
                            session->with_tty,   start_process,        session };
  remote_command_run(session->fd, &session->handshake, &command);
  pod_session_free(session);
}

static int connect_port(void *data, uint16_t port, GError **error)
{
  PodSession *session = data;
  return session->node->connect(session->node->node, session->namespace_, session->pod, port, error);
}

static void run_forward(void *data)
{
  PodSession *session = data;
  PortForward forward = { session->pod, connect_port, session, session->ports, session->n_ports };
  if (session->handshake.version == 4)
    port_forward_channels_run(session->fd, &session->handshake, &forward);
  else
    port_forward_run(session->fd, &session->handshake, &forward);
  pod_session_free(session);
}

static bool choose_handshake(const ApiRequest *request, StreamPurpose purpose, StreamHandshake *handshake,
                             GError **error)
{
  g_auto(GStrv) websocket = http_header_all(request->http, "Sec-WebSocket-Protocol");
  g_auto(GStrv) stream = http_header_all(request->http, "X-Stream-Protocol-Version");
  StreamHeaders headers = {
    .upgrade = http_header(request->http, "Upgrade"),
    .websocket_key = http_header(request->http, "Sec-WebSocket-Key"),
    .websocket_version = http_header(request->http, "Sec-WebSocket-Version"),
    .websocket_protocols = (const char *const *)websocket,
    .stream_protocols = (const char *const *)stream,
  };
  return stream_handshake_choose(purpose, &headers, handshake, error);
}

static PodSession *pod_session_new(const ApiRequest *request)
{
  PodSession *session = g_new0(PodSession, 1);
  session->node = api_server_node(request->server);
  session->namespace_ = g_strdup(request->info->namespace_);
  session->pod = g_strdup(request->info->name);
  return session;
}

static bool read_command(const ApiRequest *request, Object *pod, PodSession *session, bool exec, GError **error)
{
  const Query *query = request->query;
  session->with_stdin = query_flag(query, "stdin");
  session->with_tty = query_flag(query, "tty");
  session->with_stdout = query_flag(query, "stdout");
  session->with_stderr = query_flag(query, "stderr") && !session->with_tty;
  if (!choose_container(request, pod, &session->container, error))
    return false;
  if (!exec)
    return true;
  g_autofree const char **words = query_all(query, "command");
  if (!words[0])
    return reason_set(error, REASON_BAD_REQUEST, "you must specify at least 1 command for the container");
  session->argv = g_strdupv((char **)(uintptr_t)words);
  return true;
}

/* `ports=80&ports=81` or `ports=80,81`: each may be named once or in a list. */
static bool read_ports(const ApiRequest *request, PodSession *session, GError **error)
{
  g_autofree const char **values = query_all(request->query, "ports");
  for (gsize i = 0; values[i]; i++) {
    g_auto(GStrv) texts = g_strsplit(values[i], ",", PORT_FORWARD_PORTS_MAX + 1);
    for (char **text = texts; *text; text++) {
      guint64 port;
      if (!g_ascii_string_to_unsigned(*text, 10, 1, G_MAXUINT16, &port, NULL))
        return reason_set(error, REASON_BAD_REQUEST, "unable to parse \"%s\" as a port", *text);
      if (session->n_ports >= PORT_FORWARD_PORTS_MAX)
        return reason_set(error, REASON_BAD_REQUEST, "more than %d ports", PORT_FORWARD_PORTS_MAX);
      session->ports[session->n_ports++] = (uint16_t)port;
    }
  }
  return session->handshake.version != 4 || session->n_ports > 0 ||
         reason_set(error, REASON_BAD_REQUEST, "query parameter \"ports\" is required");
}

static bool start_session(ApiRequest *request, PodSession *session, void (*run)(void *data), GError **error)
{
  HttpRequest *http = g_steal_pointer(&request->http);
  session->fd = http_takeover(http, session->handshake.head);
  if (session->fd >= 0 && session_set_run(api_server_sessions(request->server), session->fd, run, session))
    return true;
  file_close(&session->fd);
  pod_session_free(session);
  return true; /* the HTTP request has ended either way */
}

static bool handle_upgrade(ApiRequest *request, Object *pod, const char *subresource, GError **error)
{
  bool forward = g_str_equal(subresource, "portforward");
  PodSession *session = pod_session_new(request);
  bool ok =
      (forward || read_command(request, pod, session, g_str_equal(subresource, "exec"), error)) &&
      choose_handshake(request, forward ? STREAM_PORT_FORWARD : STREAM_REMOTE_COMMAND, &session->handshake, error) &&
      (!forward || read_ports(request, session, error));
  if (!ok) {
    pod_session_free(session);
    return false;
  }
  return start_session(request, session, forward ? run_forward : run_command, error);
}

bool handle_pod_stream(ApiRequest *request)
{
  static const char *const upgrades[] = { "exec", "attach", "portforward", NULL };
  const RequestInfo *info = request->info;
  if (!info->subresource || *request->kind->group || !g_str_equal(request->kind->plural, "pods"))
    return false;
  bool log = g_str_equal(info->subresource, "log");
  if (!log && !g_strv_contains(upgrades, info->subresource))
    return false;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) pod = NULL;
  bool ok = log ? g_str_equal(info->verb, "get") || api_error_method(&error) : connect_admit(request, &error);
  ok = ok && (pod = find_pod(request, &error)) != NULL;
  ok = ok && (log ? handle_log(request, pod, &error) : handle_upgrade(request, pod, info->subresource, &error));
  if (!ok)
    respond_error(request, error);
  return true;
}

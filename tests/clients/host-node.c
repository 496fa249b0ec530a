/* An API server whose pods are programs of this host, for clients that exec, attach, copy and forward where no
 * containers can run: everything on the wire is the real server's, only the processes behind it are not contained.
 *
 *     host-node --data-dir DIR --cert-dir DIR --events-path FILE …     as clusterd left them; other options are ignored
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/server/child.h"
#include "clusterd/server/server.h"

static NodeProcess *node_exec(void *node, const char *namespace_, const char *pod, const char *container,
                              const char *const *argv, bool with_stdin, bool with_tty, GError **error)
{
  return child_start(argv, with_stdin, NULL, error);
}

static NodeProcess *node_attach(void *node, const char *namespace_, const char *pod, const char *container,
                                bool with_stdin, bool with_tty, GError **error)
{
  static const char *const argv[] = { "cat", NULL };
  return child_start(argv, true, NULL, error);
}

static int node_logs(void *node, const PodLogRequest *request, GError **error)
{
  int ends[2];
  if (!g_unix_open_pipe(ends, FD_CLOEXEC, error))
    return -1;
  dprintf(ends[1], "the log of %s/%s\n", request->pod, request->container);
  close(ends[1]);
  return ends[0];
}

/* What answers behind a forwarded port: it says everything again. */
static void *echo(void *data)
{
  int fd = GPOINTER_TO_INT(data);
  char buffer[4096];
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
    if (send(fd, buffer, (size_t)got, MSG_NOSIGNAL) < 0)
      break;
  close(fd);
  return NULL;
}

static int node_connect(void *node, const char *namespace_, const char *pod, uint16_t port, GError **error)
{
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "socketpair: %s", g_strerror(errno));
    return -1;
  }
  g_thread_unref(g_thread_new("echo", echo, GINT_TO_POINTER(pair[1])));
  return pair[0];
}

static const NodeAccess host = { .logs = node_logs, .exec = node_exec, .attach = node_attach, .connect = node_connect };

static gboolean quit(void *loop)
{
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

static void report(const char *path, unsigned port)
{
  FILE *events = fopen(path, "a");
  if (!events)
    g_error("%s cannot be written", path);
  fprintf(events, "{\"event\":\"apiserver\",\"message\":\"%u\"}\n", port);
  fclose(events);
}

static bool serve(const char *data, const char *pki, const char *events, GError **error)
{
  g_autofree char *store_path = g_build_filename(data, "cluster.db", NULL);
  g_autofree char *ca = g_build_filename(pki, "ca.crt", NULL), *key = g_build_filename(pki, "apiserver.key", NULL);
  g_autofree char *cert = g_build_filename(pki, "apiserver.crt", NULL), *sa = g_build_filename(pki, "sa.key", NULL);
  const char *const issuers[] = { "https://kubernetes.default.svc.cluster.local", NULL };
  ApiServerConfig config = { .listen_address = "127.0.0.1",
                             .ca_file = ca,
                             .cert_file = cert,
                             .key_file = key,
                             .service_account_key_file = sa,
                             .service_account_issuers = issuers,
                             .service_ip = "10.96.0.1",
                             .service_cidr = "10.96.0.0/12",
                             .advertise_address = "127.0.0.1" };
  Store *store = store_open_sqlite(store_path, error);
  if (!store)
    return false;
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  Registry *registry = registry_new(store, scheme, error);
  ApiServer *server = registry ? api_server_start(registry, &config, error) : NULL;
  if (server) {
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, quit, loop);
    api_server_set_node(server, &host);
    api_server_set_ready(server, true);
    report(events, api_server_port(server));
    g_main_loop_run(loop);
    api_server_stop(server);
  }
  registry_free(registry);
  store_close(store);
  return server != NULL;
}

int main(int argc, char **argv)
{
  g_autofree char *data = NULL, *pki = NULL, *events = NULL;
  const GOptionEntry entries[] = { { "data-dir", 0, 0, G_OPTION_ARG_STRING, &data, NULL, NULL },
                                   { "cert-dir", 0, 0, G_OPTION_ARG_STRING, &pki, NULL, NULL },
                                   { "events-path", 0, 0, G_OPTION_ARG_STRING, &events, NULL, NULL },
                                   { NULL, 0, 0, 0, NULL, NULL, NULL } };
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_ignore_unknown_options(context, TRUE);
  signal(SIGPIPE, SIG_IGN);
  if (!g_option_context_parse(context, &argc, &argv, &error) || !data || !pki || !events ||
      !serve(data, pki, events, &error)) {
    fprintf(stderr, "host-node: %s\n", error ? error->message : "--data-dir, --cert-dir and --events-path are needed");
    return 1;
  }
  return 0;
}

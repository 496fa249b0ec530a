/* Probes over the network: what counts as healthy, and what is said when it is not. */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/node/probe/probe.h"

static char *seen; /* the last request; under LOCK */
static GMutex lock;
static guint16 http_port; /* of the server below */

/* Answers by the path that is asked for. */
static void answer(int fd)
{
  char buffer[4096] = "";
  gsize length = 0;
  while (!strstr(buffer, "\r\n\r\n") && length < sizeof buffer - 1) {
    ssize_t n = read(fd, buffer + length, sizeof buffer - 1 - length);
    if (n <= 0)
      return;
    length += (gsize)n;
  }
  g_mutex_lock(&lock);
  g_free(seen);
  seen = g_strdup(buffer);
  g_mutex_unlock(&lock);
  g_auto(GStrv) words = g_strsplit(buffer, " ", 3);
  const char *path = words[1];
  g_autofree char *extra = g_str_equal(path, "/302")     ? g_strdup("Location: /200\r\n")
                           : g_str_equal(path, "/bad")   ? g_strdup("Location: /500\r\n")
                           : g_str_equal(path, "/loop")  ? g_strdup("Location: /loop\r\n")
                           : g_str_equal(path, "/other") ? g_strdup("Location: http://192.0.2.1/500\r\n")
                                                         : g_strdup("");
  const char *status = strlen(path) == 4 && g_ascii_isdigit(path[1]) ? path + 1 : "302";
  g_autofree char *reply =
      g_strdup_printf("HTTP/1.1 %s Some\r\n%sContent-Length: 4\r\nConnection: close\r\n\r\nbody", status, extra);
  g_assert_cmpint(write(fd, reply, strlen(reply)), ==, (ssize_t)strlen(reply));
}

/* Until the listening socket is shut down. */
static void *serve(void *data)
{
  int listener = GPOINTER_TO_INT(data), fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    answer(fd);
    close(fd);
  }
  return NULL;
}

static int listen_anywhere(guint16 *port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint(listen(fd, 16), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
  *port = ntohs(address.sin_port);
  return fd;
}

static char *run(const char *handler_text, bool *healthy)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) handler = yaml_parse(handler_text, strlen(handler_text), &error);
  g_assert_no_error(error);
  g_autofree char *container_text = g_strdup_printf("{ports: [{name: web, containerPort: %u}]}", http_port);
  g_autoptr(json_t) container = yaml_parse(container_text, strlen(container_text), &error);
  ProbeTarget target = { .container = container, .pod_ip = "127.0.0.1" };
  char *output = NULL;
  *healthy = probe_run(&target, handler, 1, &output);
  g_assert_nonnull(output);
  return output;
}

static void test_http(void)
{
  static const struct {
    const char *path;
    bool healthy;
    const char *output;
  } rows[] = {
    { "/200", true, "body" },
    { "/399", true, "body" },
    { "/400", false, "HTTP probe failed with statuscode: 400" },
    { "/500", false, "HTTP probe failed with statuscode: 500" },
    { "/302", true, "body" }, /* to /200 */
    { "/bad", false, "HTTP probe failed with statuscode: 500" },
    { "/other", true, "body" }, /* another host is not asked */
    { "/loop", false, "stopped after 10 redirects" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    bool healthy;
    g_autofree char *handler = g_strdup_printf("{httpGet: {path: %s, port: web}}", rows[i].path);
    g_autofree char *output = run(handler, &healthy);
    g_test_message("%s: %s", rows[i].path, output);
    g_assert_cmpint(healthy, ==, rows[i].healthy);
    g_assert_true(!rows[i].output || g_str_has_suffix(output, rows[i].output));
  }
}

static void test_http_headers(void)
{
  bool healthy;
  g_autofree char *first = run("{httpGet: {path: /200, port: web}}", &healthy);
  g_assert_nonnull(strstr(seen, "\r\nUser-Agent: kube-probe/1.32\r\n"));
  g_assert_nonnull(strstr(seen, "\r\nAccept: */*\r\n"));
  g_autofree char *second =
      run("{httpGet: {path: /200, port: web, httpHeaders: [{name: Host, value: my.example}, {name: "
          "user-agent, value: mine}, {name: X-Empty, value: ''}, {name: Accept, value: ''}]}}",
          &healthy);
  g_assert_nonnull(strstr(seen, "\r\nHost: my.example\r\n"));
  g_assert_nonnull(strstr(seen, "\r\nuser-agent: mine\r\n"));
  g_assert_null(strstr(seen, "kube-probe"));
  g_assert_null(strstr(seen, "Accept:"));
  g_assert_nonnull(strstr(seen, "\r\nX-Empty:"));
}

static void test_refused(void)
{
  bool healthy;
  g_autofree char *http = run("{httpGet: {path: /x, port: 1, host: 127.0.0.1}}", &healthy);
  g_assert_false(healthy);
  g_assert_cmpstr(http, ==, "Get \"http://127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused");
  g_autofree char *tcp = run("{tcpSocket: {port: 1}}", &healthy);
  g_assert_false(healthy);
  g_assert_cmpstr(tcp, ==, "dial tcp 127.0.0.1:1: connect: connection refused");
  g_autofree char *open = run("{tcpSocket: {port: web}}", &healthy);
  g_assert_true(healthy);
  g_autofree char *grpc = run("{grpc: {port: 1}}", &healthy);
  g_assert_false(healthy);
  g_assert_cmpstr(grpc, ==, "timeout: failed to connect service \"127.0.0.1:1\" within 1s: context deadline exceeded");
}

static void test_grpc(void)
{
  static const struct {
    const char *service;
    bool healthy;
    const char *output;
  } rows[] = {
    { "''", true, "service healthy" },
    { "well", true, "service healthy" },
    { "sick", false, "service unhealthy (responded with \"NOT_SERVING\")" },
    { "old", false,
      "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service" },
    { "absent", false, "error: health rpc probe failed: unknown service" },
    { "slow", false, "timeout: health rpc did not complete within 1s" },
  };
  g_autofree char *node = g_find_program_in_path("node");
  g_autofree char *script = g_test_build_filename(G_TEST_DIST, "tests", "unit", "node", "grpc-health.js", NULL);
  g_autoptr(GError) error = NULL;
  if (!node) {
    g_test_skip("node is missing");
    return;
  }
  char *argv[] = { node, script, NULL }, port[16] = "";
  int in, out;
  GPid pid;
  g_assert_true(
      g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &in, &out, NULL, &error));
  g_assert_no_error(error);
  g_assert_cmpint(read(out, port, sizeof port - 1), >, 0);
  g_strstrip(port);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    bool healthy;
    g_autofree char *handler = g_strdup_printf("{grpc: {port: %s, service: %s}}", port, rows[i].service);
    g_autofree char *output = run(handler, &healthy);
    g_assert_cmpstr(output, ==, rows[i].output);
    g_assert_cmpint(healthy, ==, rows[i].healthy);
  }
  close(in);
  g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
  close(out);
  /* a server that speaks no HTTP/2 */
  bool healthy;
  g_autofree char *handler = g_strdup_printf("{grpc: {port: %u}}", http_port);
  g_autofree char *output = run(handler, &healthy);
  g_assert_false(healthy);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  int listener = listen_anywhere(&http_port);
  GThread *thread = g_thread_new("server", serve, GINT_TO_POINTER(listener));
  g_test_add_func("/probe/http", test_http);
  g_test_add_func("/probe/http-headers", test_http_headers);
  g_test_add_func("/probe/refused", test_refused);
  g_test_add_func("/probe/grpc", test_grpc);
  int status = g_test_run();
  shutdown(listener, SHUT_RDWR);
  g_thread_join(thread);
  close(listener);
  g_free(seen);
  return status;
}

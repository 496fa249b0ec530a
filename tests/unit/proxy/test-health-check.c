/* The answers to load balancers, over real sockets. */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "clusterd/proxy/health_check.h"

#define WAIT_SECONDS 20

static GPtrArray *items(const json_t *array)
{
  GPtrArray *result = g_ptr_array_new();
  size_t i;
  json_t *item;
  json_array_foreach (array, i, item)
    g_ptr_array_add(result, item);
  return result;
}

/* Services "loc" on PORT and "plain" without one; on this node loc has an endpoint that is ready, in two slices, one
 * that terminates, and there is another elsewhere. Its
 * address of the other family is no other endpoint. */
static GPtrArray *checks_on(int port, bool ready)
{
  g_autofree char *text = g_strdup_printf(
      "{\"services\": [{\"metadata\": {\"namespace\": \"a\", \"name\": \"loc\"}, \"spec\": {\"healthCheckNodePort\": "
      "%d}},"
      "{\"metadata\": {\"namespace\": \"a\", \"name\": \"plain\"}, \"spec\": {}}],"
      "\"slices\": [{\"metadata\": {\"namespace\": \"a\", \"labels\": {\"kubernetes.io/service-name\": \"loc\"}}, "
      "\"endpoints\": ["
      "{\"addresses\": [\"10.0.0.1\"], \"nodeName\": \"n1\", \"conditions\": {\"ready\": %s}},"
      "{\"addresses\": [\"10.0.0.2\"], \"nodeName\": \"n1\", \"conditions\": {\"ready\": false, \"serving\": true, "
      "\"terminating\": true}},"
      "{\"addresses\": [\"10.0.0.3\"], \"nodeName\": \"n2\", \"conditions\": {\"ready\": true}}]},"
      "{\"metadata\": {\"namespace\": \"a\", \"labels\": {\"kubernetes.io/service-name\": \"loc\"}}, \"endpoints\": ["
      "{\"addresses\": [\"10.0.0.1\"], \"nodeName\": \"n1\", \"conditions\": {\"ready\": %s}}]},"
      "{\"metadata\": {\"namespace\": \"a\", \"labels\": {\"kubernetes.io/service-name\": \"loc\"}}, "
      "\"addressType\": \"IPv6\", \"endpoints\": ["
      "{\"addresses\": [\"fd00::1\"], \"nodeName\": \"n1\", \"conditions\": {\"ready\": true}}]},"
      "{\"metadata\": {\"namespace\": \"b\", \"labels\": {\"kubernetes.io/service-name\": \"loc\"}}, \"endpoints\": ["
      "{\"addresses\": [\"10.0.0.9\"], \"nodeName\": \"n1\", \"conditions\": {\"ready\": true}}]}]}",
      port, ready ? "true" : "false", ready ? "true" : "false");
  g_autoptr(json_t) input = json_parse(text, strlen(text), true, NULL);
  g_autoptr(GPtrArray) services = items(json_object_get(input, "services"));
  g_autoptr(GPtrArray) slices = items(json_object_get(input, "slices"));
  return health_checks_read(services, slices, "n1");
}

static int free_port(void)
{
  struct sockaddr_in at = { .sin_family = AF_INET };
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
  getsockname(fd, (struct sockaddr *)&at, &size);
  close(fd);
  return ntohs(at.sin_port);
}

/* The whole reply; NULL when nobody listens. The caller frees. */
static char *ask(int port)
{
  static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  struct sockaddr_in to = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  GString *reply = g_string_new(NULL);
  char buffer[1000];
  ssize_t n = connect(fd, (struct sockaddr *)&to, sizeof to);
  bool there = n == 0;
  if (there)
    g_assert_cmpint(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), ==, (ssize_t)sizeof request - 1);
  while (there && (n = recv(fd, buffer, sizeof buffer, 0)) > 0)
    g_string_append_len(reply, buffer, n);
  close(fd);
  return g_string_free(reply, !there);
}

/* Asks until the reply has TEXT (NULL: until nobody listens). */
static void wait_for(int port, const char *text)
{
  gint64 end = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;
  for (;;) {
    g_autofree char *reply = ask(port);
    if (text ? reply && strstr(reply, text) : !reply)
      return;
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_thread_yield();
  }
}

static void test_read(void)
{
  g_autoptr(GPtrArray) ready = checks_on(30000, true);
  g_autoptr(GPtrArray) none = checks_on(30000, false);
  g_assert_cmpuint(ready->len, ==, 1);
  const HealthCheck *check = ready->pdata[0];
  g_assert_cmpstr(check->name, ==, "loc");
  g_assert_cmpuint(check->port, ==, 30000);
  g_assert_cmpuint(check->local_endpoints, ==, 1);
  g_assert_cmpuint(((HealthCheck *)none->pdata[0])->local_endpoints, ==, 0);
}

static void test_answers(void)
{
  g_autoptr(GError) error = NULL;
  int first = free_port(), second = free_port();
  HealthServer *server = health_server_start(&error);
  g_assert_no_error(error);
  health_server_set(server, checks_on(first, true));
  wait_for(first, "HTTP/1.1 200 ");
  wait_for(first, "X-Load-Balancing-Endpoint-Weight: 1\r\n");
  wait_for(first, "\r\n\r\n{\"service\":{\"namespace\":\"a\",\"name\":\"loc\"},\"localEndpoints\":1,"
                  "\"serviceProxyHealthy\":true}");
  health_server_set(server, checks_on(first, false));
  wait_for(first, "HTTP/1.1 503 ");
  wait_for(first, "\"localEndpoints\":0");
  health_server_set(server, checks_on(second, true));
  wait_for(second, "HTTP/1.1 200 ");
  wait_for(first, NULL);
  health_server_free(server);
  wait_for(second, NULL);
}

static void test_port_in_use(void)
{
  g_autoptr(GError) error = NULL;
  struct sockaddr_in at = { .sin_family = AF_INET };
  socklen_t size = sizeof at;
  int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), other = free_port();
  g_assert_cmpint(bind(taken, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint(listen(taken, 1), ==, 0);
  getsockname(taken, (struct sockaddr *)&at, &size);
  g_log_set_fatal_mask("proxy", G_LOG_LEVEL_ERROR);
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
  HealthServer *server = health_server_start(&error);
  health_server_set(server, checks_on(ntohs(at.sin_port), true));
  health_server_set(server, checks_on(other, true));
  wait_for(other, "HTTP/1.1 200 ");
  health_server_free(server);
  close(taken);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/health-check/read", test_read);
  g_test_add_func("/health-check/answers", test_answers);
  g_test_add_func("/health-check/port-in-use", test_port_in_use);
  return g_test_run();
}

/* The end of the kubelet while something lasts: it is called off, what it uses outlives it, and containers run on. */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "kubelet_fixture.h"

#define CONTAINER(rest) "containers: [{name: c, image: 'test:1', " rest "}]"

/* Whether WHAT is a word of the runtime's history. */
static bool has_happened(Fixture *fixture, const char *what)
{
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_auto(GStrv) words = g_strsplit(history, " ", -1);
  return g_strv_contains((const char *const *)words, what);
}

static void test_stop(Fixture *fixture, gconstpointer data)
{
  fake_runtime_make_stubborn(fixture->runtime, "c");
  g_autofree char *uid = create_pod(fixture, "p", "terminationGracePeriodSeconds: 3600, " ONE);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  delete_pod(fixture, "p", -1);
  wait_until(has_event(fixture, "Killing", "Stopping container c"));
  stop_kubelet(fixture);
  g_assert_false(has_happened(fixture, "-c"));
  start_kubelet(fixture); /* takes up the stop */
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 0));
  wait_until(!exists(fixture, "p"));
}

/* A pod that was given up by its probe is stopped by a thread as well. */
static void test_liveness(Fixture *fixture, gconstpointer data)
{
  fake_runtime_set_exec_code(fixture->runtime, 1);
  fake_runtime_make_stubborn(fixture->runtime, "c");
  g_free(create_pod(fixture, "p",
                    "terminationGracePeriodSeconds: 3600, " CONTAINER(
                        "livenessProbe: {exec: {command: [live]}, periodSeconds: 1, failureThreshold: 1}")));
  wait_until(has_event(fixture, "Killing", "failed liveness probe, will be restarted"));
  stop_kubelet(fixture);
  g_assert_false(has_happened(fixture, "-c"));
  start_kubelet(fixture);
}

static void test_post_start(Fixture *fixture, gconstpointer data)
{
  fake_runtime_make_execs_hang(fixture->runtime);
  g_free(create_pod(fixture, "p", CONTAINER("lifecycle: {postStart: {exec: {command: [hook]}}}")));
  wait_until(has_happened(fixture, "!hook"));
  stop_kubelet(fixture);
  g_assert_false(has_happened(fixture, "-c")); /* the hook has not failed */
  start_kubelet(fixture);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.restartCount", "0"));
  g_assert_false(has_event(fixture, "FailedPostStartHook", ""));
}

static void end_during_pre_stop(Fixture *fixture, const char *handler, const char *sign)
{
  g_autofree char *spec =
      g_strdup_printf("terminationGracePeriodSeconds: 3600, " CONTAINER("lifecycle: {preStop: %s}"), handler);
  g_free(create_pod(fixture, "p", spec));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  delete_pod(fixture, "p", -1);
  wait_until(sign ? has_happened(fixture, sign) : has_event(fixture, "Killing", "Stopping container c"));
  stop_kubelet(fixture);
  g_assert_false(has_happened(fixture, "-c"));
  start_kubelet(fixture);
  g_assert_true(exists(fixture, "p"));
  g_assert_false(has_event(fixture, "FailedPreStopHook", ""));
}

static void test_pre_stop_exec(Fixture *fixture, gconstpointer data)
{
  fake_runtime_make_execs_hang(fixture->runtime);
  end_during_pre_stop(fixture, "{exec: {command: [hook]}}", "!hook");
}

static void test_pre_stop_sleep(Fixture *fixture, gconstpointer data)
{
  end_during_pre_stop(fixture, "{sleep: {seconds: 3000}}", NULL);
}

/* A server that takes connections and never answers; its port. */
static int listen_silently(guint16 *port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(bind(fd, (struct sockaddr *)&address, sizeof address));
  g_assert_no_errno(listen(fd, 16));
  g_assert_no_errno(getsockname(fd, (struct sockaddr *)&address, &size));
  *port = ntohs(address.sin_port);
  return fd;
}

static void test_pre_stop_http(Fixture *fixture, gconstpointer data)
{
  guint16 port;
  int fd = listen_silently(&port);
  g_autofree char *handler = g_strdup_printf("{httpGet: {host: 127.0.0.1, port: %u}}", port);
  end_during_pre_stop(fixture, handler, NULL);
  close(fd);
}

/* Probes of every kind that hang when the kubelet ends. */
static void test_probes(Fixture *fixture, gconstpointer data)
{
  guint16 port;
  int fd = listen_silently(&port), client;
  fake_runtime_make_execs_hang(fixture->runtime);
  g_autofree char *spec = g_strdup_printf(
      CONTAINER(
          "readinessProbe: {httpGet: {host: 127.0.0.1, port: %u}, periodSeconds: 1, timeoutSeconds: 3600}, "
          "livenessProbe: {exec: {command: [live]}, periodSeconds: 1, timeoutSeconds: 3600, failureThreshold: 1}"),
      port);
  g_free(create_pod(fixture, "p", spec));
  wait_until(has_happened(fixture, "!live"));
  client = accept(fd, NULL, NULL);
  stop_kubelet(fixture);
  g_assert_false(has_happened(fixture, "-c"));
  g_assert_false(has_event(fixture, "Unhealthy", ""));
  close(client);
  close(fd);
  start_kubelet(fixture);
}

static void test_pull(Fixture *fixture, gconstpointer data)
{
  fake_runtime_add_hanging_image(fixture->runtime, "test:2");
  g_free(create_pod(fixture, "p", "containers: [{name: c, image: 'test:2'}]"));
  wait_until(has_happened(fixture, "?test:2"));
  stop_kubelet(fixture);
  fake_runtime_add_image(fixture->runtime, "test:2", false);
  start_kubelet(fixture);
  wait_until(status_is(fixture, "p", "phase", "Running"));
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Fixture *, gconstpointer);
  } tests[] = { { "stop", test_stop },
                { "liveness", test_liveness },
                { "post-start", test_post_start },
                { "pre-stop-exec", test_pre_stop_exec },
                { "pre-stop-sleep", test_pre_stop_sleep },
                { "pre-stop-http", test_pre_stop_http },
                { "probes", test_probes },
                { "pull", test_pull } };
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/kubelet-end/%s", tests[i].name);
    g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
  }
  return g_test_run();
}

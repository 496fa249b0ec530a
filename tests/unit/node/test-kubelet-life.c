/* A pod's life on the node: init containers, hooks, probes, gates, and why a container does not run. */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/json.h"
#include "kubelet_fixture.h"

static void test_init_failures(Fixture *fixture, gconstpointer data)
{
  g_autofree char *never =
      create_pod(fixture, "never", "restartPolicy: Never, initContainers: [{name: i, image: 'test:1'}], " ONE);
  wait_until(fake_runtime_exit(fixture->runtime, never, "i", 2));
  wait_until(status_is(fixture, "never", "phase", "Failed"));
  g_assert_true(status_is(fixture, "never", "initContainerStatuses.0.state.terminated.exitCode", "2"));
  g_assert_true(status_is(fixture, "never", "containerStatuses.0.state.waiting.reason", "PodInitializing"));
  g_autofree char *always = create_pod(fixture, "always", "initContainers: [{name: j, image: 'test:1'}], " ONE);
  wait_until(fake_runtime_exit(fixture->runtime, always, "j", 2));
  wait_until(status_is(fixture, "always", "initContainerStatuses.0.restartCount", "1"));
  wait_until(fake_runtime_exit(fixture->runtime, always, "j", 0));
  wait_until(status_is(fixture, "always", "phase", "Running"));
  g_assert_true(shows_condition(fixture, "always", "Initialized", "True"));
}

/* A new sandbox begins anew, init containers included. */
static void test_init_again(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", "initContainers: [{name: i, image: 'test:1'}], " ONE);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "i", 0));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  stop_kubelet(fixture);
  fake_runtime_reboot(fixture->runtime);
  start_kubelet(fixture);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "i", 0));
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  wait_until(status_is(fixture, "p", "initContainerStatuses.0.restartCount", "1"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
}

/* A sidecar's startup probe holds up what comes after it. */
static void test_sidecar_gate(Fixture *fixture, gconstpointer data)
{
  fake_runtime_set_exec_code(fixture->runtime, 1);
  g_free(create_pod(fixture, "p",
                    "initContainers: [{name: s, image: 'test:1', restartPolicy: Always, startupProbe: {exec: {command: "
                    "[up]}, periodSeconds: 1, failureThreshold: 1000}}], " ONE));
  wait_until(has_event(fixture, "Unhealthy", "Startup probe failed"));
  wait_until(status_is(fixture, "p", "initContainerStatuses.0.started", "false"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "PodInitializing"));
  fake_runtime_set_exec_code(fixture->runtime, 0);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  g_assert_true(status_is(fixture, "p", "initContainerStatuses.0.started", "true"));
}

/* Until the startup probe has succeeded the others do not run, and the container is not ready. */
static void test_startup_first(Fixture *fixture, gconstpointer data)
{
  fake_runtime_set_exec_code(fixture->runtime, 1);
  g_free(create_pod(fixture, "p",
                    "containers: [{name: c, image: 'test:1', startupProbe: {exec: {command: [up]}, periodSeconds: 1, "
                    "failureThreshold: 1000}, readinessProbe: {exec: {command: [ready]}, periodSeconds: 1}, "
                    "livenessProbe: {exec: {command: [live]}, periodSeconds: 1, failureThreshold: 1}}]"));
  wait_until(has_event(fixture, "Unhealthy", "Startup probe failed"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.started", "false"));
  g_assert_true(shows_condition(fixture, "p", "Ready", "False"));
  g_assert_false(has_event(fixture, "Unhealthy", "Readiness probe failed"));
  g_assert_false(has_event(fixture, "Unhealthy", "Liveness probe failed"));
  fake_runtime_set_exec_code(fixture->runtime, 0);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.restartCount", "0"));
}

/* A hook that fails at the start ends its container; one that fails at the end is told, and no more. */
static void test_hooks(Fixture *fixture, gconstpointer data)
{
  fake_runtime_set_exec_code(fixture->runtime, 1);
  g_free(create_pod(fixture, "started",
                    "containers: [{name: c, image: 'test:1', lifecycle: {postStart: {exec: {command: [x]}}}}]"));
  wait_until(has_event(fixture, "FailedPostStartHook", "PostStartHook failed"));
  wait_until(has_event(fixture, "Killing", "FailedPostStartHook"));
  wait_until(status_is(fixture, "started", "containerStatuses.0.restartCount", "1"));
  delete_pod(fixture, "started", 0);
  wait_until(!exists(fixture, "started"));
  g_free(create_pod(fixture, "stopped",
                    "containers: [{name: d, image: 'test:1', lifecycle: {preStop: {exec: {command: [x]}}}}]"));
  wait_until(status_is(fixture, "stopped", "phase", "Running"));
  delete_pod(fixture, "stopped", -1);
  wait_until(has_event(fixture, "FailedPreStopHook", "PreStopHook failed"));
  wait_until(!exists(fixture, "stopped"));
}

static bool add_gate_condition(json_t *value, void *data)
{
  json_array_append_new(json_at(value, "status", "conditions", NULL),
                        json_pack("{s:s, s:s}", "type", "example.com/gate", "status", "True"));
  return true;
}

static int listen_here(guint16 *port)
{
  const struct timeval patience = { .tv_sec = WAIT_SECONDS };
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
  g_assert_no_errno(bind(fd, (struct sockaddr *)&address, sizeof address));
  g_assert_no_errno(listen(fd, 16));
  g_assert_no_errno(getsockname(fd, (struct sockaddr *)&address, &size));
  *port = ntohs(address.sin_port);
  return fd;
}

/* Waits for a request that begins with START; the connection, to be given to answer(). */
static int take_request(int listener, const char *start)
{
  char buffer[4096] = "";
  size_t length = 0;
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint(fd, >=, 0);
  while (!strstr(buffer, "\r\n\r\n") && length < sizeof buffer - 1) {
    ssize_t n = read(fd, buffer + length, sizeof buffer - 1 - length);
    g_assert_cmpint(n, >, 0);
    length += (size_t)n;
  }
  g_assert_true(g_str_has_prefix(buffer, start));
  return fd;
}

static void answer(int fd, const char *status)
{
  g_autofree char *text = g_strdup_printf("HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
  g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
  close(fd);
}

/* A hook may be a request; the container is asked to end only when that of preStop was answered. */
static void test_http_hooks(Fixture *fixture, gconstpointer data)
{
  guint16 port;
  int listener = listen_here(&port);
  g_autofree char *spec = g_strdup_printf(
      "containers: [{name: c, image: 'test:1', lifecycle: {postStart: {httpGet: {path: /up, host: 127.0.0.1, port: "
      "%u}}, preStop: {httpGet: {path: /down, host: 127.0.0.1, port: %u}}}}]",
      port, port);
  g_free(create_pod(fixture, "p", spec));
  answer(take_request(listener, "GET /up HTTP/1.1\r\n"), "200 OK");
  wait_until(status_is(fixture, "p", "phase", "Running"));
  delete_pod(fixture, "p", -1);
  int fd = take_request(listener, "GET /down HTTP/1.1\r\n");
  g_autofree char *before = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(before, ==, "+c");
  answer(fd, "200 OK");
  wait_until(!exists(fixture, "p"));
  g_assert_false(has_event(fixture, "FailedPostStartHook", ""));
  g_assert_false(has_event(fixture, "FailedPreStopHook", ""));
  g_free(create_pod(fixture, "q", spec));
  answer(take_request(listener, "GET /up HTTP/1.1\r\n"), "500 Bad");
  wait_until(has_event(fixture, "FailedPostStartHook", "PostStartHook failed"));
  wait_until(has_event(fixture, "Killing", "FailedPostStartHook"));
  delete_pod(fixture, "q", 0);
  close(listener);
}

/* What runs beside it does not keep a pod that does its work once from being done, nor does its exit code count. */
static void test_sidecar_ends(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(
      fixture, "p", "restartPolicy: Never, initContainers: [{name: s, image: 'test:1', restartPolicy: Always}], " ONE);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 0));
  wait_until(status_is(fixture, "p", "phase", "Succeeded"));
  g_assert_true(status_is(fixture, "p", "initContainerStatuses.0.state.terminated.exitCode", "143"));
  g_assert_true(status_is(fixture, "p", "initContainerStatuses.0.restartCount", "0"));
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(history, ==, "+s +c -c -s");
}

static void test_readiness_gate(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "p", "readinessGates: [{conditionType: example.com/gate}], " ONE));
  wait_until(shows_condition(fixture, "p", "ContainersReady", "True"));
  g_assert_true(shows_condition(fixture, "p", "Ready", "False"));
  g_autoptr(Object) changed =
      client_modify(fixture->client, "v1", "pods", "default", "p", "status", add_gate_condition, NULL, NULL);
  g_assert_nonnull(changed);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  g_assert_true(shows_condition(fixture, "p", "example.com/gate", "True"));
}

static bool add_ephemeral(json_t *value, void *data)
{
  json_object_set_new(json_object_get(value, "spec"), "ephemeralContainers",
                      json_pack("[{s:s, s:s}]", "name", "debug", "image", "test:1"));
  return true;
}

/* It runs beside the others, once. */
static void test_ephemeral(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) changed =
      client_modify(fixture->client, "v1", "pods", "default", "p", "ephemeralcontainers", add_ephemeral, NULL, &error);
  g_assert_no_error(error);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "debug", 1));
  wait_until(status_is(fixture, "p", "ephemeralContainerStatuses.0.state.terminated.exitCode", "1"));
  g_assert_true(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(shows_condition(fixture, "p", "Ready", "True"));
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 0)); /* what ends and is started again tells of a look */
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(history, ==, "+c +debug -debug -c +c");
}

static bool add_targeting(json_t *value, void *data)
{
  json_object_set_new(json_object_get(value, "spec"), "ephemeralContainers",
                      json_pack("[{s:s, s:s}, {s:s, s:s, s:s}]", "name", "alone", "image", "test:1", "name", "debug",
                                "image", "test:1", "targetContainerName", "c"));
  return true;
}

/* It looks into the container it names; one that never was is told of, and the others do not wait for it. */
static void test_target(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_free(create_pod(fixture, "p", ONE));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_autoptr(Object) changed =
      client_modify(fixture->client, "v1", "pods", "default", "p", "ephemeralcontainers", add_targeting, NULL, &error);
  g_assert_no_error(error);
  wait_until(fake_runtime_has_target(fixture->runtime, "debug", "c"));
  g_assert_true(fake_runtime_has_target(fixture->runtime, "alone", NULL));
  g_free(create_pod(fixture, "q", "containers: [{name: c, image: 'test:9', imagePullPolicy: Never}]"));
  wait_until(status_is(fixture, "q", "containerStatuses.0.state.waiting.reason", "ErrImageNeverPull"));
  g_autoptr(Object) other =
      client_modify(fixture->client, "v1", "pods", "default", "q", "ephemeralcontainers", add_targeting, NULL, &error);
  g_assert_no_error(error);
  wait_until(has_event(fixture, "Failed", "Error: unable to find target container c"));
  wait_until(
      status_is(fixture, "q", "ephemeralContainerStatuses.1.state.waiting.reason", "CreateContainerConfigError"));
  g_assert_true(status_is(fixture, "q", "ephemeralContainerStatuses.1.state.waiting.message",
                          "unable to find target container c"));
  g_autofree char *started = status_of(fixture, "q", "ephemeralContainerStatuses.0.state.running.startedAt");
  g_assert_cmpstr(started, !=, "");
}

static void test_refusals(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "image", "containers: [{name: c, image: 'Not/An:Image:Name'}]"));
  g_free(create_pod(fixture, "root",
                    "containers: [{name: c, image: 'test:1', securityContext: {runAsNonRoot: true, runAsUser: 0}}]"));
  wait_until(status_is(fixture, "image", "containerStatuses.0.state.waiting.reason", "InvalidImageName"));
  wait_until(status_is(fixture, "root", "containerStatuses.0.state.waiting.reason", "CreateContainerConfigError"));
  g_assert_true(status_is(fixture, "image", "phase", "Pending"));
  g_autofree char *why = status_of(fixture, "root", "containerStatuses.0.state.waiting.message");
  g_assert_nonnull(strstr(why, "container's runAsUser breaks non-root policy"));
  json_decref(create(fixture, "v1", "configmaps", "default", "{metadata: {name: m}, data: {1a: x, good: y}}"));
  g_free(create_pod(fixture, "env", "containers: [{name: e, image: 'test:1', envFrom: [{configMapRef: {name: m}}]}]"));
  wait_until(status_is(fixture, "env", "phase", "Running"));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "e", "good=y"));
}

/* What cannot be run is told, ends with the code of shells, and is tried again as any other end is. */
static void test_cannot_run(Fixture *fixture, gconstpointer data)
{
  fake_runtime_break(fixture->runtime, "c", true);
  g_free(create_pod(fixture, "never", "restartPolicy: Never, " ONE));
  wait_until(status_is(fixture, "never", "phase", "Failed"));
  g_assert_true(status_is(fixture, "never", "containerStatuses.0.state.terminated.reason", "ContainerCannotRun"));
  g_assert_true(status_is(fixture, "never", "containerStatuses.0.state.terminated.exitCode", "127"));
  g_assert_true(status_is(fixture, "never", "containerStatuses.0.state.terminated.message", "no such program"));
  wait_until(has_event(fixture, "Created", "Created container: c"));
  wait_until(has_event(fixture, "Failed", "Error: failed to start container: no such program"));
  g_free(create_pod(fixture, "always", ONE));
  wait_until(status_is(fixture, "always", "containerStatuses.0.state.waiting.reason", "CrashLoopBackOff"));
  g_assert_true(status_is(fixture, "always", "containerStatuses.0.restartCount", "1"));
  g_assert_true(status_is(fixture, "always", "containerStatuses.0.lastState.terminated.reason", "ContainerCannotRun"));
  g_assert_true(status_is(fixture, "always", "phase", "Running"));
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Fixture *, gconstpointer);
  } tests[] = { { "init-failures", test_init_failures },
                { "init-again", test_init_again },
                { "sidecar-gate", test_sidecar_gate },
                { "startup-first", test_startup_first },
                { "hooks", test_hooks },
                { "http-hooks", test_http_hooks },
                { "sidecar-ends", test_sidecar_ends },
                { "readiness-gate", test_readiness_gate },
                { "ephemeral", test_ephemeral },
                { "target", test_target },
                { "cannot-run", test_cannot_run },
                { "refusals", test_refusals } };
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/kubelet-life/%s", tests[i].name);
    g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
  }
  return g_test_run();
}

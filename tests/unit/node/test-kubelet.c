/* The kubelet over a real registry and a runtime in memory. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "kubelet_fixture.h"

static void test_node(Fixture *fixture, gconstpointer data)
{
  g_autoptr(Object) node = client_get(fixture->client, "v1", "nodes", NULL, "n1", NULL);
  g_assert_nonnull(node);
  const json_t *conditions = json_at(object_json(node), "status", "conditions", NULL);
  g_assert_cmpstr(json_str(json_array_get(conditions, 3), "reason", ""), ==, "KubeletReady");
  g_autoptr(Object) lease =
      client_get(fixture->client, "coordination.k8s.io/v1", "leases", "kube-node-lease", "n1", NULL);
  g_assert_nonnull(lease);
}

static void test_runs(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(shows_condition(fixture, "p", "Ready", "True"));
  g_assert_true(status_is(fixture, "p", "hostIP", "10.0.2.15"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.restartCount", "0"));
  g_assert_true(status_is(fixture, "p", "qosClass", "BestEffort"));
  wait_until(has_event(fixture, "Pulled", "already present on machine"));
  wait_until(has_event(fixture, "Started", "Started container c"));
  delete_pod(fixture, "p", -1);
  wait_until(!exists(fixture, "p"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 0);
  g_autofree char *dir = g_build_filename(fixture->pods, uid, NULL);
  g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
}

/* The volume that admission gives to every pod. */
static void test_token(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_autofree char *volumes = g_build_filename(fixture->pods, uid, "volumes", "files", NULL);
  g_autoptr(GDir) dir = g_dir_open(volumes, 0, NULL);
  const char *name = g_dir_read_name(dir);
  g_assert_true(g_str_has_prefix(name, "kube-api-access-"));
  g_autofree char *path = g_build_filename(volumes, name, "token", NULL);
  g_autofree char *token = NULL;
  g_assert_true(g_file_get_contents(path, &token, NULL, NULL));
  g_assert_cmpstr(token, ==, "token of default/default for p");
}

static void test_restarts_and_backs_off(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 1));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 1));
  wait_until(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "CrashLoopBackOff"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.lastState.terminated.exitCode", "1"));
  g_assert_true(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(shows_condition(fixture, "p", "Ready", "False"));
  wait_until(has_event(fixture, "BackOff", "Back-off restarting failed container c in pod p_default"));
}

/* An image that is asked for anew each time does not make the first restart wait. */
static void test_first_restart(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", "containers: [{name: c, image: 'test:1', imagePullPolicy: Always}]");
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 1));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  g_assert_false(has_event(fixture, "BackOff", ""));
}

static void test_never_and_on_failure(Fixture *fixture, gconstpointer data)
{
  g_autofree char *never = create_pod(fixture, "never", "restartPolicy: Never, " ONE);
  g_autofree char *good = create_pod(fixture, "good", "restartPolicy: OnFailure, " ONE);
  wait_until(fake_runtime_exit(fixture->runtime, never, "c", 3));
  wait_until(status_is(fixture, "never", "phase", "Failed"));
  g_assert_true(status_is(fixture, "never", "containerStatuses.0.state.terminated.exitCode", "3"));
  wait_until(fake_runtime_exit(fixture->runtime, good, "c", 1));
  wait_until(status_is(fixture, "good", "containerStatuses.0.restartCount", "1"));
  wait_until(fake_runtime_exit(fixture->runtime, good, "c", 0));
  wait_until(status_is(fixture, "good", "phase", "Succeeded"));
  g_assert_true(status_is(fixture, "good", "containerStatuses.0.state.terminated.reason", "Completed"));
}

static void test_init_and_sidecar(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p",
                                    "initContainers: [{name: i, image: 'test:1'}, {name: s, image: 'test:1', "
                                    "restartPolicy: Always}], " ONE);
  wait_until(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "PodInitializing"));
  g_assert_true(status_is(fixture, "p", "phase", "Pending"));
  g_assert_true(shows_condition(fixture, "p", "Initialized", "False"));
  wait_until(fake_runtime_exit(fixture->runtime, uid, "i", 0));
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  delete_pod(fixture, "p", -1);
  wait_until(!exists(fixture, "p"));
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(history, ==, "+i -i +s +c -c -s");
}

static void test_grace_and_force(Fixture *fixture, gconstpointer data)
{
  fake_runtime_make_stubborn(fixture->runtime, "c");
  g_autofree char *uid = create_pod(fixture, "p", "terminationGracePeriodSeconds: 600, " ONE);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  delete_pod(fixture, "p", -1);
  wait_until(has_event(fixture, "Killing", "Stopping container c"));
  g_assert_true(exists(fixture, "p"));
  delete_pod(fixture, "p", 0);
  wait_until(fake_runtime_containers(fixture->runtime) == 0);
}

/* No time at all: the API forgets the pod at once, and its containers have the least there is. */
static void test_no_grace(Fixture *fixture, gconstpointer data)
{
  fake_runtime_make_stubborn(fixture->runtime, "c");
  g_free(create_pod(fixture, "p", "terminationGracePeriodSeconds: 0, " ONE));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  delete_pod(fixture, "p", -1);
  g_assert_false(exists(fixture, "p"));
  wait_until(fake_runtime_containers(fixture->runtime) == 0);
  g_assert_cmpint(fake_runtime_last_grace(fixture->runtime), ==, 1);
}

static void test_image_pulls(Fixture *fixture, gconstpointer data)
{
  fake_runtime_add_image(fixture->runtime, "remote:1", false);
  g_free(create_pod(fixture, "pulled", "containers: [{name: c, image: 'remote:1'}]"));
  g_free(create_pod(fixture, "absent", "containers: [{name: c, image: 'absent:1'}]"));
  g_free(create_pod(fixture, "never", "containers: [{name: c, image: 'absent:1', imagePullPolicy: Never}]"));
  wait_until(status_is(fixture, "pulled", "phase", "Running"));
  wait_until(has_event(fixture, "Pulled", "Successfully pulled image \"remote:1\""));
  /* the state says ErrImagePull until the next look at the pod, which may be before ours; the event stays */
  wait_until(has_event(fixture, "Failed", "Error: ErrImagePull"));
  wait_until(status_is(fixture, "absent", "containerStatuses.0.state.waiting.reason", "ImagePullBackOff"));
  wait_until(status_is(fixture, "never", "containerStatuses.0.state.waiting.reason", "ErrImageNeverPull"));
  delete_pod(fixture, "absent", -1);
  wait_until(!exists(fixture, "absent"));
}

/* Containers of a pod with the same image wait for the same pull, and back off together. */
static void test_image_back_off(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "p", "containers: [{name: c, image: 'absent:1'}, {name: d, image: 'absent:1'}]"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "ImagePullBackOff"));
  wait_until(status_is(fixture, "p", "containerStatuses.1.state.waiting.reason", "ImagePullBackOff"));
  wait_until(status_is(fixture, "p", "containerStatuses.1.state.waiting.message",
                       "Back-off pulling image \"absent:1\": ErrImagePull: absent:1: not found"));
  g_assert_cmpuint(fake_runtime_pulls(fixture->runtime), ==, 1);
  /* another pod's back-off is its own */
  g_free(create_pod(fixture, "other", "containers: [{name: c, image: 'absent:1'}]"));
  wait_until(status_is(fixture, "other", "containerStatuses.0.state.waiting.reason", "ImagePullBackOff"));
  g_assert_cmpuint(fake_runtime_pulls(fixture->runtime), ==, 2);
}

static void test_configuration(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(
      fixture, "p",
      "volumes: [{name: v, configMap: {name: m}}], containers: [{name: c, image: 'test:1', volumeMounts: [{name: v, "
      "mountPath: /v}], env: [{name: K, valueFrom: {configMapKeyRef: {name: m, key: k}}}, {name: N, valueFrom: "
      "{fieldRef: {fieldPath: metadata.name}}}, {name: E, value: '$(K) and $(X) and $$(K)'}]}]");
  wait_until(has_event(fixture, "FailedMount", "configmap \"m\" not found"));
  json_decref(create(fixture, "v1", "configmaps", "default", "{metadata: {name: m}, data: {k: one}}"));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "c", "K=one"));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "c", "N=p"));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "c", "E=one and $(X) and $(K)"));
  g_autofree char *file = g_build_filename(fixture->pods, uid, "volumes", "files", "v", "k", NULL);
  g_autofree char *before = NULL, *after = NULL;
  g_assert_true(g_file_get_contents(file, &before, NULL, NULL));
  g_assert_cmpstr(before, ==, "one");
  g_autoptr(json_t) patch = json_pack("{s:{s:s}}", "data", "k", "two");
  g_autoptr(Object) changed =
      client_patch(fixture->client, "v1", "configmaps", "default", "m", NULL, PATCH_MERGE, patch, NULL);
  g_assert_nonnull(changed);
  wait_until((g_free(after), after = NULL, g_file_get_contents(file, &after, NULL, NULL)) && g_str_equal(after, "two"));
}

static bool set_status(json_t *value, void *data)
{
  json_object_set_new(value, "status", json_pack("{s:s}", "phase", data));
  return true;
}

/* A volume and a claim that are bound to each other. */
static void bind_claim(Fixture *fixture, const char *mode)
{
  g_autofree char *claim_yaml =
      g_strdup_printf("{metadata: {name: data}, spec: {accessModes: [%s], volumeName: vol, storageClassName: none, "
                      "resources: {requests: {storage: 1Gi}}}}",
                      mode);
  g_autoptr(json_t) claim = create(fixture, "v1", "persistentvolumeclaims", "default", claim_yaml);
  g_autofree char *volume_yaml = g_strdup_printf(
      "{metadata: {name: vol}, spec: {accessModes: [%s], storageClassName: none, capacity: {storage: 1Gi}, hostPath: "
      "{path: %s}, claimRef: {namespace: default, name: data, uid: %s}}}",
      mode, fixture->folder, json_str(json_object_get(claim, "metadata"), "uid", ""));
  json_decref(create(fixture, "v1", "persistentvolumes", NULL, volume_yaml));
  g_autoptr(Object) bound = client_modify(fixture->client, "v1", "persistentvolumeclaims", "default", "data", "status",
                                          set_status, (void *)(uintptr_t) "Bound", NULL);
  g_assert_nonnull(bound);
}

#define WITH_CLAIM                                                                                                     \
  "restartPolicy: Never, volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], containers: [{name: c, "      \
  "image: 'test:1', volumeMounts: [{name: v, mountPath: /v}]}]"

/* A pod waits for its claim; one whose claim is for one pod alone waits for that one to be over. */
static void test_claims(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", WITH_CLAIM);
  wait_until(has_event(fixture, "FailedMount", "persistentvolumeclaims \"data\" not found"));
  bind_claim(fixture, "ReadWriteOncePod");
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_free(create_pod(fixture, "q", WITH_CLAIM));
  wait_until(has_event(fixture, "FailedMount",
                       "volume uses the ReadWriteOncePod access mode and is already in use by another pod"));
  g_assert_true(fake_runtime_exit(fixture->runtime, uid, "c", 0));
  wait_until(status_is(fixture, "p", "phase", "Succeeded"));
  wait_until(status_is(fixture, "q", "phase", "Running"));
}

static void test_config_error(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "p",
                    "containers: [{name: c, image: 'test:1', env: [{name: K, valueFrom: {secretKeyRef: {name: s, key: "
                    "k}}}]}]"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "CreateContainerConfigError"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.state.waiting.message", "secret \"s\" not found"));
  json_decref(create(fixture, "v1", "secrets", "default", "{metadata: {name: s}, data: {k: dmFsdWU=}}"));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "c", "K=value"));
}

static void test_probes(Fixture *fixture, gconstpointer data)
{
  fake_runtime_set_exec_code(fixture->runtime, 1);
  g_free(create_pod(fixture, "p",
                    "containers: [{name: c, image: 'test:1', readinessProbe: {exec: {command: [ready]}, periodSeconds: "
                    "1}, livenessProbe: {exec: {command: [live]}, periodSeconds: 1, failureThreshold: 2}}]"));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_assert_true(shows_condition(fixture, "p", "Ready", "False"));
  wait_until(has_event(fixture, "Unhealthy", "Readiness probe failed"));
  wait_until(has_event(fixture, "Killing", "Container c failed liveness probe, will be restarted"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  fake_runtime_set_exec_code(fixture->runtime, 0);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
}

static void test_survives_restart_and_reboot(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  g_autofree char *id = status_of(fixture, "p", "containerStatuses.0.containerID");
  stop_kubelet(fixture);
  start_kubelet(fixture);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 0)); /* it runs still, and its end is noticed */
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  stop_kubelet(fixture);
  fake_runtime_reboot(fixture->runtime);
  start_kubelet(fixture);
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "2"));
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  g_assert_false(status_is(fixture, "p", "containerStatuses.0.containerID", id));
  wait_until(has_event(fixture, "SandboxChanged", "re-created"));
}

/* A runtime that does not answer is not one that has nothing: when it is back, all is as it was, and what ended
 * meanwhile is seen. */
static void test_runtime_away(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(shows_condition(fixture, "p", "Ready", "True"));
  g_autofree char *id = status_of(fixture, "p", "containerStatuses.0.containerID");
  fake_runtime_set_away(fixture->runtime, true);
  g_assert_true(fake_runtime_exit(fixture->runtime, uid, "c", 3)); /* which makes the pod look */
  wait_until(fake_runtime_refused(fixture->runtime) > 0);
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
  fake_runtime_set_away(fixture->runtime, false);
  wait_until(status_is(fixture, "p", "containerStatuses.0.lastState.terminated.exitCode", "3"));
  g_assert_true(status_is(fixture, "p", "containerStatuses.0.lastState.terminated.containerID", id));
  g_assert_false(has_event(fixture, "SandboxChanged", "re-created"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
  /* also when the node agent starts while it is away */
  stop_kubelet(fixture);
  fake_runtime_set_away(fixture->runtime, true);
  start_kubelet(fixture);
  wait_until(fake_runtime_refused(fixture->runtime) > 0);
  fake_runtime_set_away(fixture->runtime, false);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 4));
  wait_until(status_is(fixture, "p", "containerStatuses.0.lastState.terminated.exitCode", "4"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
}

static void test_orphans_go(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "p", ONE));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  stop_kubelet(fixture);
  delete_pod(fixture, "p", 0);
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
  start_kubelet(fixture);
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 0);
}

static void test_deadline(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "p", "activeDeadlineSeconds: 1, " ONE));
  wait_until(status_is(fixture, "p", "phase", "Failed"));
  g_assert_true(status_is(fixture, "p", "reason", "DeadlineExceeded"));
}

/* What `kubectl logs` shows. The caller frees. */
static char *logs_of(Fixture *fixture, const PodLogRequest *request)
{
  const NodeAccess *access = kubelet_node_access(fixture->kubelet);
  g_autoptr(GError) error = NULL;
  file_autofd int fd = access->logs(access->node, request, &error);
  g_assert_no_error(error);
  GString *text = g_string_new(NULL);
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0)
    g_string_append_len(text, buffer, n);
  return g_string_free(text, FALSE);
}

static bool is_empty_file(const char *path)
{
  GStatBuf info;
  return g_stat(path, &info) == 0 && info.st_size == 0;
}

/* A log that has grown is rotated; what it held is shown; its attempt's logs go when nobody can ask for them. */
static void test_log_rotation(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(status_is(fixture, "p", "phase", "Running"));
  g_autofree char *folder = g_strdup_printf("%s/default_p_%s/c", fixture->logs, uid);
  g_autofree char *path = g_build_filename(folder, "0.log", NULL), *next = g_build_filename(folder, "1.log", NULL);
  g_autofree char *long_word = g_strnfill(1000, 'x');
  g_autofree char *line = g_strdup_printf("2026-11-23T10:00:00.0+00:00 stdout F %s\n", long_word);
  g_autofree char *shown = g_strconcat(long_word, "\n", NULL);
  g_assert_true(g_file_set_contents(path, line, -1, NULL));
  wait_until(is_empty_file(path));
  PodLogRequest request = {
    .namespace_ = "default", .pod = "p", .container = "c", .tail_lines = -1, .limit_bytes = -1, .since_us = -1
  };
  g_autofree char *now = logs_of(fixture, &request);
  g_assert_cmpstr(now, ==, shown);
  g_assert_true(fake_runtime_exit(fixture->runtime, uid, "c", 1));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  g_assert_true(g_file_set_contents(next, "2026-11-23T10:00:01.0+00:00 stdout F the second attempt\n", -1, NULL));
  g_autofree char *second = logs_of(fixture, &request);
  g_assert_cmpstr(second, ==, "the second attempt\n");
  request.previous = true;
  g_autofree char *first = logs_of(fixture, &request);
  g_assert_cmpstr(first, ==, shown);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 1));
  wait_until(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "CrashLoopBackOff"));
  g_autofree char *before = logs_of(fixture, &request); /* while it waits, its last attempt is the previous one */
  g_assert_cmpstr(before, ==, "the second attempt\n");
  delete_pod(fixture, "p", 0);
  wait_until(!g_file_test(folder, G_FILE_TEST_EXISTS));
}

/* A probe may say how long the container it gives up has: here the pod's own time would be no end. */
static void test_probe_grace(Fixture *fixture, gconstpointer data)
{
  fake_runtime_set_exec_code(fixture->runtime, 1);
  fake_runtime_make_stubborn(fixture->runtime, "c");
  g_free(create_pod(fixture, "p",
                    "terminationGracePeriodSeconds: 3600, containers: [{name: c, image: 'test:1', livenessProbe: "
                    "{exec: {command: [live]}, periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: "
                    "1}}]"));
  wait_until(has_event(fixture, "Killing", "failed liveness probe, will be restarted"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
}

static void test_long_name(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "p",
                    "setHostnameAsFQDN: true, subdomain: a-subdomain-that-is-so-long-as-to-be-too-long, " ONE));
  wait_until(has_event(fixture, "FailedCreatePodSandBox",
                       "FQDN p.a-subdomain-that-is-so-long-as-to-be-too-long.default.svc.cluster.local is too long (64 "
                       "characters is the max, 73 characters requested)"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 0);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Fixture *, gconstpointer);
  } tests[] = { { "node", test_node },
                { "runs", test_runs },
                { "token", test_token },
                { "restarts-and-backs-off", test_restarts_and_backs_off },
                { "first-restart", test_first_restart },
                { "never-and-on-failure", test_never_and_on_failure },
                { "init-and-sidecar", test_init_and_sidecar },
                { "grace-and-force", test_grace_and_force },
                { "no-grace", test_no_grace },
                { "image-pulls", test_image_pulls },
                { "image-back-off", test_image_back_off },
                { "configuration", test_configuration },
                { "claims", test_claims },
                { "config-error", test_config_error },
                { "probes", test_probes },
                { "survives-restart-and-reboot", test_survives_restart_and_reboot },
                { "runtime-away", test_runtime_away },
                { "orphans-go", test_orphans_go },
                { "deadline", test_deadline },
                { "log-rotation", test_log_rotation },
                { "probe-grace", test_probe_grace },
                { "long-name", test_long_name } };
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/kubelet/%s", tests[i].name);
    g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
  }
  return g_test_run();
}

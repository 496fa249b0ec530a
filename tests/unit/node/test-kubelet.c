/* The kubelet over a real registry and a runtime in memory. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/client/informer.h"
#include "clusterd/node/kubelet.h"
#include "clusterd/server/registry/registry.h"
#include "fake_runtime.h"

#define WAIT_SECONDS 10
#define wait_until(condition)                                                                                          \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 end_ = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;                                              \
    bool met_;                                                                                                         \
    while (!(met_ = (condition)) && g_get_monotonic_time() < end_)                                                     \
      g_usleep(1000);                                                                                                  \
    if (!met_)                                                                                                         \
      g_error("line %d: %s", __LINE__, #condition);                                                                    \
  }                                                                                                                    \
  G_STMT_END

typedef struct Fixture {
  char *folder, *pods, *logs;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  InformerSet *informers;
  Client *client;
  Runtime *runtime;
  Kubelet *kubelet;
} Fixture;

static char *issue_token(void *data, const char *namespace_, const char *service_account, const char *const *audiences,
                         int64_t lifetime_seconds, const char *pod_name, const char *pod_uid, int64_t *expires_us,
                         GError **error)
{
  *expires_us = g_get_real_time() + lifetime_seconds * G_USEC_PER_SEC;
  return g_strdup_printf("token of %s/%s for %s", namespace_, service_account, pod_name);
}

static json_t *create(Fixture *fixture, const char *api_version, const char *plural, const char *namespace_,
                      const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  g_autoptr(Object) object = client_create(fixture->client, api_version, plural, namespace_, value, &error);
  g_assert_no_error(error);
  return json_incref(object_json(object));
}

static void start_kubelet(Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  KubeletConfig config = { .node_name = "n1",
                           .node_ip = "10.0.2.15",
                           .pod_cidr = "10.244.0.0/24",
                           .dns_ip = "10.96.0.10",
                           .dns_domain = "cluster.local",
                           .kubernetes_version = "v1.32.0",
                           .pods_dir = fixture->pods,
                           .logs_dir = fixture->logs,
                           .issue_token = issue_token };
  fixture->informers = informer_set_new(fixture->registry);
  fixture->kubelet = kubelet_new(fixture->client, fixture->informers, fixture->runtime, &config);
  g_assert_true(informer_set_start(fixture->informers, &error));
  kubelet_start(fixture->kubelet, &error);
  g_assert_no_error(error);
}

static void stop_kubelet(Fixture *fixture)
{
  informer_set_stop(fixture->informers);
  g_clear_pointer(&fixture->kubelet, kubelet_free);
  g_clear_pointer(&fixture->informers, informer_set_free);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("kubelet-XXXXXX", &error);
  g_assert_no_error(error);
  fixture->pods = g_build_filename(fixture->folder, "pods", NULL);
  fixture->logs = g_build_filename(fixture->folder, "logs", NULL);
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->scheme = api_scheme_new();
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  fixture->client = client_new(fixture->registry, "kubelet");
  fixture->runtime = fake_runtime_new();
  fake_runtime_add_image(fixture->runtime, "test:1", true);
  json_decref(create(fixture, "v1", "namespaces", NULL, "{metadata: {name: default}}"));
  json_decref(create(fixture, "v1", "namespaces", NULL, "{metadata: {name: kube-node-lease}}"));
  json_decref(create(fixture, "v1", "configmaps", "default",
                     "{metadata: {name: kube-root-ca.crt}, data: {ca.crt: certificate}}"));
  json_decref(create(fixture, "v1", "serviceaccounts", "default", "{metadata: {name: default}}"));
  start_kubelet(fixture);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  stop_kubelet(fixture);
  client_free(fixture->client);
  registry_free(fixture->registry);
  api_scheme_free(fixture->scheme);
  store_close(fixture->store);
  fixture->runtime->free(fixture->runtime);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
  g_free(fixture->pods);
  g_free(fixture->logs);
}

/* A pod bound to the node; SPEC is the rest of its specification as YAML flow. Its uid, to be freed. */
static char *create_pod(Fixture *fixture, const char *name, const char *spec)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s, labels: {app: %s}}, spec: {nodeName: n1, %s}}", name, name, spec);
  g_autoptr(json_t) pod = create(fixture, "v1", "pods", "default", yaml);
  return g_strdup(json_str(json_object_get(pod, "metadata"), "uid", ""));
}

#define ONE "containers: [{name: c, image: 'test:1'}]"

/* A member of the pod's status by path; the caller frees; "" when it is absent. */
static char *status_of(Fixture *fixture, const char *name, const char *path)
{
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", name, NULL);
  const json_t *here = pod ? json_object_get(object_json(pod), "status") : NULL;
  g_auto(GStrv) keys = g_strsplit(path, ".", -1);
  for (char **key = keys; *key; key++)
    here = g_ascii_isdigit(**key) ? json_array_get(here, (size_t)g_ascii_strtoull(*key, NULL, 10))
                                  : json_object_get(here, *key);
  if (json_is_string(here))
    return g_strdup(json_string_value(here));
  return here ? json_text(here) : g_strdup("");
}

static bool status_is(Fixture *fixture, const char *name, const char *path, const char *value)
{
  g_autofree char *is = status_of(fixture, name, path);
  return g_str_equal(is, value);
}

static bool condition_is(Fixture *fixture, const char *name, const char *type, const char *value)
{
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", name, NULL);
  const json_t *item;
  size_t i;
  json_array_foreach (json_at(pod ? object_json(pod) : NULL, "status", "conditions", NULL), i, item)
    if (g_str_equal(json_str(item, "type", ""), type))
      return g_str_equal(json_str(item, "status", ""), value);
  return false;
}

static bool exists(Fixture *fixture, const char *name)
{
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", name, NULL);
  return pod != NULL;
}

static bool has_event(Fixture *fixture, const char *reason, const char *text)
{
  g_autoptr(ObjectList) events = client_list(fixture->client, "v1", "events", "default", NULL, NULL);
  for (guint i = 0; events && i < events->objects->len; i++) {
    const json_t *event = object_json(events->objects->pdata[i]);
    if (g_str_equal(json_str(event, "reason", ""), reason) && strstr(json_str(event, "message", ""), text))
      return true;
  }
  return false;
}

static void delete_pod(Fixture *fixture, const char *name, int64_t grace)
{
  DeleteOptions options = { .grace_period_seconds = grace };
  g_autoptr(GError) error = NULL;
  client_delete(fixture->client, "v1", "pods", "default", name, &options, &error);
  g_assert_no_error(error);
}

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
  g_assert_true(condition_is(fixture, "p", "Ready", "True"));
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
  g_assert_true(condition_is(fixture, "p", "Ready", "False"));
  wait_until(has_event(fixture, "BackOff", "Back-off restarting failed container c in pod p_default"));
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
  g_assert_true(condition_is(fixture, "p", "Initialized", "False"));
  wait_until(fake_runtime_exit(fixture->runtime, uid, "i", 0));
  wait_until(condition_is(fixture, "p", "Ready", "True"));
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
  g_assert_true(condition_is(fixture, "p", "Ready", "False"));
  wait_until(has_event(fixture, "Unhealthy", "Readiness probe failed"));
  wait_until(has_event(fixture, "Killing", "Container c failed liveness probe, will be restarted"));
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  fake_runtime_set_exec_code(fixture->runtime, 0);
  wait_until(condition_is(fixture, "p", "Ready", "True"));
}

static void test_survives_restart_and_reboot(Fixture *fixture, gconstpointer data)
{
  g_autofree char *uid = create_pod(fixture, "p", ONE);
  wait_until(condition_is(fixture, "p", "Ready", "True"));
  g_autofree char *id = status_of(fixture, "p", "containerStatuses.0.containerID");
  stop_kubelet(fixture);
  start_kubelet(fixture);
  wait_until(fake_runtime_exit(fixture->runtime, uid, "c", 0)); /* it runs still, and its end is noticed */
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "1"));
  stop_kubelet(fixture);
  fake_runtime_reboot(fixture->runtime);
  start_kubelet(fixture);
  wait_until(status_is(fixture, "p", "containerStatuses.0.restartCount", "2"));
  wait_until(condition_is(fixture, "p", "Ready", "True"));
  g_assert_false(status_is(fixture, "p", "containerStatuses.0.containerID", id));
  wait_until(has_event(fixture, "SandboxChanged", "re-created"));
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

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Fixture *, gconstpointer);
  } tests[] = { { "node", test_node },
                { "runs", test_runs },
                { "token", test_token },
                { "restarts-and-backs-off", test_restarts_and_backs_off },
                { "never-and-on-failure", test_never_and_on_failure },
                { "init-and-sidecar", test_init_and_sidecar },
                { "grace-and-force", test_grace_and_force },
                { "image-pulls", test_image_pulls },
                { "configuration", test_configuration },
                { "claims", test_claims },
                { "config-error", test_config_error },
                { "probes", test_probes },
                { "survives-restart-and-reboot", test_survives_restart_and_reboot },
                { "orphans-go", test_orphans_go },
                { "deadline", test_deadline } };
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/kubelet/%s", tests[i].name);
    g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
  }
  return g_test_run();
}

#include "kubelet_fixture.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"

static char *issue_token(void *data, const char *namespace_, const char *service_account, const char *const *audiences,
                         int64_t lifetime_seconds, const char *pod_name, const char *pod_uid, int64_t *expires_us,
                         GError **error)
{
  *expires_us = g_get_real_time() + lifetime_seconds * G_USEC_PER_SEC;
  return g_strdup_printf("token of %s/%s for %s", namespace_, service_account, pod_name);
}

json_t *create(Fixture *fixture, const char *api_version, const char *plural, const char *namespace_, const char *yaml)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  g_autoptr(Object) object = client_create(fixture->client, api_version, plural, namespace_, value, &error);
  g_assert_no_error(error);
  return json_incref(object_json(object));
}

void start_kubelet(Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  static const LogLimits log_limits = { .size = 1000, .files = 3, .interval_us = 10000 };
  KubeletConfig config = { .node_name = "n1",
                           .node_ip = "10.0.2.15",
                           .pod_cidr = "10.244.0.0/24",
                           .dns_ip = "10.96.0.10",
                           .dns_domain = "cluster.local",
                           .kubernetes_version = "v1.32.0",
                           .pods_dir = fixture->pods,
                           .logs_dir = fixture->logs,
                           .static_pods_dir = fixture->manifests,
                           .log_limits = &log_limits,
                           .image_records = fixture->image_records,
                           .pressure = fixture->pressure,
                           .pressure_source = fixture->pressure_source,
                           .issue_token = issue_token };
  fixture->informers = informer_set_new(fixture->registry);
  fixture->kubelet = kubelet_new(fixture->client, fixture->informers, fixture->runtime, &config);
  g_assert_true(informer_set_start(fixture->informers, &error));
  kubelet_start(fixture->kubelet, &error);
  g_assert_no_error(error);
}

void stop_kubelet(Fixture *fixture)
{
  informer_set_stop(fixture->informers);
  g_clear_pointer(&fixture->kubelet, kubelet_free);
  g_clear_pointer(&fixture->informers, informer_set_free);
}

void set_up(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("kubelet-XXXXXX", &error);
  g_assert_no_error(error);
  fixture->pods = g_build_filename(fixture->folder, "pods", NULL);
  fixture->logs = g_build_filename(fixture->folder, "logs", NULL);
  fixture->manifests = g_build_filename(fixture->folder, "manifests", NULL);
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

void tear_down(Fixture *fixture, gconstpointer data)
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
  g_free(fixture->manifests);
}

char *create_pod(Fixture *fixture, const char *name, const char *spec)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s, labels: {app: %s}}, spec: {nodeName: n1, %s}}", name, name, spec);
  g_autoptr(json_t) pod = create(fixture, "v1", "pods", "default", yaml);
  return g_strdup(json_str(json_object_get(pod, "metadata"), "uid", ""));
}

char *status_of(Fixture *fixture, const char *name, const char *path)
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

bool status_is(Fixture *fixture, const char *name, const char *path, const char *value)
{
  g_autofree char *is = status_of(fixture, name, path);
  return g_str_equal(is, value);
}

bool shows_condition(Fixture *fixture, const char *name, const char *type, const char *value)
{
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", name, NULL);
  const json_t *item;
  size_t i;
  json_array_foreach (json_at(pod ? object_json(pod) : NULL, "status", "conditions", NULL), i, item)
    if (g_str_equal(json_str(item, "type", ""), type))
      return g_str_equal(json_str(item, "status", ""), value);
  return false;
}

bool exists(Fixture *fixture, const char *name)
{
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", name, NULL);
  return pod != NULL;
}

bool has_event(Fixture *fixture, const char *reason, const char *text)
{
  g_autoptr(ObjectList) events = client_list(fixture->client, "v1", "events", "default", NULL, NULL);
  for (guint i = 0; events && i < events->objects->len; i++) {
    const json_t *event = object_json(events->objects->pdata[i]);
    if (g_str_equal(json_str(event, "reason", ""), reason) && strstr(json_str(event, "message", ""), text))
      return true;
  }
  return false;
}

void delete_pod(Fixture *fixture, const char *name, int64_t grace)
{
  DeleteOptions options = { .grace_period_seconds = grace };
  g_autoptr(GError) error = NULL;
  client_delete(fixture->client, "v1", "pods", "default", name, &options, &error);
  g_assert_no_error(error);
}

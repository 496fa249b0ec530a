/* Tables: the cells of each kind as kubectl's users know them, through the real kinds. */
#include <glib.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/scheme.h"
#include "clusterd/api/table/table.h"
#include "clusterd/api/table/table_cells.h"

static int64_t now_us;

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

/* Asserts that CELL of the object in TEXT prints as EXPECTED (JSON). */
static void assert_cell(json_t *(*cell)(const json_t *, int64_t), const char *text, const char *expected)
{
  g_autoptr(json_t) object = parse(text);
  g_autoptr(json_t) value = cell(object, now_us);
  g_autofree char *shown = json_text(value);
  g_assert_cmpstr(shown, ==, expected);
}

static void test_pod_status(void)
{
  static const struct {
    const char *pod, *status, *ready, *restarts;
  } cases[] = {
    { "{\"spec\":{\"containers\":[{\"name\":\"a\"}]},\"status\":{\"phase\":\"Pending\"}}", "\"Pending\"", "\"0/1\"",
      "\"0\"" },
    { "{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\","
      "\"status\":"
      "\"False\",\"reason\":\"SchedulingGated\"}]}}",
      "\"SchedulingGated\"", "\"0/1\"", "\"0\"" },
    { "{\"spec\":{\"containers\":[{},{}]},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"ready\":true,"
      "\"state\":{"
      "\"running\":{}},\"restartCount\":2,\"lastState\":{\"terminated\":{\"finishedAt\":\"2026-01-01T00:00:00Z\"}}},"
      "{\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},\"restartCount\":1}]}}",
      "\"CrashLoopBackOff\"", "\"1/2\"", "\"3 (5m ago)\"" },
    { "{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Succeeded\",\"containerStatuses\":[{\"state\":{"
      "\"terminated\":{"
      "\"reason\":\"Completed\",\"exitCode\":0}}}]}}",
      "\"Completed\"", "\"0/1\"", "\"0\"" },
    { "{\"spec\":{\"containers\":[{},{}]},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{"
      "\"terminated\":{"
      "\"reason\":\"Completed\"}}},{\"ready\":true,\"state\":{\"running\":{}}}]}}",
      "\"NotReady\"", "\"1/2\"", "\"0\"" },
    { "{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":{"
      "\"terminated\":{"
      "\"exitCode\":3}}}]}}",
      "\"ExitCode:3\"", "\"0/1\"", "\"0\"" },
    { "{\"spec\":{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],\"containers\":[{}]},\"status\":{\"phase\":"
      "\"Pending\","
      "\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"terminated\":{\"exitCode\":0}}},{\"name\":\"j\","
      "\"state\":{"
      "\"running\":{}}}],\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}]}}",
      "\"Init:1/2\"", "\"0/1\"", "\"0\"" },
    { "{\"spec\":{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{}]},\"status\":{\"phase\":\"Pending\","
      "\"initContainerStatuses\":[{\"name\":\"i\",\"restartCount\":4,\"state\":{\"terminated\":{\"exitCode\":1}}}]}}",
      "\"Init:ExitCode:1\"", "\"0/1\"", "\"4\"" },
    { "{\"spec\":{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{}]},\"status\":{\"phase\":\"Pending\","
      "\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\"}}}]}}",
      "\"Init:ImagePullBackOff\"", "\"0/1\"", "\"0\"" },
    { "{\"spec\":{\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}],\"containers\":[{}]},\"status\":{"
      "\"phase\":"
      "\"Running\",\"initContainerStatuses\":[{\"name\":\"s\",\"started\":true,\"ready\":true,\"restartCount\":1,"
      "\"state\":{"
      "\"running\":{}}}],\"containerStatuses\":[{\"ready\":true,\"state\":{\"running\":{}}}]}}",
      "\"Running\"", "\"2/2\"", "\"1\"" },
    { "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"containers\":[{}]},\"status\":{"
      "\"phase\":"
      "\"Running\"}}",
      "\"Terminating\"", "\"0/1\"", "\"0\"" },
    { "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"containers\":[{}]},\"status\":{"
      "\"phase\":"
      "\"Running\",\"reason\":\"NodeLost\"}}",
      "\"Unknown\"", "\"0/1\"", "\"0\"" },
    { "{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\"}}", "\"Evicted\"",
      "\"0/1\"", "\"0\"" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    assert_cell(cell_pod_status, cases[i].pod, cases[i].status);
    assert_cell(cell_pod_ready, cases[i].pod, cases[i].ready);
    assert_cell(cell_pod_restarts, cases[i].pod, cases[i].restarts);
  }
}

static void test_cells(void)
{
  static const struct {
    json_t *(*cell)(const json_t *, int64_t);
    const char *object, *expected;
  } cases[] = {
    { cell_age, "{\"metadata\":{\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}}", "\"5m\"" },
    { cell_age, "{}", "\"<unknown>\"" },
    { cell_node_status,
      "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]},\"spec\":{\"unschedulable\":true}}",
      "\"Ready,SchedulingDisabled\"" },
    { cell_node_status, "{}", "\"Unknown\"" },
    { cell_node_roles,
      "{\"metadata\":{\"labels\":{\"node-role.kubernetes.io/z\":\"\",\"node-role.kubernetes.io/control-plane\":\"\"}}}",
      "\"control-plane,z\"" },
    { cell_node_roles, "{}", "\"<none>\"" },
    { cell_csi_storage_capacity_capacity, "{\"capacity\":\"5Gi\"}", "\"5Gi\"" },
    { cell_csi_storage_capacity_capacity, "{}", "\"<unset>\"" },
    { cell_node_internal_ip, "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.0.2.15\"}]}}",
      "\"10.0.2.15\"" },
    { cell_service_ports,
      "{\"spec\":{\"ports\":[{\"port\":80,\"nodePort\":30000,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}"
      "}",
      "\"80:30000/TCP,53/UDP\"" },
    { cell_service_external_ip, "{\"spec\":{\"type\":\"LoadBalancer\"}}", "\"<pending>\"" },
    { cell_service_external_ip,
      "{\"spec\":{\"type\":\"LoadBalancer\",\"externalIPs\":[\"1.1.1.1\"]},\"status\":{\"loadBalancer\":{\"ingress\":[{"
      "\"ip\":\"2.2.2.2\"}]}}}",
      "\"2.2.2.2,1.1.1.1\"" },
    { cell_service_external_ip, "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}", "\"a.b\"" },
    { cell_service_external_ip, "{\"spec\":{\"type\":\"NodePort\"}}", "\"<none>\"" },
    { cell_endpoints_endpoints, "{}", "\"<none>\"" },
    { cell_endpoints_endpoints,
      "{\"subsets\":[{\"addresses\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"::1\"}],\"ports\":[{\"port\":80},{\"port\":81}]}]}",
      "\"1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...\"" },
    { cell_endpoint_slice_ports, "{\"ports\":[{\"port\":80},{\"name\":\"x\"},{}]}", "\"80,x,*\"" },
    { cell_endpoint_slice_endpoints, "{\"endpoints\":[]}", "\"<unset>\"" },
    { cell_deployment_ready, "{\"spec\":{\"replicas\":3},\"status\":{\"readyReplicas\":1}}", "\"1/3\"" },
    { cell_label_selector, "{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"2\",\"a\":\"1\"}}}}", "\"a=1,b=2\"" },
    { cell_job_completions, "{\"spec\":{\"parallelism\":3},\"status\":{\"succeeded\":1}}", "\"1/1 of 3\"" },
    { cell_job_completions, "{\"spec\":{\"completions\":2}}", "\"0/2\"" },
    { cell_job_duration,
      "{\"status\":{\"startTime\":\"2026-01-01T00:00:00Z\",\"completionTime\":\"2026-01-01T00:00:07Z\"}}", "\"7s\"" },
    { cell_job_status, "{\"status\":{\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]}}", "\"Complete\"" },
    { cell_job_status, "{}", "\"Running\"" },
    { cell_cron_job_suspend, "{\"spec\":{\"suspend\":false}}", "\"False\"" },
    { cell_config_map_data, "{\"data\":{\"a\":\"1\"},\"binaryData\":{\"b\":\"\"}}", "2" },
    { cell_event_object, "{\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\"}}", "\"pod/p\"" },
    { cell_event_last_seen, "{\"lastTimestamp\":null,\"eventTime\":\"2026-01-01T00:04:00.000000Z\"}", "\"60s\"" },
    { cell_event_count, "{}", "1" },
    { cell_horizontal_pod_autoscaler_targets,
      "{\"spec\":{\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{"
      "\"averageUtilization\":50}}}]},\"status\":{"
      "\"currentMetrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"current\":{\"averageUtilization\":5}"
      "}}]}}",
      "\"cpu: 5%/50%\"" },
    { cell_horizontal_pod_autoscaler_targets,
      "{\"spec\":{\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{"
      "\"averageUtilization\":50}}}]}}",
      "\"cpu: <unknown>/50%\"" },
    { cell_persistent_volume_claim_access_modes,
      "{\"spec\":{\"volumeName\":\"v\"},\"status\":{\"accessModes\":[\"ReadWriteMany\",\"ReadWriteOnce\"]}}",
      "\"RWO,RWX\"" },
    { cell_persistent_volume_claim_status, "{\"status\":{\"phase\":\"Bound\"}}", "\"Bound\"" },
    { cell_storage_class_name,
      "{\"metadata\":{\"name\":\"standard\",\"annotations\":{\"storageclass.kubernetes.io/"
      "is-default-class\":\"true\"}}}",
      "\"standard (default)\"" },
    { cell_ingress_hosts, "{\"spec\":{\"rules\":[{},{\"host\":\"a\"}]}}", "\"a\"" },
    { cell_ingress_hosts, "{}", "\"*\"" },
    { cell_role_binding_service_accounts,
      "{\"subjects\":[{\"kind\":\"ServiceAccount\",\"namespace\":\"n\",\"name\":\"s\"}]}", "\"n/s\"" },
    { cell_resource_quota_request,
      "{\"status\":{\"hard\":{\"pods\":\"4\",\"limits.cpu\":\"2\"},\"used\":{\"pods\":\"1\"}}}", "\"pods: 1/4\"" },
    { cell_resource_quota_limit, "{\"status\":{\"hard\":{\"pods\":\"4\",\"limits.cpu\":\"2\"}}}",
      "\"limits.cpu: 0/2\"" },
    { cell_certificate_signing_request_condition,
      "{\"status\":{\"conditions\":[{\"type\":\"Approved\"}],\"certificate\":\"x\"}}", "\"Approved,Issued\"" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_cell(cases[i].cell, cases[i].object, cases[i].expected);
}

static void test_table(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  const ApiKind *kind = api_scheme_kind(scheme, "", "v1", "ConfigMap");
  g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  g_ptr_array_add(objects,
                  object_new(kind, parse("{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\","
                                         "\"uid\":\"u\",\"resourceVersion\":\"7\",\"creationTimestamp\":"
                                         "\"2026-01-01T00:00:00Z\"},\"data\":{\"k\":\"v\"}}")));
  g_autoptr(json_t) list = parse("{\"resourceVersion\":\"9\"}");
  g_autoptr(json_t) table = table_render(kind, objects, list, "meta.k8s.io/v1", TABLE_INCLUDE_METADATA, true, now_us);
  g_assert_cmpstr(json_str(table, "kind", ""), ==, "Table");
  g_assert_cmpstr(json_str(json_object_get(table, "metadata"), "resourceVersion", ""), ==, "9");
  g_assert_cmpuint(json_array_size(json_object_get(table, "columnDefinitions")), ==, 3);
  const json_t *row = json_array_get(json_object_get(table, "rows"), 0);
  g_autofree char *cells = json_text(json_object_get(row, "cells"));
  g_assert_cmpstr(cells, ==, "[\"a\",1,\"5m\"]");
  g_assert_cmpstr(json_str(json_object_get(row, "object"), "kind", ""), ==, "PartialObjectMetadata");
  g_assert_null(json_at(row, "object", "data", NULL));

  g_autoptr(json_t) bare = table_render(kind, objects, NULL, "meta.k8s.io/v1", TABLE_INCLUDE_NONE, false, now_us);
  g_assert_true(json_is_null(json_object_get(bare, "columnDefinitions")));
  g_assert_true(json_is_null(json_object_get(json_array_get(json_object_get(bare, "rows"), 0), "object")));
}

/* No kind may make a cell fail on an object that has nothing. */
static void test_empty_objects(void)
{
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  g_autoptr(json_t) empty = json_object();
  for (size_t i = 0; i < n_kinds; i++)
    for (unsigned n = 0; n < kinds[i]->n_columns; n++) {
      const ApiColumn *column = &kinds[i]->columns[n];
      g_assert_true(column->cell || column->path);
      g_autoptr(json_t) cell = column->cell ? column->cell(empty, now_us) : json_null();
      g_assert_nonnull(cell);
    }
}

/* The kind behind "/api/v1/pods" or "/apis/apps/v1/deployments". */
static const ApiKind *kind_at(const ApiScheme *scheme, const char *path)
{
  g_auto(GStrv) steps = g_strsplit(path, "/", -1);
  guint n = g_strv_length(steps);
  return n == 4   ? api_scheme_resource(scheme, "", steps[2], steps[3])
         : n == 5 ? api_scheme_resource(scheme, steps[2], steps[3], steps[4])
                  : NULL;
}

/* Newer servers have more columns than the recorded one, but those it had are still there, in their order. */
static void assert_columns(const ApiKind *kind, const json_t *recorded)
{
  unsigned at = 0;
  size_t i;
  json_t *column;
  json_array_foreach (recorded, i, column) {
    const char *name = json_string_value(json_array_get(column, 0));
    while (at < kind->n_columns && g_strcmp0(kind->columns[at].name, name) != 0)
      at++;
    if (at == kind->n_columns)
      g_error("%s has no column %s, or not in its place", kind->kind, name);
    g_assert_cmpint(kind->columns[at].priority, ==, json_integer_value(json_array_get(column, 3)));
  }
}

static void test_recorded_columns(void)
{
  const char *folder = g_getenv("LAUNCHER_REFERENCE");
  g_autofree char *file = g_build_filename(folder ? folder : "", "data", "table-columns-1.20.json", NULL);
  if (!folder || !g_file_test(file, G_FILE_TEST_EXISTS)) {
    g_test_skip("no recordings (LAUNCHER_REFERENCE)");
    return;
  }
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  g_autoptr(json_t) recorded = json_read_file(file, NULL);
  const char *path;
  json_t *columns;
  unsigned compared = 0;
  json_object_foreach (recorded, path, columns) {
    const ApiKind *kind = kind_at(scheme, path);
    if (kind && kind->n_columns > 0) {
      assert_columns(kind, columns);
      compared++;
    }
  }
  g_assert_cmpuint(compared, >, 25);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_true(timestamp_parse("2026-01-01T00:05:00Z", &now_us));
  g_test_add_func("/table/pod-status", test_pod_status);
  g_test_add_func("/table/cells", test_cells);
  g_test_add_func("/table/render", test_table);
  g_test_add_func("/table/empty-objects", test_empty_objects);
  g_test_add_func("/table/recorded-columns", test_recorded_columns);
  return g_test_run();
}

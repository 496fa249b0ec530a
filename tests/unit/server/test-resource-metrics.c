/* metrics.k8s.io without HTTP and without a node: which pods and nodes are meant, and what becomes of their numbers. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/table/table.h"
#include "clusterd/server/registry/registry.h"
#include "clusterd/server/resource_metrics.h"

typedef struct Fixture {
  char *folder;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
} Fixture;

static char *create(Fixture *fixture, const char *plural, const char *namespace_, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", plural), namespace_, NULL, NULL };
  g_autoptr(Object) object = registry_create(fixture->registry, NULL, &target, value, &error);
  g_assert_no_error(error);
  return g_strdup(object_uid(object));
}

static char *create_pod(Fixture *fixture, const char *namespace_, const char *name, const char *label)
{
  g_autofree char *text = g_strdup_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"%s\"}},\"spec\":{"
                                          "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                                          name, label);
  return create(fixture, "pods", namespace_, text);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("metrics-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->scheme = api_scheme_new();
  api_scheme_enable(fixture->scheme, "metrics.k8s.io");
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  const char *const namespaces[] = { "default", "other" };
  for (gsize i = 0; i < G_N_ELEMENTS(namespaces); i++) {
    g_autofree char *text = g_strdup_printf("{\"metadata\":{\"name\":\"%s\"}}", namespaces[i]);
    g_autofree char *uid = create(fixture, "namespaces", NULL, text);
    g_autofree char *account =
        create(fixture, "serviceaccounts", namespaces[i], "{\"metadata\":{\"name\":\"default\"}}");
  }
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  registry_free(fixture->registry);
  store_close(fixture->store);
  api_scheme_free(fixture->scheme);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

static const ApiKind *kind_of(Fixture *fixture, const char *plural)
{
  const ApiKind *kind = api_scheme_resource(fixture->scheme, "metrics.k8s.io", "v1beta1", plural);
  g_assert_nonnull(kind);
  return kind;
}

static json_t *numbers_of_pod(const char *uid, int64_t cpu, int64_t memory)
{
  return json_pack("{s:s, s:I, s:I, s:[{s:s, s:I, s:I}]}", "uid", uid, "timeUs", (json_int_t)1700000000 * 1000000,
                   "windowUs", (json_int_t)14731000, "containers", "name", "c", "cpuNanoCores", (json_int_t)cpu,
                   "memoryBytes", (json_int_t)memory);
}

/* What is asked for, as "namespace/name" with blanks between. The caller frees. */
static char *ask(Fixture *fixture, MetricsQuery query, const json_t *usage)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) objects = resource_metrics_select(fixture->registry, &query, &error);
  g_autoptr(GPtrArray) made = objects ? resource_metrics_answer(&query, objects, usage, &error) : NULL;
  g_autoptr(GString) text = g_string_new(NULL);
  if (!made)
    return g_strdup(error->message);
  for (guint i = 0; i < made->len; i++)
    g_string_append_printf(text, "%s%s/%s", i ? " " : "", object_namespace(made->pdata[i]),
                           object_name(made->pdata[i]));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

#define assert_asked(query, usage, wanted)                                                                             \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autofree char *text_ = ask(fixture, (query), (usage));                                                           \
    g_assert_cmpstr(text_, ==, wanted);                                                                                \
  }                                                                                                                    \
  G_STMT_END

static void test_selection(Fixture *fixture, gconstpointer data)
{
  const ApiKind *kind = kind_of(fixture, "pods");
  g_autofree char *b = create_pod(fixture, "default", "b", "x"), *a = create_pod(fixture, "default", "a", "y");
  g_autofree char *c = create_pod(fixture, "other", "c", "x"), *young = create_pod(fixture, "default", "young", "x");
  g_autoptr(json_t) usage =
      json_pack("{s:s, s:[o, o, o, o]}", "name", "n1", "pods", numbers_of_pod(c, 1, 1), numbers_of_pod(b, 1, 1),
                numbers_of_pod(a, 1, 1), numbers_of_pod("of-a-pod-that-is-gone", 1, 1));
  g_autoptr(LabelSelector) labels = label_selector_parse("app=x", NULL);
  g_autoptr(FieldSelector) fields = field_selector_parse(kind, "metadata.name=a", NULL);
  g_autoptr(FieldSelector) space = field_selector_parse(kind, "metadata.namespace!=default", NULL);
  assert_asked(((MetricsQuery){ .kind = kind }), usage, "default/a default/b other/c");
  assert_asked(((MetricsQuery){ .kind = kind, .namespace_ = "default" }), usage, "default/a default/b");
  assert_asked(((MetricsQuery){ .kind = kind, .labels = labels }), usage, "default/b other/c");
  assert_asked(((MetricsQuery){ .kind = kind, .fields = fields }), usage, "default/a");
  assert_asked(((MetricsQuery){ .kind = kind, .fields = space }), usage, "other/c");
  assert_asked(((MetricsQuery){ .kind = kind, .namespace_ = "default", .name = "b" }), usage, "default/b");
  assert_asked(((MetricsQuery){ .kind = kind, .namespace_ = "default", .name = "young" }), usage,
               "podmetrics.metrics.k8s.io \"default/young\" not found");
  assert_asked(((MetricsQuery){ .kind = kind, .namespace_ = "default", .name = "none" }), usage,
               "pods \"none\" not found");
}

static void test_nodes(Fixture *fixture, gconstpointer data)
{
  const ApiKind *kind = kind_of(fixture, "nodes");
  g_autofree char *own = create(fixture, "nodes", NULL, "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"a\":\"b\"}}}");
  g_autofree char *other = create(fixture, "nodes", NULL, "{\"metadata\":{\"name\":\"n2\"}}");
  g_autoptr(json_t) usage =
      json_pack("{s:s, s:{s:I, s:I, s:I, s:I}, s:[]}", "name", "n1", "node", "timeUs", (json_int_t)0, "windowUs",
                (json_int_t)1000000, "cpuNanoCores", (json_int_t)5, "memoryBytes", (json_int_t)4096, "pods");
  g_autoptr(json_t) nothing = json_pack("{s:s, s:[]}", "name", "n1", "pods");
  g_autoptr(LabelSelector) labels = label_selector_parse("a=c", NULL);
  assert_asked(((MetricsQuery){ .kind = kind }), usage, "/n1"); /* nobody here measures the other one */
  assert_asked(((MetricsQuery){ .kind = kind, .labels = labels }), usage, "");
  assert_asked(((MetricsQuery){ .kind = kind, .name = "n1" }), usage, "/n1");
  assert_asked(((MetricsQuery){ .kind = kind, .name = "n2" }), usage, "nodemetrics.metrics.k8s.io \"n2\" not found");
  assert_asked(((MetricsQuery){ .kind = kind, .name = "n3" }), usage, "nodes \"n3\" not found");
  assert_asked(((MetricsQuery){ .kind = kind }), nothing, "");
}

static void test_object(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  MetricsQuery query = { .kind = kind_of(fixture, "pods"), .namespace_ = "default", .name = "p" };
  g_autofree char *uid = create_pod(fixture, "default", "p", "x");
  g_autoptr(json_t) usage = json_pack("{s:[o]}", "pods", numbers_of_pod(uid, 12345000, 3 * 1048576 + 4096));
  json_array_append_new(json_object_get(json_array_get(json_object_get(usage, "pods"), 0), "containers"),
                        json_pack("{s:s, s:I, s:I}", "name", "d", "cpuNanoCores", (json_int_t)1, "memoryBytes",
                                  (json_int_t)1048576 - 4096));
  g_autoptr(GPtrArray) objects = resource_metrics_select(fixture->registry, &query, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) made = resource_metrics_answer(&query, objects, usage, &error);
  g_assert_no_error(error);
  const json_t *value = object_json(made->pdata[0]), *containers = json_object_get(value, "containers");
  const json_t *first = json_object_get(json_array_get(containers, 0), "usage");
  g_assert_cmpstr(json_str(value, "kind", ""), ==, "PodMetrics");
  g_assert_cmpstr(json_str(value, "apiVersion", ""), ==, "metrics.k8s.io/v1beta1");
  g_assert_cmpstr(json_str(value, "timestamp", ""), ==, "2023-11-14T22:13:20Z");
  g_assert_cmpstr(json_str(value, "window", ""), ==, "14.731s");
  g_assert_cmpstr(json_str(json_at(value, "metadata", "labels", NULL), "app", ""), ==, "x");
  g_assert_null(json_at(value, "metadata", "uid", NULL));
  g_assert_cmpstr(json_str(first, "cpu", ""), ==, "12345u"); /* the shortest that is exact, as all quantities */
  g_assert_cmpstr(json_str(first, "memory", ""), ==, "3076Ki");
  /* kubectl's columns add the containers up */
  g_autoptr(json_t) table =
      table_render(query.kind, made, NULL, "meta.k8s.io/v1", TABLE_INCLUDE_NONE, true, timestamp_now_us());
  const json_t *cells = json_object_get(json_array_get(json_object_get(table, "rows"), 0), "cells");
  const char *const wanted[] = { "p", "12345001n", "4Mi", "14.731s" };
  g_assert_cmpuint(json_array_size(cells), ==, G_N_ELEMENTS(wanted));
  for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
    g_assert_cmpstr(json_string_value(json_array_get(cells, i)), ==, wanted[i]);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/resource-metrics/selection", Fixture, NULL, set_up, test_selection, tear_down);
  g_test_add("/resource-metrics/nodes", Fixture, NULL, set_up, test_nodes, tear_down);
  g_test_add("/resource-metrics/object", Fixture, NULL, set_up, test_object, tear_down);
  return g_test_run();
}

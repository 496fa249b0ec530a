/* Discovery: the documents' shapes, and, where the recordings are, that nothing a real server listed got lost. */
#include <glib.h>

#include "base/json.h"
#include "clusterd/api/openapi/discovery.h"

static ApiScheme *scheme;

static json_t *entry(const json_t *list, const char *key, const char *name)
{
  size_t i;
  json_t *element;
  json_array_foreach (list, i, element)
    if (g_strcmp0(json_str(element, key, NULL), name) == 0)
      return element;
  return NULL;
}

static void test_groups(void)
{
  g_autoptr(json_t) versions = discovery_api_versions("10.0.2.15:8443");
  g_assert_cmpstr(json_string_value(json_array_get(json_object_get(versions, "versions"), 0)), ==, "v1");
  g_autoptr(json_t) list = discovery_group_list(scheme);
  const json_t *groups = json_object_get(list, "groups");
  g_assert_cmpstr(json_str(json_array_get(groups, 0), "name", ""), ==, "apiregistration.k8s.io");
  g_assert_cmpstr(json_str(json_array_get(groups, 1), "name", ""), ==, "apps");
  g_autoptr(json_t) autoscaling = discovery_group(scheme, "autoscaling");
  g_assert_cmpstr(json_str(autoscaling, "kind", ""), ==, "APIGroup");
  g_assert_cmpstr(json_str(json_object_get(autoscaling, "preferredVersion"), "groupVersion", ""), ==, "autoscaling/v2");
  static const char *const order[] = { "v2", "v1", "v2beta1", "v2beta2" };
  const json_t *sorted = json_object_get(autoscaling, "versions");
  g_assert_cmpuint(json_array_size(sorted), ==, G_N_ELEMENTS(order));
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
    g_assert_cmpstr(json_str(json_array_get(sorted, i), "version", ""), ==, order[i]);
  g_assert_null(discovery_group(scheme, "nope"));
}

static void test_resources(void)
{
  g_autoptr(json_t) list = discovery_resource_list(scheme, "", "v1");
  g_assert_cmpstr(json_str(list, "groupVersion", ""), ==, "v1");
  const json_t *resources = json_object_get(list, "resources");
  const json_t *pods = entry(resources, "name", "pods");
  g_autofree char *verbs = json_text(json_object_get(pods, "verbs"));
  g_assert_cmpstr(verbs, ==,
                  "[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"]");
  g_autofree char *names = json_text(json_object_get(pods, "shortNames"));
  g_assert_cmpstr(names, ==, "[\"po\"]");
  const json_t *eviction = entry(resources, "name", "pods/eviction");
  g_assert_cmpstr(json_str(eviction, "group", ""), ==, "policy");
  g_assert_cmpstr(json_str(eviction, "kind", ""), ==, "Eviction");
  for (size_t i = 1; i < json_array_size(resources); i++)
    g_assert_cmpstr(json_str(json_array_get(resources, i - 1), "name", ""), <,
                    json_str(json_array_get(resources, i), "name", ""));
  g_assert_null(discovery_resource_list(scheme, "apps", "v9"));
}

static void test_aggregated(void)
{
  g_autoptr(json_t) core = discovery_aggregated(scheme, true, "v2");
  g_assert_cmpstr(json_str(core, "apiVersion", ""), ==, "apidiscovery.k8s.io/v2");
  const json_t *items = json_object_get(core, "items");
  g_assert_cmpuint(json_array_size(items), ==, 1);
  const json_t *only = json_array_get(items, 0);
  g_assert_null(json_at(only, "metadata", "name", NULL));
  const json_t *v1 = json_array_get(json_object_get(only, "versions"), 0);
  g_assert_cmpstr(json_str(v1, "freshness", ""), ==, "Current");
  const json_t *pods = entry(json_object_get(v1, "resources"), "resource", "pods");
  g_assert_cmpstr(json_str(pods, "scope", ""), ==, "Namespaced");
  g_assert_cmpstr(json_str(json_object_get(pods, "responseKind"), "kind", ""), ==, "Pod");
  const json_t *exec = entry(json_object_get(pods, "subresources"), "subresource", "exec");
  g_assert_nonnull(exec);

  g_autoptr(json_t) named = discovery_aggregated(scheme, false, "v2beta1");
  const json_t *apps = json_array_get(json_object_get(named, "items"), 1);
  g_assert_cmpstr(json_str(json_object_get(apps, "metadata"), "name", ""), ==, "apps");
}

/* What the recorded server and this one both serve must look alike. */
static void compare_resource(const json_t *theirs, const json_t *ours)
{
  static const char *const members[] = { "namespaced", "kind", "shortNames" };
  const char *name = json_str(theirs, "name", "");
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
    bool same = json_same(json_object_get(theirs, members[i]), json_object_get(ours, members[i]));
    if (!same)
      g_test_message("%s: %s differs", name, members[i]);
    g_assert_true(same);
  }
}

static void test_recorded(void)
{
  const char *folder = g_getenv("LAUNCHER_REFERENCE");
  g_autofree char *path = g_build_filename(folder ? folder : "", "data", "discovery-1.20.json", NULL);
  if (!folder || !g_file_test(path, G_FILE_TEST_EXISTS)) {
    g_test_skip("no recordings (LAUNCHER_REFERENCE)");
    return;
  }
  g_autoptr(json_t) recorded = json_read_file(path, NULL);
  static const char *const paths[] = { "/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1" };
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    const json_t *theirs = json_at(recorded, "resources", paths[i], "resources", NULL);
    g_auto(GStrv) steps = g_strsplit(paths[i], "/", -1);
    bool core = g_strv_length(steps) == 3;
    g_autoptr(json_t) list = discovery_resource_list(scheme, core ? "" : steps[2], core ? steps[2] : steps[3]);
    size_t n, shared = 0;
    json_t *resource;
    json_array_foreach (theirs, n, resource) {
      const json_t *ours = entry(json_object_get(list, "resources"), "name", json_str(resource, "name", ""));
      if (!ours || !strchr(json_str(resource, "name", ""), '/')) {
        if (ours)
          compare_resource(resource, ours);
        else
          g_test_message("not served: %s", json_str(resource, "name", ""));
      }
      shared += ours != NULL;
    }
    g_assert_cmpuint(shared * 10, >=, json_array_size(theirs) * 8);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/discovery/groups", test_groups);
  g_test_add_func("/discovery/resources", test_resources);
  g_test_add_func("/discovery/aggregated", test_aggregated);
  g_test_add_func("/discovery/recorded", test_recorded);
  int result = g_test_run();
  api_scheme_free(scheme);
  return result;
}

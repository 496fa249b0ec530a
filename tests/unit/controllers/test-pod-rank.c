/* Whom a replica set ends first. Every case: the first of the two pods goes before the second. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/api/object.h"
#include "clusterd/api/scheme.h"
#include "clusterd/controllers/pods/pod_rank.h"

#define NOW_US ((int64_t)1700000000 * G_USEC_PER_SEC)

static ApiScheme *scheme;

static Object *make_pod(const char *name, const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *pod = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  json_object_set_new(json_ensure_object(pod, "metadata", NULL), "name", json_string(name));
  json_t *metadata = json_object_get(pod, "metadata");
  if (!json_object_get(metadata, "uid"))
    json_object_set_new(metadata, "uid", json_string(name));
  return object_new(api_scheme_resource(scheme, "", "v1", "pods"), pod);
}

static void unref_object(void *object)
{
  object_unref(object);
}

/* The name of the one of LEFT and RIGHT that goes first, while MORE (may be NULL) runs for the same deployment. */
static char *first_of(const char *left, const char *right, const char *more)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_autoptr(GPtrArray) related = g_ptr_array_new_with_free_func(unref_object);
  g_ptr_array_add(pods, make_pod("z-left", left));
  g_ptr_array_add(pods, make_pod("a-right", right));
  for (unsigned i = 0; i < pods->len; i++)
    g_ptr_array_add(related, object_ref(g_ptr_array_index(pods, i)));
  if (more)
    g_ptr_array_add(related, make_pod("more", more));
  g_autoptr(GPtrArray) victims = pod_rank_victims(pods, related, 1, NOW_US);
  g_assert_cmpuint(victims->len, ==, 1);
  return g_strdup(object_name(g_ptr_array_index(victims, 0)));
}

#define READY(time) "conditions: [{type: Ready, status: 'True', lastTransitionTime: '" time "'}]"
#define RUNS(time) "spec: {nodeName: n}, status: {phase: Running, " READY(time)
#define NEW "2023-11-14T22:13:10Z" /* ten seconds before NOW_US */
#define NEWER "2023-11-14T22:13:18Z"
#define OLD "2023-11-13T22:13:20Z"
#define COST(text) "metadata: {annotations: {controller.kubernetes.io/pod-deletion-cost: '" text "'}}, "

static const struct {
  const char *what, *first, *second, *more;
} cases[] = {
  { "unassigned", "{spec: {}, status: {phase: Pending}}", "{spec: {nodeName: n}, status: {phase: Pending}}", NULL },
  { "unassigned, though dear", "{" COST("9") "spec: {}}", "{spec: {nodeName: n}, status: {phase: Pending}}", NULL },
  { "pending", "{spec: {nodeName: n}, status: {phase: Pending}}", "{spec: {nodeName: n}, status: {phase: Unknown}}",
    NULL },
  { "unknown", "{spec: {nodeName: n}, status: {phase: Unknown}}", "{spec: {nodeName: n}, status: {phase: Running}}",
    NULL },
  { "not ready", "{spec: {nodeName: n}, status: {phase: Running}}", "{" RUNS(NEW) "}}", NULL },
  { "not ready, though dear", "{" COST("9") "spec: {nodeName: n}, status: {phase: Running}}", "{" RUNS(NEW) "}}",
    NULL },
  { "cheaper", "{" COST("-5") RUNS(OLD) "}}", "{" COST("-4") RUNS(NEWER) "}}", NULL },
  { "cheaper than none", "{" COST("-1") RUNS(OLD) "}}", "{" RUNS(NEWER) "}}", NULL },
  { "a cost that is no number is none", "{" COST("+9") RUNS(NEWER) "}}", "{" COST("1") RUNS(OLD) "}}", NULL },
  { "nor is one of 33 bits", "{" COST("4294967296") RUNS(NEWER) "}}", "{" COST("1") RUNS(OLD) "}}", NULL },
  { "doubled up with another set's pod", "{" RUNS(OLD) "}}",
    "{spec: {nodeName: m}, status: {phase: Running, " READY(NEWER) "}}", "{spec: {nodeName: n}}" },
  { "ready for less time", "{" RUNS(NEWER) "}}", "{" RUNS(NEW) "}}", NULL },
  { "ready for less time, though it restarted less",
    "{" RUNS(NEW) ", containerStatuses: [{name: c, restartCount: 1}]}}",
    "{" RUNS(OLD) ", containerStatuses: [{name: c, restartCount: 2}]}}", NULL },
  { "the container that restarted most", "{" RUNS(OLD) ", containerStatuses: [{name: c, restartCount: 3}]}}",
    "{" RUNS(OLD) ", containerStatuses: [{name: c, restartCount: 2}, {name: d, restartCount: 2}]}}", NULL },
  { "the sidecar that restarted most",
    "{spec: {nodeName: n, initContainers: [{name: s, restartPolicy: Always}]}, status: {phase: Running, " READY(
        OLD) ", initContainerStatuses: [{name: s, restartCount: 1}]}}",
    "{spec: {nodeName: n, initContainers: [{name: i}]}, status: {phase: Running, " READY(
        OLD) ", initContainerStatuses: [{name: i, restartCount: 5}]}}",
    NULL },
  { "younger", "{metadata: {creationTimestamp: '" NEWER "'}, " RUNS(OLD) "}}",
    "{metadata: {creationTimestamp: '" OLD "'}, " RUNS(OLD) "}}", NULL },
  { "of like age, the uid decides", "{metadata: {uid: a}, " RUNS("2023-11-14T21:00:00Z") "}}",
    "{metadata: {uid: b}, " RUNS("2023-11-14T21:00:01Z") "}}", NULL },
};

static void test_order(const void *data)
{
  unsigned i = GPOINTER_TO_UINT(data);
  g_autofree char *name = first_of(cases[i].first, cases[i].second, cases[i].more);
  g_assert_cmpstr(name, ==, "z-left");
}

static void test_count(void)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  for (int i = 0; i < 5; i++) {
    g_autofree char *name = g_strdup_printf("p%d", i);
    g_ptr_array_add(pods, make_pod(name, "{}"));
  }
  g_autoptr(GPtrArray) two = pod_rank_victims(pods, pods, 2, NOW_US), all = pod_rank_victims(pods, pods, 9, NOW_US);
  g_assert_cmpuint(two->len, ==, 2);
  g_assert_cmpuint(all->len, ==, 5);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *path = g_strconcat("/pod-rank/", cases[i].what, NULL);
    g_test_add_data_func(path, GUINT_TO_POINTER(i), test_order);
  }
  g_test_add_func("/pod-rank/count", test_count);
  int status = g_test_run();
  api_scheme_free(scheme);
  return status;
}

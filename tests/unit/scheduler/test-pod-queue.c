#include <glib.h>

#include "base/json.h"
#include "clusterd/scheduler/pod_queue.h"
#include "clusterd/scheduler/resources.h"

#define SECOND_US ((int64_t)G_USEC_PER_SEC)

static Object *make_pod(const char *name, int priority)
{
  static const ApiKind kind = { .group = "", .version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true };
  return object_new(&kind, json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s}, s:{s:i}}", "kind", "Pod", "apiVersion", "v1",
                                     "metadata", "name", name, "namespace", "default", "uid", name, "resourceVersion",
                                     "1", "spec", "priority", priority));
}

static char *take(PodQueue *queue, int64_t now_us, int64_t *next_us)
{
  g_autoptr(Object) pod = pod_queue_take(queue, now_us, next_us);
  return g_strdup(pod ? object_name(pod) : "");
}

#define assert_take(queue, now, name)                                                                                  \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    int64_t next_;                                                                                                     \
    g_autofree char *taken_ = take(queue, now, &next_);                                                                \
    g_assert_cmpstr(taken_, ==, name);                                                                                 \
  }                                                                                                                    \
  G_STMT_END

static void test_order(void)
{
  PodQueue *queue = pod_queue_new();
  g_autoptr(Object) a = make_pod("a", 0), b = make_pod("b", 0), urgent = make_pod("urgent", 1000);
  pod_queue_put(queue, a, false);
  pod_queue_put(queue, b, false);
  pod_queue_put(queue, urgent, false);
  assert_take(queue, 0, "urgent");
  assert_take(queue, 0, "a");
  pod_queue_remove(queue, "b");
  assert_take(queue, 0, "");
  pod_queue_free(queue);
}

static void test_backoff(void)
{
  PodQueue *queue = pod_queue_new();
  g_autoptr(Object) pod = make_pod("a", 0);
  int64_t now_us = 100 * SECOND_US, next_us;
  pod_queue_put(queue, pod, false);
  assert_take(queue, now_us, "a");
  pod_queue_refused(queue, "a", now_us);
  assert_take(queue, now_us + 2 * SECOND_US, "");
  /* Woken after its backoff: at once. */
  pod_queue_wake(queue, now_us + 2 * SECOND_US);
  assert_take(queue, now_us + 2 * SECOND_US, "a");
  /* Woken while it was being placed: after the backoff, now two seconds. */
  pod_queue_wake(queue, now_us + 3 * SECOND_US);
  pod_queue_refused(queue, "a", now_us + 3 * SECOND_US);
  g_autofree char *none = take(queue, now_us + 4 * SECOND_US, &next_us);
  g_assert_cmpstr(none, ==, "");
  g_assert_cmpint(next_us, ==, now_us + 5 * SECOND_US);
  assert_take(queue, now_us + 5 * SECOND_US, "a");
  /* A change of the pod itself does not wait. */
  pod_queue_refused(queue, "a", now_us + 5 * SECOND_US);
  pod_queue_put(queue, pod, true);
  assert_take(queue, now_us + 5 * SECOND_US, "a");
  pod_queue_free(queue);
}

static void test_requests(void)
{
  static const char text[] =
      "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"}}},"
      "{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],"
      "\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}},"
      "{\"resources\":{\"requests\":{\"cpu\":\"2\",\"memory\":\"1Mi\"}}}],\"overhead\":{\"memory\":\"1Mi\"}}}";
  g_autoptr(json_t) pod = json_parse(text, sizeof text - 1, true, NULL);
  Resources resources = resources_of_pod(pod);
  /* The second init container runs beside the sidecar: 2.1 CPUs, more than 1.35 later. */
  g_assert_cmpint(resources_get(&resources, "cpu"), ==, 2100);
  g_assert_cmpint(resources_get(&resources, "memory"), ==, 65 << 20);
  resources_clear(&resources);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pod-queue/order", test_order);
  g_test_add_func("/pod-queue/backoff", test_backoff);
  g_test_add_func("/pod-queue/requests", test_requests);
  return g_test_run();
}

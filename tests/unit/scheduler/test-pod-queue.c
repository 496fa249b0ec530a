/* The order of pods, backoff, and which events bring back whom. */
#include <glib.h>

#include "clusterd/scheduler/cluster_event.h"
#include "clusterd/scheduler/pod_queue.h"
#include "scene.h"

#define SECOND_US ((int64_t)G_USEC_PER_SEC)
#define START_US (100 * SECOND_US)

typedef struct Fixture {
  Scene *scene;
  PodQueue *queue;
} Fixture;

static void set_up(Fixture *fixture, const void *data)
{
  fixture->scene = scene_new();
  fixture->queue = pod_queue_new(fixture->scene->state->tally, SECOND_US, 10 * SECOND_US);
}

static void tear_down(Fixture *fixture, const void *data)
{
  pod_queue_free(fixture->queue);
  scene_free(fixture->scene);
}

static void put(Fixture *fixture, const char *name, const char *spec, bool retry, int64_t now_us)
{
  PodInfo *pod = scene_pod(fixture->scene, name, "a", spec);
  pod_queue_put(fixture->queue, pod, retry, now_us);
  pod_info_unref(fixture->scene->state->tally, pod);
}

static char *take(Fixture *fixture, int64_t now_us, int64_t *next_us)
{
  int64_t unused;
  PodInfo *pod = pod_queue_take(fixture->queue, now_us, next_us ? next_us : &unused);
  char *name = g_strdup(pod ? object_name(pod->object) : "");
  if (pod)
    pod_info_unref(fixture->scene->state->tally, pod);
  return name;
}

static bool always(const PodInfo *pod, unsigned plugins, void *data)
{
  return true;
}

static bool never(const PodInfo *pod, unsigned plugins, void *data)
{
  return false;
}

static void test_order(Fixture *fixture, const void *data)
{
  put(fixture, "a", "priority: 0", false, 0);
  put(fixture, "b", "priority: 0", false, 0);
  put(fixture, "urgent", "priority: 1000", false, 0);
  put(fixture, "late", "priority: -5", false, 0);
  scene_expect(take(fixture, 0, NULL), "urgent");
  scene_expect(take(fixture, 0, NULL), "a");
  pod_queue_remove(fixture->queue, "b");
  scene_expect(take(fixture, 0, NULL), "late");
  scene_expect(take(fixture, 0, NULL), "");
  g_assert_cmpuint(pod_queue_size(fixture->queue), ==, 3);
}

/* 1, 2, 4, 8, 10, 10 … seconds after a failure. */
static void test_backoff(Fixture *fixture, const void *data)
{
  static const int64_t seconds[] = { 1, 2, 4, 8, 10, 10, 10 };
  int64_t now_us = START_US, next_us;
  put(fixture, "a", "", false, now_us);
  for (size_t i = 0; i < G_N_ELEMENTS(seconds); i++) {
    scene_expect(take(fixture, now_us, NULL), "a");
    pod_queue_failed(fixture->queue, "a", now_us);
    scene_expect(take(fixture, now_us + seconds[i] * SECOND_US - 1, &next_us), "");
    g_assert_cmpint(next_us, ==, now_us + seconds[i] * SECOND_US);
    now_us = next_us;
  }
}

static void test_wake(Fixture *fixture, const void *data)
{
  const unsigned fit = 1u << PLUGIN_RESOURCES_FIT, taint = 1u << PLUGIN_TAINT_TOLERATION;
  int64_t now_us = START_US;
  put(fixture, "a", "", false, now_us);
  scene_expect(take(fixture, now_us, NULL), "a");
  pod_queue_refused(fixture->queue, "a", fit, now_us);
  /* Not by time alone, nor by what helps others, nor by what does not help after all. */
  scene_expect(take(fixture, now_us + 200 * SECOND_US, NULL), "");
  pod_queue_wake(fixture->queue, taint, always, NULL, now_us + SECOND_US);
  pod_queue_wake(fixture->queue, fit, never, NULL, now_us + SECOND_US);
  scene_expect(take(fixture, now_us + 200 * SECOND_US, NULL), "");
  /* After its backoff: at once. */
  now_us += 2 * SECOND_US;
  pod_queue_wake(fixture->queue, fit, always, NULL, now_us);
  scene_expect(take(fixture, now_us, NULL), "a");
  /* Within its backoff, now two seconds: when that ends. */
  pod_queue_refused(fixture->queue, "a", fit | taint, now_us);
  pod_queue_wake(fixture->queue, taint, always, NULL, now_us);
  scene_expect(take(fixture, now_us + SECOND_US, NULL), "");
  scene_expect(take(fixture, now_us + 2 * SECOND_US, NULL), "a");
}

static void test_flush(Fixture *fixture, const void *data)
{
  int64_t next_us;
  put(fixture, "a", "", false, START_US);
  scene_expect(take(fixture, START_US, NULL), "a");
  pod_queue_refused(fixture->queue, "a", 1u << PLUGIN_NODE_AFFINITY, START_US);
  scene_expect(take(fixture, START_US + 299 * SECOND_US, &next_us), "");
  g_assert_cmpint(next_us, ==, START_US + 300 * SECOND_US);
  scene_expect(take(fixture, START_US + 300 * SECOND_US, NULL), "a");
}

static void test_own_change(Fixture *fixture, const void *data)
{
  put(fixture, "a", "", false, START_US);
  scene_expect(take(fixture, START_US, NULL), "a");
  pod_queue_refused(fixture->queue, "a", 1u << PLUGIN_NODE_AFFINITY, START_US);
  /* Our own words in its status. */
  put(fixture, "a", "", false, START_US + 5 * SECOND_US);
  scene_expect(take(fixture, START_US + 5 * SECOND_US, NULL), "");
  put(fixture, "a", "tolerations: [{operator: Exists}]", true, START_US + 5 * SECOND_US);
  scene_expect(take(fixture, START_US + 5 * SECOND_US, NULL), "a");
}

/* --- which events may help whom --------------------------------------------------------------------------------- */

#define TERM(sort, app)                                                                                                \
  "affinity: {" sort ": {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, labelSelector: "         \
  "{matchLabels: {app: " app "}}}]}}"
#define LARGE "containers: [{name: c, image: i, resources: {requests: {cpu: '5'}}}]"
#define PORTED "containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 1}]}]"
#define SPREAD                                                                                                         \
  "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: "      \
  "{matchLabels: {app: a}}}]"

static const struct {
  PluginId plugin;
  const char *pod;
  EventType event;
  const char *other_app, *other; /* the other pod of a pod's event */
  bool helps;
} hints[] = {
  { PLUGIN_RESOURCES_FIT, "", EVENT_NODE_ADDED, NULL, NULL, true },
  { PLUGIN_RESOURCES_FIT, LARGE, EVENT_NODE_ADDED, NULL, NULL, false },
  { PLUGIN_RESOURCES_FIT, "", EVENT_NODE_ALLOCATABLE, NULL, NULL, true },
  { PLUGIN_RESOURCES_FIT, "", EVENT_NODE_LABELS, NULL, NULL, false },
  { PLUGIN_RESOURCES_FIT, "", EVENT_POD_REMOVED, "b", "", true },
  { PLUGIN_RESOURCES_FIT, "", EVENT_POD_ADDED, "b", "", false },
  { PLUGIN_NODE_AFFINITY, "nodeSelector: {zone: z}", EVENT_NODE_LABELS, NULL, NULL, true },
  { PLUGIN_NODE_AFFINITY, "nodeSelector: {zone: y}", EVENT_NODE_LABELS, NULL, NULL, false },
  { PLUGIN_NODE_AFFINITY, "nodeSelector: {zone: z}", EVENT_POD_REMOVED, "b", "", false },
  { PLUGIN_TAINT_TOLERATION, "", EVENT_NODE_TAINTS, NULL, NULL, true },
  { PLUGIN_NODE_UNSCHEDULABLE, "", EVENT_NODE_TAINTS, NULL, NULL, true },
  { PLUGIN_NODE_PORTS, PORTED, EVENT_POD_REMOVED, "b", PORTED, true },
  { PLUGIN_NODE_PORTS, PORTED, EVENT_POD_REMOVED, "b", "", false },
  { PLUGIN_POD_AFFINITY, TERM("podAffinity", "b"), EVENT_POD_ADDED, "b", "", true },
  { PLUGIN_POD_AFFINITY, TERM("podAffinity", "b"), EVENT_POD_ADDED, "c", "", false },
  { PLUGIN_POD_AFFINITY, TERM("podAffinity", "b"), EVENT_POD_REMOVED, "b", "", false },
  { PLUGIN_POD_AFFINITY, TERM("podAntiAffinity", "b"), EVENT_POD_REMOVED, "b", "", true },
  { PLUGIN_POD_AFFINITY, TERM("podAntiAffinity", "b"), EVENT_POD_REMOVED, "c", "", false },
  { PLUGIN_POD_AFFINITY, "", EVENT_POD_REMOVED, "c", TERM("podAntiAffinity", "a"), true },
  { PLUGIN_TOPOLOGY_SPREAD, SPREAD, EVENT_POD_REMOVED, "a", "", true },
  { PLUGIN_TOPOLOGY_SPREAD, SPREAD, EVENT_POD_REMOVED, "b", "", false },
  { PLUGIN_TOPOLOGY_SPREAD, SPREAD, EVENT_NODE_ADDED, NULL, NULL, true },
  { PLUGIN_VOLUME_BINDING, "", EVENT_CLASS, NULL, NULL, true },
  { PLUGIN_VOLUME_BINDING, "", EVENT_POD_REMOVED, "b", "", false },
};

static void test_hints(Fixture *fixture, const void *data)
{
  Scene *scene = fixture->scene;
  scene_node(scene, "n", "{zone: z}", "");
  for (size_t i = 0; i < G_N_ELEMENTS(hints); i++) {
    PodInfo *pod = scene_pod(scene, "waiting", "a", hints[i].pod);
    PodInfo *other = hints[i].other ? scene_pod(scene, "other", hints[i].other_app, hints[i].other) : NULL;
    ClusterEvent event = { .types = hints[i].event,
                           .node = hints[i].event <= EVENT_NODE_TAINTS ? cluster_state_node(scene->state, "n") : NULL,
                           .pod = other };
    g_test_message("%s: %s, event %u", plugin_name(hints[i].plugin), hints[i].pod, hints[i].event);
    g_assert_cmpint(cluster_event_helps(scene->state, &event, hints[i].plugin, pod), ==, hints[i].helps);
    pod_info_unref(scene->state->tally, pod);
    if (other)
      pod_info_unref(scene->state->tally, other);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/pod-queue/order", Fixture, NULL, set_up, test_order, tear_down);
  g_test_add("/pod-queue/backoff", Fixture, NULL, set_up, test_backoff, tear_down);
  g_test_add("/pod-queue/wake", Fixture, NULL, set_up, test_wake, tear_down);
  g_test_add("/pod-queue/flush", Fixture, NULL, set_up, test_flush, tear_down);
  g_test_add("/pod-queue/own-change", Fixture, NULL, set_up, test_own_change, tear_down);
  g_test_add("/pod-queue/hints", Fixture, NULL, set_up, test_hints, tear_down);
  return g_test_run();
}

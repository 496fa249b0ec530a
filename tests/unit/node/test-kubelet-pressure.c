/* The kubelet under pressure: numbers are the test's, pods, events and the Node are real. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/json.h"
#include "kubelet_fixture.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define INTERVAL_US 5000

/* What the node looks like. */
typedef struct Numbers {
  GMutex lock;
  Observations seen;
  GHashTable *memory; /* pod's name → bytes its container uses */
  int64_t cache;      /* bytes in every pod's volume "cache" */
  int64_t layer;      /* bytes every pod's container wrote itself */
  int64_t offset_us;  /* of the clock */
  Runtime *runtime;   /* images in it fill image_disk */
  int64_t image_disk; /* 0: SEEN tells */
  Client *client;     /* pods it shows as running use the node's memory; NULL: SEEN tells */
  int64_t looks;
} Numbers;

static Numbers numbers;

static int64_t fake_now(void *data)
{
  g_mutex_lock(&numbers.lock);
  int64_t now = g_get_monotonic_time() + numbers.offset_us;
  g_mutex_unlock(&numbers.lock);
  return now;
}

static int64_t memory_of_pods(Client *client)
{
  g_autoptr(ObjectList) pods = client_list(client, "v1", "pods", "default", NULL, NULL);
  int64_t sum = 0;
  g_mutex_lock(&numbers.lock);
  for (guint i = 0; i < pods->objects->len; i++) {
    const json_t *pod = object_json(pods->objects->pdata[i]);
    const int64_t *memory = g_hash_table_lookup(numbers.memory, json_str(json_object_get(pod, "metadata"), "name", ""));
    bool runs = g_str_equal(json_str(json_object_get(pod, "status"), "phase", ""), "Running");
    sum += runs && memory ? *memory : 0;
  }
  g_mutex_unlock(&numbers.lock);
  return sum;
}

static void fake_look(void *data, Observations *seen)
{
  g_mutex_lock(&numbers.lock);
  *seen = numbers.seen;
  int64_t disk = numbers.image_disk;
  Client *client = numbers.client;
  numbers.looks++;
  g_mutex_unlock(&numbers.lock);
  if (client)
    seen->of[SIGNAL_MEMORY].available = seen->of[SIGNAL_MEMORY].capacity - memory_of_pods(client);
  if (disk == 0)
    return;
  g_autoptr(GPtrArray) images = numbers.runtime->list_images(numbers.runtime, NULL);
  int64_t used = 0;
  for (guint i = 0; i < images->len; i++)
    used += ((ImageStatus *)images->pdata[i])->size_bytes;
  seen->of[SIGNAL_IMAGE_SPACE] = (Observation){ true, disk - used, disk };
}

static void fake_measure(void *data, PodUse *use, bool with_disk)
{
  const char *name = json_str(json_object_get(use->pod, "metadata"), "name", "");
  g_mutex_lock(&numbers.lock);
  const int64_t *memory = g_hash_table_lookup(numbers.memory, name);
  use->known = true;
  use->memory_bytes = memory ? *memory : 0;
  ContainerUse *container = pod_use_add_container(use, "c");
  container->has_memory = true;
  container->has_disk = with_disk;
  container->memory_bytes = use->memory_bytes;
  container->layer.bytes = with_disk ? numbers.layer : 0;
  if (with_disk)
    pod_use_add_volume(use, "cache")->disk.bytes = numbers.cache;
  g_mutex_unlock(&numbers.lock);
}

static const PressureSource source = { NULL, fake_now, fake_look, fake_measure };

/* Sets what is available of a signal; 0: nothing is known of it. */
static void set_available(PressureSignal signal, int64_t available, int64_t capacity)
{
  g_mutex_lock(&numbers.lock);
  numbers.seen.of[signal] = (Observation){ capacity > 0, available, capacity };
  g_mutex_unlock(&numbers.lock);
}

static void set_number(int64_t *number, int64_t value)
{
  g_mutex_lock(&numbers.lock);
  *number = value;
  g_mutex_unlock(&numbers.lock);
}

/* Waits until the node was looked at a few times more. */
static void wait_for_looks(void)
{
  g_mutex_lock(&numbers.lock);
  int64_t wanted = numbers.looks + 4, looks = 0;
  g_mutex_unlock(&numbers.lock);
  while (looks < wanted) {
    g_usleep(INTERVAL_US);
    g_mutex_lock(&numbers.lock);
    looks = numbers.looks;
    g_mutex_unlock(&numbers.lock);
  }
}

static void set_memory(const char *pod, int64_t bytes)
{
  g_mutex_lock(&numbers.lock);
  g_hash_table_replace(numbers.memory, g_strdup(pod), g_memdup2(&bytes, sizeof bytes));
  g_mutex_unlock(&numbers.lock);
}

/* --- the fixture ---------------------------------------------------------------------------------------------------
 */

static void set_up_numbers(Fixture *fixture, gconstpointer data)
{
  static const char *const hard[] = { "memory.available<100Mi", "nodefs.available<10%", "imagefs.available<1%",
                                      "pid.available<100", NULL };
  static const char *const soft[] = { "memory.available<200Mi", NULL };
  static const char *const grace[] = { "memory.available=1m", NULL };
  static const char *const kube[] = { "cpu=100m", "memory=64Mi", NULL };
  PressureFlags flags = { .thresholds = { .hard = hard, .soft = soft, .soft_grace = grace },
                          .transition_seconds = 300,
                          .max_pod_grace_seconds = 7,
                          .image_high = 85,
                          .image_low = 80,
                          .kube_reserved = kube };
  g_autoptr(GError) error = NULL;
  PressureSettings *settings = pressure_settings_new(&flags, &error);
  g_assert_no_error(error);
  settings->interval_us = INTERVAL_US;
  g_mutex_lock(&numbers.lock);
  numbers.seen = (Observations){ 0 };
  numbers.memory = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  numbers.client = NULL;
  numbers.cache = numbers.layer = numbers.offset_us = numbers.image_disk = 0;
  g_mutex_unlock(&numbers.lock);
  set_available(SIGNAL_MEMORY, GIB, 2 * GIB);
  fixture->pressure = settings;
  fixture->pressure_source = &source;
  g_autofree char *folder = g_dir_make_tmp("images-XXXXXX", NULL);
  fixture->image_records = g_build_filename(folder, "image-use.json", NULL);
  set_up(fixture, NULL);
  json_decref(create(fixture, "scheduling.k8s.io/v1", "priorityclasses", NULL,
                     "{metadata: {name: system-node-critical}, value: 2000001000}"));
  numbers.runtime = fixture->runtime;
}

static void tear_down_numbers(Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = g_path_get_dirname(fixture->image_records);
  g_mutex_lock(&numbers.lock);
  numbers.image_disk = 0;
  numbers.client = NULL;
  g_mutex_unlock(&numbers.lock);
  tear_down(fixture, data);
  pressure_settings_free((PressureSettings *)(uintptr_t)fixture->pressure);
  g_hash_table_unref(numbers.memory);
  g_remove(fixture->image_records);
  g_rmdir(folder);
  g_free(fixture->image_records);
}

static char *node_condition(Fixture *fixture, const char *type, const char *member)
{
  g_autoptr(Object) node = client_get(fixture->client, "v1", "nodes", NULL, "n1", NULL);
  const json_t *conditions = json_at(object_json(node), "status", "conditions", NULL);
  return g_strdup(json_str(json_find(conditions, "type", type), member, ""));
}

static bool node_shows(Fixture *fixture, const char *type, const char *status)
{
  g_autofree char *is = node_condition(fixture, type, "status");
  return g_str_equal(is, status);
}

static bool node_says(Fixture *fixture, const char *type, const char *reason, const char *message)
{
  g_autofree char *is_reason = node_condition(fixture, type, "reason");
  g_autofree char *is_message = node_condition(fixture, type, "message");
  return g_str_equal(is_reason, reason) && g_str_equal(is_message, message);
}

static int64_t node_amount(Fixture *fixture, const char *which, const char *resource)
{
  g_autoptr(Object) node = client_get(fixture->client, "v1", "nodes", NULL, "n1", NULL);
  Quantity quantity;
  g_assert_true(
      quantity_parse(json_str(json_at(object_json(node), "status", which, NULL), resource, "?"), &quantity, NULL));
  return quantity_milli(quantity);
}

static void run_pod(Fixture *fixture, const char *name, const char *spec)
{
  g_autofree char *uid = create_pod(fixture, name, spec);
  wait_until(status_is(fixture, name, "phase", "Running"));
}

/* A container that asks for MEMORY. */
#define ASKS(memory) "containers: [{name: c, image: 'test:1', resources: {requests: {memory: " memory "}}}]"

/* --- pods that have to go ------------------------------------------------------------------------------------------
 */

/* The event about POD says which containers used too much. */
static bool evicted_event_names(Fixture *fixture, const char *pod, const char *containers)
{
  g_autoptr(ObjectList) events = client_list(fixture->client, "v1", "events", "default", NULL, NULL);
  for (guint i = 0; i < events->objects->len; i++) {
    const json_t *event = object_json(events->objects->pdata[i]);
    if (g_str_equal(json_str(event, "reason", ""), "Evicted") &&
        g_str_equal(json_str(json_object_get(event, "involvedObject"), "name", ""), pod))
      return g_str_equal(json_str(json_at(event, "metadata", "annotations", NULL), "offending_containers", ""),
                         containers);
  }
  return false;
}

static void test_memory(Fixture *fixture, gconstpointer data)
{
  run_pod(fixture, "modest", ASKS("500Mi"));
  run_pod(fixture, "greedy", ASKS("10Mi"));
  run_pod(fixture, "critical", "priorityClassName: system-node-critical, " ONE);
  set_memory("modest", 100 * MIB);
  set_memory("greedy", 300 * MIB);
  set_memory("critical", GIB);
  set_available(SIGNAL_MEMORY, 50 * MIB, 2 * GIB);
  wait_until(status_is(fixture, "greedy", "phase", "Failed"));
  set_available(SIGNAL_MEMORY, GIB, 2 * GIB);
  g_assert_true(status_is(fixture, "greedy", "reason", "Evicted"));
  static const char message[] = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
                                "Container c was using 300Mi, request is 10Mi, has larger consumption of memory. ";
  g_assert_true(status_is(fixture, "greedy", "message", message));
  g_assert_true(shows_condition(fixture, "greedy", "DisruptionTarget", "True"));
  g_assert_true(shows_condition(fixture, "greedy", "Ready", "False"));
  g_assert_true(status_is(fixture, "critical", "phase", "Running"));
  wait_until(has_event(fixture, "Evicted", message));
  g_assert_true(evicted_event_names(fixture, "greedy", "c"));
  wait_until(has_event(fixture, "EvictionThresholdMet", "Attempting to reclaim memory"));
  wait_until(node_shows(fixture, "MemoryPressure", "True"));
  g_assert_true(node_says(fixture, "MemoryPressure", "KubeletHasInsufficientMemory",
                          "kubelet has insufficient memory available"));
  wait_until(has_event(fixture, "NodeHasInsufficientMemory", "Node n1 status is now: NodeHasInsufficientMemory"));
}

/* One goes at a time, and only as long as it is needed: what it gives back is waited for. */
static void test_one_by_one(Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "p1", "p2", "p3" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    run_pod(fixture, names[i], ONE);
    set_memory(names[i], (600 + (int64_t)i * 70) * MIB);
  }
  fake_runtime_make_stubborn(fixture->runtime, "c"); /* it takes the second it gets */
  g_mutex_lock(&numbers.lock);
  numbers.client = fixture->client;
  g_mutex_unlock(&numbers.lock);
  wait_until(status_is(fixture, "p3", "phase", "Failed"));
  wait_for_looks();
  g_assert_true(status_is(fixture, "p2", "phase", "Running"));
  g_assert_true(status_is(fixture, "p1", "phase", "Running"));
  g_assert_true(node_shows(fixture, "MemoryPressure", "True"));
}

/* A soft threshold waits, and gives more time to end; pressure is shown for some time after its end. */
static void test_soft_and_transition(Fixture *fixture, gconstpointer data)
{
  run_pod(fixture, "p", "terminationGracePeriodSeconds: 30, " ONE);
  set_available(SIGNAL_MEMORY, 150 * MIB, 2 * GIB);
  wait_until(node_shows(fixture, "MemoryPressure", "True"));
  g_assert_true(status_is(fixture, "p", "phase", "Running"));
  set_number(&numbers.offset_us, 61 * G_USEC_PER_SEC);
  wait_until(status_is(fixture, "p", "phase", "Failed"));
  g_assert_true(status_is(fixture, "p", "message",
                          "The node was low on resource: memory. Threshold quantity: 200Mi, available: 150Mi. "));
  set_available(SIGNAL_MEMORY, GIB, 2 * GIB);
  set_number(&numbers.offset_us, 300 * G_USEC_PER_SEC);
  wait_for_looks();
  g_assert_true(node_shows(fixture, "MemoryPressure", "True"));
  set_number(&numbers.offset_us, 400 * G_USEC_PER_SEC);
  wait_until(node_shows(fixture, "MemoryPressure", "False"));
  g_assert_true(
      node_says(fixture, "MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"));
}

static void test_limits(Fixture *fixture, gconstpointer data)
{
  static const char spec[] = "volumes: [{name: cache, emptyDir: {sizeLimit: 1Mi}}], " ONE;
  static const char limited[] =
      "containers: [{name: c, image: 'test:1', resources: {limits: {ephemeral-storage: 2Mi}}}]";
  run_pod(fixture, "volume", spec);
  run_pod(fixture, "limited", limited);
  run_pod(fixture, "free", ONE);
  set_number(&numbers.cache, MIB + 1);
  wait_until(status_is(fixture, "volume", "phase", "Failed"));
  g_assert_true(status_is(fixture, "volume", "reason", "Evicted"));
  g_assert_true(
      status_is(fixture, "volume", "message", "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Mi\". "));
  g_assert_false(shows_condition(fixture, "volume", "DisruptionTarget", "True")); /* its own fault */
  g_assert_true(status_is(fixture, "limited", "phase", "Running"));
  set_number(&numbers.layer, 2 * MIB);
  wait_until(status_is(fixture, "limited", "phase", "Failed"));
  g_assert_true(status_is(fixture, "limited", "message",
                          "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "));
  g_assert_true(status_is(fixture, "free", "phase", "Running"));
  g_assert_true(node_shows(fixture, "DiskPressure", "False"));
}

/* --- pods that may not begin ---------------------------------------------------------------------------------------
 */

static void test_admission(Fixture *fixture, gconstpointer data)
{
  static const char tolerant[] = "tolerations: [{key: node.kubernetes.io/memory-pressure, operator: Exists, effect: "
                                 "NoSchedule}], " ONE;
  run_pod(fixture, "before", "priorityClassName: system-node-critical, " ONE);
  set_available(SIGNAL_MEMORY, 150 * MIB, 2 * GIB);
  wait_until(node_shows(fixture, "MemoryPressure", "True"));
  g_autofree char *uid = create_pod(fixture, "best-effort", ONE);
  wait_until(status_is(fixture, "best-effort", "phase", "Failed"));
  g_assert_true(status_is(fixture, "best-effort", "reason", "Evicted"));
  g_assert_true(
      status_is(fixture, "best-effort", "message", "Pod was rejected: The node had condition: [MemoryPressure]. "));
  g_assert_true(status_is(fixture, "best-effort", "containerStatuses", ""));
  wait_until(has_event(fixture, "Evicted", "The node had condition: [MemoryPressure]. "));
  run_pod(fixture, "burstable", ASKS("10Mi"));
  run_pod(fixture, "tolerant", tolerant);
  set_available(SIGNAL_PROCESSES, 50, 1000);
  wait_until(node_shows(fixture, "PIDPressure", "True"));
  g_assert_true(
      node_says(fixture, "PIDPressure", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"));
  set_available(SIGNAL_PROCESSES, 500, 1000);
  g_autofree char *second = create_pod(fixture, "refused", ASKS("10Mi"));
  wait_until(status_is(fixture, "refused", "message",
                       "Pod was rejected: The node had condition: [MemoryPressure PIDPressure]. "));
  run_pod(fixture, "critical", "priorityClassName: system-node-critical, " ONE);
  /* one that ran before goes on when the kubelet comes back */
  stop_kubelet(fixture);
  start_kubelet(fixture);
  wait_until(node_shows(fixture, "MemoryPressure", "True"));
  g_assert_true(status_is(fixture, "before", "phase", "Running"));
}

/* Who is bound here without the scheduler has to fit all the same; two cannot have the same room. */
static void test_fit(Fixture *fixture, gconstpointer data)
{
  int64_t cpu = node_amount(fixture, "allocatable", "cpu");
  g_autofree char *large =
      g_strdup_printf("containers: [{name: c, image: 'test:1', resources: {requests: {cpu: %dm}}}]", (int)cpu - 10);
  g_autofree char *wanted =
      g_strdup_printf("Pod was rejected: Node didn't have enough resource: cpu, requested: %d, used: %d, capacity: %d",
                      (int)cpu - 10, (int)cpu - 10, (int)cpu);
  static const char *const names[] = { "p1", "p2" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    g_free(create_pod(fixture, names[i], large));
  wait_until(!status_is(fixture, "p1", "phase", "Pending") && !status_is(fixture, "p2", "phase", "Pending"));
  bool first = status_is(fixture, "p1", "phase", "Running");
  const char *refused = first ? "p2" : "p1";
  g_assert_true(status_is(fixture, first ? "p1" : "p2", "phase", "Running"));
  g_assert_true(status_is(fixture, refused, "phase", "Failed"));
  g_assert_true(status_is(fixture, refused, "reason", "OutOfcpu"));
  g_assert_true(status_is(fixture, refused, "message", wanted));
  wait_until(has_event(fixture, "OutOfcpu", wanted + strlen("Pod was rejected: ")));
  /* what has begun is not asked again */
  stop_kubelet(fixture);
  start_kubelet(fixture);
  wait_until(status_is(fixture, first ? "p1" : "p2", "phase", "Running"));
  run_pod(fixture, "critical",
          "priorityClassName: system-node-critical, containers: [{name: c, image: 'test:1', "
          "resources: {requests: {cpu: 20m}}}]");
  /* and what ends makes room */
  delete_pod(fixture, first ? "p1" : "p2", -1);
  wait_until(!exists(fixture, first ? "p1" : "p2"));
  run_pod(fixture, "p3", "containers: [{name: c, image: 'test:1', resources: {requests: {cpu: 20m}}}]");
}

/* --- images and containers -----------------------------------------------------------------------------------------
 */

static bool stored_is(Fixture *fixture, const char *ids)
{
  g_autofree char *stored = fake_runtime_stored(fixture->runtime);
  return g_str_equal(stored, ids);
}

/* When images were used before the kubelet began. */
static const char image_use[] = "{\"version\": 1, \"images\": {\"old\": {\"found\": 1, \"used\": 10}, \"older\": "
                                "{\"found\": 2, \"used\": 5}, \"recent\": {\"found\": 3, \"used\": 20}}}";

/* The disk images are on fills: those that lie unused longest go, down to the lower threshold. */
static void test_images(Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *id;
    int64_t size;
    bool pinned;
  } images[] = { { "recent", 10 * MIB, false },
                 { "old", 10 * MIB, false },
                 { "older", 10 * MIB, false },
                 { "preloaded", 10 * MIB, true },
                 { "sha256:1234", 49 * MIB, false } };
  run_pod(fixture, "p", ONE);
  stop_kubelet(fixture);
  g_assert_true(g_file_set_contents(fixture->image_records, image_use, -1, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS(images); i++)
    fake_runtime_store_image(fixture->runtime, images[i].id, images[i].size, images[i].pinned);
  set_number(&numbers.image_disk, 101 * MIB); /* 89 of 101 are used, 80 may be */
  start_kubelet(fixture);
  wait_until(stored_is(fixture, "recent old preloaded sha256:1234"));
  /* what is unused does not do: the rest is told, and no pod is touched yet */
  set_number(&numbers.image_disk, 80 * MIB);
  set_number(&numbers.offset_us, 301 * G_USEC_PER_SEC);
  wait_until(stored_is(fixture, "preloaded sha256:1234"));
  fake_runtime_store_image(fixture->runtime, "pinned", 17 * MIB, true);
  set_number(&numbers.offset_us, 602 * G_USEC_PER_SEC);
  wait_until(has_event(fixture, "FreeDiskSpaceFailed",
                       "Failed to garbage collect required amount of images. Attempted to free 12582912 bytes, but "
                       "only found 0 bytes eligible to free."));
  set_number(&numbers.offset_us, 903 * G_USEC_PER_SEC);
  wait_until(has_event(fixture, "ImageGCFailed", "Attempted to free 12582912 bytes"));
  g_assert_true(stored_is(fixture, "preloaded sha256:1234 pinned"));
}

/* Under disk pressure what nobody needs goes first, and only then a pod. */
static void test_disk(Fixture *fixture, gconstpointer data)
{
  run_pod(fixture, "p", ONE);
  g_autofree char *over = create_pod(fixture, "over", "restartPolicy: Never, " ONE);
  wait_until(status_is(fixture, "over", "phase", "Running"));
  g_assert_true(fake_runtime_exit(fixture->runtime, over, "c", 0));
  wait_until(status_is(fixture, "over", "phase", "Succeeded"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 2);
  fake_runtime_store_image(fixture->runtime, "unused", MIB, false);
  set_available(SIGNAL_NODE_SPACE, 5 * MIB, 100 * MIB);
  wait_until(node_shows(fixture, "DiskPressure", "True"));
  g_assert_true(node_says(fixture, "DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure"));
  wait_until(status_is(fixture, "p", "phase", "Failed"));
  g_assert_true(stored_is(fixture, ""));
  g_assert_true(
      status_is(fixture, "p", "message",
                "The node was low on resource: ephemeral-storage. Threshold quantity: 10Mi, available: 5Mi. "));
  set_available(SIGNAL_NODE_SPACE, 50 * MIB, 100 * MIB);
  /* the pod that was over had its containers removed, and keeps its status */
  g_assert_true(status_is(fixture, "over", "containerStatuses.0.state.terminated.exitCode", "0"));
  delete_pod(fixture, "over", -1);
  wait_until(!exists(fixture, "over"));
  wait_until(has_event(fixture, "NodeHasDiskPressure", "Node n1 status is now: NodeHasDiskPressure"));
}

/* --- the Node ------------------------------------------------------------------------------------------------------
 */

static void test_node(Fixture *fixture, gconstpointer data)
{
  static const char *const events[] = { "NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID",
                                        "NodeReady" };
  wait_until(has_event(fixture, "Starting", "Starting kubelet."));
  for (gsize i = 0; i < G_N_ELEMENTS(events); i++) {
    g_autofree char *text = g_strdup_printf("Node n1 status is now: %s", events[i]);
    wait_until(has_event(fixture, events[i], text));
  }
  g_assert_cmpint(node_amount(fixture, "capacity", "cpu") - node_amount(fixture, "allocatable", "cpu"), ==, 100);
  g_assert_cmpint(node_amount(fixture, "capacity", "memory") - node_amount(fixture, "allocatable", "memory"), >=,
                  (64 + 100) * MIB * 1000); /* and huge pages, where there are any */
  g_assert_cmpint(node_amount(fixture, "allocatable", "ephemeral-storage"), <,
                  node_amount(fixture, "capacity", "ephemeral-storage"));
  g_assert_cmpint(node_amount(fixture, "allocatable", "pods"), ==, 110 * 1000);
  /* a container without a limit may have what pods may have */
  run_pod(fixture, "p",
          "containers: [{name: c, image: 'test:1', env: [{name: M, valueFrom: {resourceFieldRef: "
          "{resource: limits.memory}}}, {name: C, valueFrom: {resourceFieldRef: {resource: limits.cpu, "
          "divisor: 1m}}}]}]");
  g_autofree char *memory =
      g_strdup_printf("M=%" G_GINT64_FORMAT, node_amount(fixture, "allocatable", "memory") / 1000);
  g_autofree char *cpu = g_strdup_printf("C=%" G_GINT64_FORMAT, node_amount(fixture, "allocatable", "cpu"));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "c", memory));
  g_assert_true(fake_runtime_has_env(fixture->runtime, "c", cpu));
}

static bool add_dongles(json_t *value, void *data)
{
  json_object_set_new(json_ensure_object(value, "status", "capacity", NULL), "example.com/dongle", json_string("4"));
  return true;
}

static bool may_have_dongles(Fixture *fixture)
{
  g_autoptr(Object) node = client_get(fixture->client, "v1", "nodes", NULL, "n1", NULL);
  const json_t *status = json_object_get(object_json(node), "status");
  return g_str_equal(json_str(json_object_get(status, "capacity"), "example.com/dongle", ""), "4") &&
         g_str_equal(json_str(json_object_get(status, "allocatable"), "example.com/dongle", ""), "4");
}

/* What somebody says the node has, pods may ask for, and it stays. */
static void test_extended(Fixture *fixture, gconstpointer data)
{
  g_autoptr(Object) node = client_modify(fixture->client, "v1", "nodes", NULL, "n1", "status", add_dongles, NULL, NULL);
  g_assert_nonnull(node);
  wait_until(may_have_dongles(fixture));
  stop_kubelet(fixture);
  start_kubelet(fixture);
  g_assert_true(may_have_dongles(fixture));
}

static bool set_boot(json_t *value, void *data)
{
  json_object_set_new(json_ensure_object(value, "status", "nodeInfo", NULL), "bootID", json_string("another"));
  return true;
}

static void test_rebooted(Fixture *fixture, gconstpointer data)
{
  g_autofree char *boot = NULL;
  g_assert_true(g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL));
  g_autofree char *text = g_strdup_printf("Node n1 has been rebooted, boot id: %s", g_strchomp(boot));
  stop_kubelet(fixture);
  start_kubelet(fixture);
  stop_kubelet(fixture);
  g_assert_false(has_event(fixture, "Rebooted", ""));
  g_autoptr(Object) node = client_modify(fixture->client, "v1", "nodes", NULL, "n1", "status", set_boot, NULL, NULL);
  g_assert_nonnull(node);
  start_kubelet(fixture);
  wait_until(has_event(fixture, "Rebooted", text));
}

/* The largest images, each with few names. */
static void test_node_images(Fixture *fixture, gconstpointer data)
{
  for (int i = 0; i < 60; i++) {
    g_autofree char *id = g_strdup_printf("image-%d", i);
    fake_runtime_store_image(fixture->runtime, id, i * MIB, false);
  }
  stop_kubelet(fixture);
  start_kubelet(fixture);
  g_autoptr(Object) node = client_get(fixture->client, "v1", "nodes", NULL, "n1", NULL);
  const json_t *images = json_at(object_json(node), "status", "images", NULL);
  g_assert_cmpuint(json_array_size(images), ==, 50);
  g_assert_cmpint(json_int(json_array_get(images, 0), "sizeBytes", 0), ==, 59 * MIB);
  g_assert_cmpint(json_int(json_array_get(images, 49), "sizeBytes", 0), ==, 10 * MIB);
}

/* What lies about from pods that went while the kubelet was away. */
static void test_left_behind(Fixture *fixture, gconstpointer data)
{
  run_pod(fixture, "p", ONE);
  stop_kubelet(fixture);
  g_autofree char *logs = g_build_filename(fixture->logs, "default_gone_6f2c", NULL);
  g_autofree char *folder = g_build_filename(fixture->pods, "6f2c", "volumes", "empty-dir", "v", NULL);
  g_assert_cmpint(g_mkdir_with_parents(logs, 0755), ==, 0);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
  start_kubelet(fixture);
  g_autofree char *pod = g_build_filename(fixture->pods, "6f2c", NULL);
  g_assert_false(g_file_test(logs, G_FILE_TEST_EXISTS));
  g_assert_false(g_file_test(pod, G_FILE_TEST_EXISTS));
  g_assert_true(status_is(fixture, "p", "phase", "Running"));
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Fixture *fixture, gconstpointer data);
  } tests[] = { { "memory", test_memory },
                { "one-by-one", test_one_by_one },
                { "soft-and-transition", test_soft_and_transition },
                { "limits", test_limits },
                { "admission", test_admission },
                { "fit", test_fit },
                { "images", test_images },
                { "disk", test_disk },
                { "node", test_node },
                { "rebooted", test_rebooted },
                { "extended", test_extended },
                { "node-images", test_node_images },
                { "left-behind", test_left_behind } };
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* that there is nothing to remove is a warning */
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/kubelet-pressure/%s", tests[i].name);
    g_test_add(path, Fixture, NULL, set_up_numbers, tests[i].run, tear_down_numbers);
  }
  return g_test_run();
}

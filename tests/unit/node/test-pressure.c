/* The kubelet's thresholds, who has to go first and what is said about it: numbers in, texts out. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "clusterd/node/machine.h"
#include "clusterd/node/pod/pod_fit.h"
#include "clusterd/node/pressure/image_records.h"
#include "clusterd/node/pressure/pod_use.h"
#include "clusterd/node/pressure/pressure_settings.h"
#include "clusterd/node/pressure/pressure_source.h"
#include "clusterd/node/pressure/pressure_state.h"
#include "clusterd/node/pressure/reservation.h"
#include "clusterd/node/runtime.h"
#include "clusterd/node/status/node_resources.h"

#define MIB (INT64_C(1) << 20)
#define SECOND INT64_C(1000000)

static json_t *yaml(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return value;
}

/* A list out of "a b c". */
static char **words(const char *text)
{
  return text ? g_strsplit(text, " ", -1) : NULL;
}

static GArray *parse(const char *hard, const char *soft, const char *grace, const char *reclaim, GError **error)
{
  char **lists[] = { words(hard), words(soft), words(grace), words(reclaim) };
  ThresholdTexts texts = { (const char *const *)lists[0], (const char *const *)lists[1], (const char *const *)lists[2],
                           (const char *const *)lists[3] };
  GArray *thresholds = thresholds_parse(&texts, error);
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
    g_strfreev(lists[i]);
  return thresholds;
}

/* --- thresholds ----------------------------------------------------------------------------------------------------
 */

static void test_thresholds(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) all = parse(
      "memory.available<100Mi nodefs.available<10% pid.available<0%", "nodefs.inodesFree<5% imagefs.available<2Gi",
      "nodefs.inodesFree=1m30s imagefs.available=1.5h", "nodefs.available=500Mi memory.available=5%", &error);
  static const struct {
    PressureSignal signal;
    int64_t grace_us, quantity, reclaim;
  } wanted[] = { { SIGNAL_MEMORY, 0, 100 * MIB, 50 * MIB },
                 { SIGNAL_NODE_SPACE, 0, 100 * MIB, 500 * MIB },
                 { SIGNAL_ALLOCATABLE_MEMORY, 0, 100 * MIB, 0 },
                 { SIGNAL_NODE_INODES, 90 * SECOND, 50 * MIB, 0 },
                 { SIGNAL_IMAGE_SPACE, 5400 * SECOND, 2048 * MIB, 0 } };
  g_assert_no_error(error);
  g_assert_cmpuint(all->len, ==, G_N_ELEMENTS(wanted));
  for (guint i = 0; i < all->len; i++) {
    const Threshold *one = &g_array_index(all, Threshold, i);
    g_assert_cmpint(one->signal, ==, wanted[i].signal);
    g_assert_cmpint(one->grace_us, ==, wanted[i].grace_us);
    /* the float of upstream is seen in parts of a large capacity */
    g_assert_cmpint(ABS(quantity_value(threshold_quantity(&one->value, 1000 * MIB)) - wanted[i].quantity), <, 100);
    g_assert_cmpint(ABS(quantity_value(threshold_quantity(&one->reclaim, 1000 * MIB)) - wanted[i].reclaim), <, 100);
  }
  ThresholdAmount tenth = { .part = 0.1f };
  g_autofree char *text = quantity_text(threshold_quantity(&tenth, INT64_C(105085378560)));
  g_assert_cmpstr(text, ==, "10508538012"); /* as upstream, whose tenth is a little more than one */
  g_autoptr(GArray) none = parse(NULL, NULL, NULL, NULL, &error);
  g_assert_cmpuint(none->len, ==, 0);
}

static void test_refused(void)
{
  static const struct {
    const char *hard, *soft, *grace, *reclaim, *message;
  } rows[] = {
    { "memory<1Gi", NULL, NULL, NULL, "--eviction-hard: unsupported eviction signal memory" },
    { "memory.available=1Gi", NULL, NULL, NULL, "malformed pair" },
    { "memory.available<-1Mi", NULL, NULL, NULL, "eviction threshold memory.available must be positive: -1Mi" },
    { "memory.available<0", NULL, NULL, NULL, "must be positive" },
    { "memory.available<x", NULL, NULL, NULL, "quantities must match the regular expression" },
    { "memory.available<-5%", NULL, NULL, NULL, "eviction percentage threshold memory.available must be >= 0%: -5%" },
    { "memory.available<120%", NULL, NULL, NULL,
      "eviction percentage threshold memory.available must be <= 100%: 120%" },
    { "memory.available<%", NULL, NULL, NULL, "is no percentage" },
    { "memory.available<1Gi memory.available<2Gi", NULL, NULL, NULL, "given twice" },
    { NULL, "memory.available<1Gi", NULL, NULL,
      "grace period must be specified for the soft eviction threshold memory.available" },
    { NULL, "memory.available<1Gi", "memory.available=-1s", NULL, "invalid eviction grace period specified: -1s" },
    { NULL, "memory.available<1Gi", "memory.available=1000h", NULL, "at most 24h" },
    { NULL, "memory.available<1Gi", "memory.available=", NULL, "invalid eviction grace period" },
    { "memory.available<1Gi", NULL, NULL, "memory.available=-1Mi",
      "negative eviction minimum reclaim specified for memory.available" },
    { "memory.available<1Gi", NULL, NULL, "memory.available=0%",
      "eviction percentage minimum reclaim memory.available must be positive: 0%" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) none = parse(rows[i].hard, rows[i].soft, rows[i].grace, rows[i].reclaim, &error);
    g_assert_null(none);
    g_assert_true(reason_is(error, REASON_CONFIG));
    if (!strstr(error->message, rows[i].message))
      g_error("\"%s\" is not in \"%s\"", rows[i].message, error->message);
  }
}

static void test_settings(void)
{
  static const struct {
    int64_t high, low, minimum, maximum;
    const char *reserved, *message;
  } rows[] = { { 85, 80, 120, 0, "cpu=100m memory=1Gi", NULL },
               { 100, 80, 120, 600, NULL, NULL },
               { 80, 80, 120, 0, NULL, "--image-gc-low-threshold" },
               { 101, 80, 120, 0, NULL, "--image-gc-low-threshold" },
               { 85, 80, 120, 60, NULL, "--maximum-image-ttl-duration" },
               { 85, 80, 120, 0, "gpu=1", "--kube-reserved: cannot reserve \"gpu\" resource" },
               { 85, 80, 120, 0, "cpu", "malformed pair \"cpu\"" },
               { 85, 80, 120, 0, "cpu=-1", "resource quantity for \"cpu\" cannot be negative: -1" },
               { 85, 80, 120, 0, "cpu=x", "failed to parse quantity \"x\" for \"cpu\" resource" } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) reserved = words(rows[i].reserved);
    PressureFlags flags = { .image_high = rows[i].high,
                            .image_low = rows[i].low,
                            .image_minimum_seconds = rows[i].minimum,
                            .image_maximum_seconds = rows[i].maximum,
                            .kube_reserved = (const char *const *)reserved };
    g_autoptr(PressureSettings) settings = pressure_settings_new(&flags, &error);
    g_assert_true(!settings == !!rows[i].message);
    if (error && !strstr(error->message, rows[i].message))
      g_error("\"%s\" is not in \"%s\"", rows[i].message, error->message);
  }
}

/* --- over time -----------------------------------------------------------------------------------------------------
 */

static Observations memory_of(int64_t available)
{
  Observations seen = { 0 };
  seen.of[SIGNAL_MEMORY] = (Observation){ true, available, 1000 * MIB };
  return seen;
}

static void test_hard(void)
{
  g_autoptr(PressureState) state =
      pressure_state_new(parse("memory.available<100Mi", NULL, NULL, "memory.available=50Mi", NULL), 300 * SECOND);
  Observations enough = memory_of(100 * MIB), low = memory_of(100 * MIB - 1), more = memory_of(149 * MIB),
               plenty = memory_of(150 * MIB), unknown = { 0 };
  g_assert_cmpuint(pressure_state_update(state, &unknown, 0), ==, 0);
  g_assert_cmpuint(pressure_state_update(state, &enough, 0), ==, 0);
  g_assert_null(pressure_state_worst(state));
  g_assert_cmpint(pressure_state_deadline_us(state), ==, INT64_MAX);
  g_assert_cmpuint(pressure_state_update(state, &low, 10), ==, 1u << PRESSURE_MEMORY);
  g_assert_cmpint(pressure_state_worst(state)->signal, ==, SIGNAL_MEMORY);
  /* no longer below the threshold, but not as much above it as there has to be */
  g_assert_true(pressure_state_short(state, &more));
  g_assert_cmpuint(pressure_state_update(state, &more, 20), ==, 1u << PRESSURE_MEMORY);
  g_assert_nonnull(pressure_state_worst(state));
  g_assert_false(pressure_state_short(state, &plenty));
  /* over, and shown for the transition's time */
  g_assert_cmpuint(pressure_state_update(state, &plenty, 30), ==, 1u << PRESSURE_MEMORY);
  g_assert_null(pressure_state_worst(state));
  g_assert_cmpint(pressure_state_deadline_us(state), ==, 20 + 300 * SECOND);
  g_assert_cmpuint(pressure_state_update(state, &plenty, 19 + 300 * SECOND), ==, 1u << PRESSURE_MEMORY);
  g_assert_cmpuint(pressure_state_update(state, &plenty, 20 + 300 * SECOND), ==, 0);
  g_assert_cmpint(pressure_state_deadline_us(state), ==, INT64_MAX);
  /* what had to be above the threshold has to be so no more */
  g_assert_cmpuint(pressure_state_update(state, &more, 21 + 300 * SECOND), ==, 0);
}

static void test_soft(void)
{
  g_autoptr(PressureState) state =
      pressure_state_new(parse("pid.available<10", "memory.available<300Mi", "memory.available=90s", NULL, NULL), 0);
  Observations low = memory_of(200 * MIB), enough = memory_of(400 * MIB), both = low;
  both.of[SIGNAL_PROCESSES] = (Observation){ true, 5, 100 };
  g_assert_cmpuint(pressure_state_update(state, &low, 0), ==, 1u << PRESSURE_MEMORY);
  g_assert_null(pressure_state_worst(state));
  g_assert_cmpint(pressure_state_deadline_us(state), ==, 90 * SECOND);
  g_assert_cmpuint(pressure_state_update(state, &enough, 50 * SECOND), ==, 0); /* its time begins anew */
  pressure_state_update(state, &low, 60 * SECOND);
  pressure_state_update(state, &low, 149 * SECOND);
  g_assert_null(pressure_state_worst(state));
  g_assert_cmpuint(pressure_state_update(state, &both, 150 * SECOND), ==,
                   1u << PRESSURE_MEMORY | 1u << PRESSURE_PROCESSES);
  g_assert_cmpint(pressure_state_worst(state)->grace_us, ==, 90 * SECOND); /* memory comes first */
  g_assert_cmpint(pressure_state_told(state, "pids", &both)->signal, ==, SIGNAL_PROCESSES);
  g_assert_null(pressure_state_told(state, "inodes", &both));
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

/* What a pod of one container asks for and uses. */
typedef struct Row {
  const char *name;
  int64_t priority, request, memory, processes; /* MiB; MEMORY -1: nothing is known */
} Row;

static PodUse *use_of(const Row *row)
{
  g_autofree char *text = g_strdup_printf(
      "{metadata: {name: %s}, spec: {priority: %d, containers: [{name: c, resources: {requests: {memory: %dMi, "
      "ephemeral-storage: %dMi}}}]}}",
      row->name, (int)row->priority, (int)row->request, (int)row->request);
  g_autoptr(json_t) pod = yaml(text);
  PodUse *use = pod_use_new(pod);
  use->known = row->memory >= 0;
  use->memory_bytes = row->memory * MIB;
  use->processes = row->processes;
  if (use->known)
    pod_use_add_container(use, "c")->layer.bytes = row->memory * MIB;
  return use;
}

static void check_order(PressureSignal signal, const Row *rows, gsize n, const char *wanted)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func((GDestroyNotify)pod_use_free);
  g_autoptr(GString) order = g_string_new(NULL);
  for (gsize i = 0; i < n; i++)
    g_ptr_array_add(pods, use_of(&rows[i]));
  pod_use_rank(pods, signal, false);
  for (guint i = 0; i < pods->len; i++)
    g_string_append_printf(order, "%s%s", i > 0 ? " " : "",
                           json_str(json_object_get(((PodUse *)pods->pdata[i])->pod, "metadata"), "name", ""));
  g_assert_cmpstr(order->str, ==, wanted);
}

static void test_rank(void)
{
  static const Row rows[] = {
    { "within", 0, 500, 400, 1 },   { "above", 0, 100, 300, 9 },     { "far-above", 0, 100, 500, 2 },
    { "important", 10, 0, 900, 5 }, { "unimportant", -1, 0, 10, 5 }, { "idle", -1, 500, 0, 0 },
  };
  check_order(SIGNAL_MEMORY, rows, G_N_ELEMENTS(rows), "unimportant far-above above important idle within");
  check_order(SIGNAL_ALLOCATABLE_MEMORY, rows, G_N_ELEMENTS(rows), "unimportant far-above above important idle within");
  check_order(SIGNAL_NODE_SPACE, rows, G_N_ELEMENTS(rows), "unimportant far-above above important idle within");
  check_order(SIGNAL_PROCESSES, rows, G_N_ELEMENTS(rows), "unimportant idle above far-above within important");
  static const Row unknown[] = { { "known", 0, 0, 100, 0 }, { "unknown", 5, 0, -1, 0 } };
  check_order(SIGNAL_MEMORY, unknown, G_N_ELEMENTS(unknown), "unknown known");
}

/* Each place counts for the file system it lies on. */
static void test_rank_places(void)
{
  g_autoptr(json_t) pod = yaml("{spec: {containers: [{name: c}]}}");
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func((GDestroyNotify)pod_use_free);
  PodUse *layers = pod_use_new(pod), *volumes = pod_use_new(pod);
  layers->known = volumes->known = true;
  pod_use_add_container(layers, "c")->layer = (DiskUse){ 100, 1 };
  pod_use_add_container(volumes, "c")->logs = (DiskUse){ 10, 4 };
  pod_use_add_volume(volumes, "v")->disk = (DiskUse){ 20, 4 };
  g_ptr_array_add(pods, volumes);
  g_ptr_array_add(pods, layers);
  const struct {
    PressureSignal signal;
    bool apart;
    const PodUse *first;
  } rows[] = { { SIGNAL_NODE_SPACE, false, layers },
               { SIGNAL_NODE_SPACE, true, volumes },
               { SIGNAL_IMAGE_SPACE, true, layers },
               { SIGNAL_NODE_INODES, false, volumes },
               { SIGNAL_IMAGE_INODES, true, layers } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    pod_use_rank(pods, rows[i].signal, rows[i].apart);
    g_assert_true(pods->pdata[0] == rows[i].first);
  }
}

static void test_asked(void)
{
  static const struct {
    const char *spec, *requests;
    bool given;
  } rows[] = {
    { "{containers: [{name: c}]}", "0", false },
    { "{containers: [{resources: {requests: {memory: 1Gi}}}, {resources: {requests: {memory: 512Mi}}}]}", "1536Mi",
      true },
    { "{containers: [{resources: {requests: {memory: 1Gi}}}], initContainers: [{resources: {requests: {memory: "
      "3Gi}}}]}",
      "3Gi", true },
    { "{containers: [{resources: {requests: {memory: 1Gi}}}], initContainers: [{restartPolicy: Always, resources: "
      "{requests: {memory: 1Gi}}}, {resources: {requests: {memory: 1500Mi}}}]}",
      "2524Mi", true },
    { "{overhead: {memory: 24Mi}, containers: [{resources: {requests: {memory: 1000Mi}}}]}", "1Gi", true },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = g_strdup_printf("{spec: %s}", rows[i].spec);
    g_autoptr(json_t) pod = yaml(text);
    bool given;
    g_autofree char *asked = quantity_text(pod_use_asked(pod, "requests", "memory", &given));
    g_assert_cmpstr(asked, ==, rows[i].requests);
    g_assert_true(given == rows[i].given);
  }
}

static void test_critical(void)
{
  static const struct {
    const char *pod;
    bool critical;
  } rows[] = { { "{spec: {priority: 2000000000}}", true },
               { "{spec: {priority: 1999999999}}", false },
               { "{spec: {}}", false },
               { "{metadata: {annotations: {kubernetes.io/config.source: file}}}", true },
               { "{metadata: {annotations: {kubernetes.io/config.source: api}}}", false },
               { "{metadata: {annotations: {kubernetes.io/config.mirror: x}}}", true } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(json_t) pod = yaml(rows[i].pod);
    g_assert_true(pod_use_is_critical(pod) == rows[i].critical);
  }
}

static void test_messages(void)
{
  g_autoptr(json_t) pod = yaml("{spec: {containers: [{name: a, resources: {requests: {memory: 10Mi}}}, {name: b}, "
                               "{name: small, resources: {requests: {memory: 1Gi}}}]}}");
  g_autoptr(PodUse) use = pod_use_new(pod);
  use->known = true;
  ContainerUse *first = pod_use_add_container(use, "a");
  first->has_memory = first->has_disk = true;
  first->memory_bytes = 20 * MIB;
  first->layer.bytes = first->logs.bytes = MIB;
  ContainerUse *second = pod_use_add_container(use, "b");
  second->has_memory = true;
  second->memory_bytes = 4096;
  ContainerUse *third = pod_use_add_container(use, "small");
  third->has_memory = true;
  third->memory_bytes = MIB;
  g_autoptr(GArray) thresholds =
      parse("memory.available<100Mi nodefs.inodesFree<5% nodefs.available<10%", NULL, NULL, NULL, NULL);
  Observations seen = memory_of(50 * MIB);
  seen.of[SIGNAL_NODE_INODES] = (Observation){ true, 1234, 100000 };
  seen.of[SIGNAL_NODE_SPACE] = (Observation){ true, 1024 * MIB, 20480 * MIB };
  const Threshold *memory = &g_array_index(thresholds, Threshold, 0), *inodes = memory + 1, *space = memory + 2;
  static const char *const low = "The node was low on resource: ";
  const struct {
    const char *resource;
    const Threshold *told;
    const char *text;
  } rows[] = {
    { "memory", memory,
      "memory. Threshold quantity: 100Mi, available: 50Mi. Container a was using 20Mi, request is 10Mi, has larger "
      "consumption of memory. Container b was using 4Ki, request is 0, has larger consumption of memory. " },
    { "inodes", inodes, "inodes. Threshold quantity: 5000, available: 1234. " },
    { "ephemeral-storage", space,
      "ephemeral-storage. Threshold quantity: 2147483680, available: 1Gi. Container a was using 2Mi, request is 0, has "
      "larger consumption of ephemeral-storage. " },
    { "pids", NULL, "pids. " },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = pod_use_message(use, rows[i].resource, rows[i].told, &seen);
    g_assert_true(g_str_has_prefix(text, low));
    g_assert_cmpstr(text + strlen(low), ==, rows[i].text);
  }
  g_autoptr(json_t) annotations = pod_use_annotations(use, "memory");
  g_assert_cmpstr(json_str(annotations, "offending_containers", ""), ==, "a,b");
  g_assert_cmpstr(json_str(annotations, "offending_containers_usage", ""), ==, "20Mi,4Ki");
  g_assert_cmpstr(json_str(annotations, "starved_resource", ""), ==, "memory");
}

static void test_limits(void)
{
  static const char *const volume = "volumes: [{name: cache, emptyDir: {sizeLimit: 1Mi}}, {name: ram, emptyDir: "
                                    "{medium: Memory, sizeLimit: 1Mi}}, {name: free, emptyDir: {}}]";
  static const char *const limit = "resources: {limits: {ephemeral-storage: 2Mi}}";
  static const struct {
    bool volume, limit;
    int64_t cache, layer, logs; /* bytes */
    bool apart;
    const char *message;
  } rows[] = {
    { false, false, 100 * MIB, 0, 0, false, NULL },
    { true, false, MIB, 100 * MIB, 0, false, NULL },
    { true, false, MIB + 1, 0, 0, false, "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Mi\". " },
    { false, true, MIB, MIB / 2, MIB / 2, false, NULL },
    { false, true, MIB, MIB / 2, MIB / 2 + 1, false,
      "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. " },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text =
        g_strdup_printf("{spec: {%s, containers: [{name: c, %s}]}}", rows[i].volume ? volume : "volumes: []",
                        rows[i].limit ? limit : "image: x");
    g_autoptr(json_t) pod = yaml(text);
    g_autoptr(PodUse) use = pod_use_new(pod);
    use->known = true;
    ContainerUse *container = pod_use_add_container(use, "c");
    container->layer.bytes = rows[i].layer;
    container->logs.bytes = rows[i].logs;
    pod_use_add_volume(use, "cache")->disk.bytes = rows[i].cache;
    g_assert_true(pod_use_has_disk_limit(pod) == (rows[i].volume || rows[i].limit));
    g_autofree char *message = pod_use_over_limit(use, rows[i].apart);
    g_assert_cmpstr(message, ==, rows[i].message);
  }
}

/* A container's own limit, where the pod as a whole keeps to its sum. */
static void test_container_limit(void)
{
  g_autoptr(json_t) pod = yaml("{spec: {containers: [{name: a, resources: {limits: {ephemeral-storage: 2Mi}}}, {name: "
                               "b, resources: {limits: {ephemeral-storage: 1Gi}}}]}}");
  g_autoptr(PodUse) use = pod_use_new(pod);
  use->known = true;
  pod_use_add_container(use, "a")->layer.bytes = 3 * MIB;
  pod_use_add_container(use, "b");
  g_autofree char *message = pod_use_over_limit(use, false);
  g_assert_cmpstr(message, ==, "Container a exceeded its local ephemeral storage limit \"2Mi\". ");
  g_autofree char *apart = pod_use_over_limit(use, true);
  g_assert_null(apart);
  use->known = false;
  g_autofree char *unknown = pod_use_over_limit(use, false);
  g_assert_null(unknown);
}

/* --- what fits -----------------------------------------------------------------------------------------------------
 */

static void test_fit(void)
{
  static const struct {
    const char *pod, *reason, *message;
  } rows[] = {
    { "{containers: [{name: c}]}", NULL, NULL },
    { "{containers: [{resources: {requests: {cpu: 1500m, memory: 900Mi}}}]}", NULL, NULL },
    { "{containers: [{resources: {requests: {cpu: 1501m, memory: 2Gi}}}]}", "OutOfcpu",
      "Node didn't have enough resource: cpu, requested: 1501, used: 500, capacity: 2000" },
    { "{containers: [{resources: {requests: {memory: 901Mi}}}]}", "OutOfmemory",
      "Node didn't have enough resource: memory, requested: 944766976, used: 104857600, capacity: 1048576000" },
    { "{containers: [{resources: {requests: {ephemeral-storage: 2Gi}}}]}", "OutOfephemeral-storage",
      "Node didn't have enough resource: ephemeral-storage, requested: 2147483648, used: 0, capacity: 1073741824" },
    { "{containers: [{resources: {requests: {example.com/x: '3'}}}]}", "OutOfexample.com/x",
      "Node didn't have enough resource: example.com/x, requested: 3, used: 0, capacity: 2" },
    { "{containers: [{resources: {requests: {example.com/unknown: '3'}}}]}", NULL, NULL },
    { "{nodeSelector: {disk: fast}, containers: []}", NULL, NULL },
    { "{nodeSelector: {disk: slow}, containers: []}", "NodeAffinity",
      "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" },
    { "{containers: [{ports: [{hostPort: 80, protocol: UDP}, {hostPort: 81, protocol: TCP}, {containerPort: 80}]}]}",
      NULL, NULL },
    { "{containers: [{ports: [{hostPort: 80, protocol: TCP, hostIP: 10.0.0.1}]}]}", "NodePorts",
      "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports" },
    { "{containers: [{ports: [{hostPort: 90, hostIP: 10.0.0.2}]}]}", NULL, NULL },
  };
  g_autoptr(json_t) node = yaml("{metadata: {labels: {disk: fast}}}");
  g_autoptr(json_t) allocatable =
      yaml("{cpu: '2', memory: 1000Mi, ephemeral-storage: 1Gi, pods: '2', example.com/x: '2'}");
  g_autoptr(json_t) other =
      yaml("{spec: {containers: [{resources: {requests: {cpu: 500m, memory: 100Mi}}, ports: [{hostPort: 80, protocol: "
           "TCP}, {hostPort: 90, hostIP: 10.0.0.1}]}]}}");
  g_autoptr(GPtrArray) others = g_ptr_array_new();
  g_ptr_array_add(others, other);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = g_strdup_printf("{spec: %s}", rows[i].pod);
    g_autoptr(json_t) pod = yaml(text);
    const char *reason = NULL;
    g_autofree char *message = pod_fit_refusal(pod, node, allocatable, others, &reason);
    g_assert_cmpstr(message, ==, rows[i].message);
    g_assert_cmpstr(reason, ==, rows[i].reason);
  }
  g_ptr_array_add(others, other);
  g_autoptr(json_t) small = yaml("{spec: {containers: []}}");
  const char *reason = NULL;
  g_autofree char *full = pod_fit_refusal(small, node, allocatable, others, &reason);
  g_assert_cmpstr(reason, ==, "OutOfpods");
  g_assert_cmpstr(full, ==, "Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2");
}

/* --- what is reserved ----------------------------------------------------------------------------------------------
 */

static void test_allocatable(void)
{
  static const struct {
    const char *capacity, *kube, *system, *hard, *allocatable;
  } rows[] = {
    { "{cpu: '2', memory: 2048Mi, pods: '110'}", NULL, NULL, NULL, "{cpu: '2', memory: 2048Mi, pods: '110'}" },
    { "{cpu: '2', memory: 2097152Ki}", NULL, NULL, "memory.available<100Mi", "{cpu: '2', memory: 1948Mi}" },
    { "{cpu: '2', memory: 2097152Ki}", "cpu=100m memory=500Mi", "cpu=200m", "memory.available<100Mi",
      "{cpu: 1700m, memory: 1448Mi}" },
    { "{ephemeral-storage: 102622440Ki}", NULL, NULL, "nodefs.available<10%", "{ephemeral-storage: '94576840548'}" },
    { "{ephemeral-storage: 100Gi}", "ephemeral-storage=90Gi", NULL, "nodefs.available<20%",
      "{ephemeral-storage: '0'}" },
    { "{memory: 1000Mi, hugepages-2Mi: 200Mi, hugepages-1Gi: '0'}", NULL, NULL, NULL,
      "{memory: 800Mi, hugepages-2Mi: 200Mi, hugepages-1Gi: '0'}" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(json_t) capacity = yaml(rows[i].capacity), wanted = yaml(rows[i].allocatable);
    g_autoptr(GArray) thresholds = parse(rows[i].hard, NULL, NULL, NULL, NULL);
    g_auto(GStrv) kube = words(rows[i].kube), system = words(rows[i].system);
    Reservation reserved = { NULL };
    g_assert_true(reservation_add(&reserved, "kube-reserved", (const char *const *)kube, NULL));
    g_assert_true(reservation_add(&reserved, "system-reserved", (const char *const *)system, NULL));
    g_autoptr(json_t) allocatable = reservation_allocatable(capacity, &reserved, thresholds);
    g_autofree char *is = json_text_sorted(allocatable), *should = json_text_sorted(wanted);
    g_assert_cmpstr(is, ==, should);
    reservation_clear(&reserved);
  }
}

/* --- images --------------------------------------------------------------------------------------------------------
 */

static void look_at_images(ImageRecords *records, const char *ids, const char *used, int64_t now_us)
{
  g_auto(GStrv) list = words(ids);
  g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)image_status_free);
  g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
  for (char **id = list; *id; id++) {
    ImageStatus *image = g_new0(ImageStatus, 1);
    image->id = g_strdup(*id);
    g_autofree char *digests = g_strdup_printf("one/%s@sha256:1 two/%s@sha256:2", *id, *id);
    image->repo_digests = words(digests);
    g_ptr_array_add(images, image);
  }
  g_hash_table_add(set, (gpointer)(uintptr_t)used);
  image_records_update(records, images, set, now_us);
}

static char *order_of(ImageRecords *records)
{
  g_autoptr(GPtrArray) order = image_records_in_order(records);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < order->len; i++) {
    const ImageRecord *one = order->pdata[i];
    g_string_append_printf(text, "%s%s:%d:%d", i > 0 ? " " : "", one->id, (int)(one->found_us / SECOND),
                           (int)(one->used_us / SECOND));
  }
  return g_string_free(text, FALSE);
}

static void test_records(void)
{
  g_autofree char *folder = g_dir_make_tmp("records-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "image-use.json", NULL);
  ImageRecords *records = image_records_new(path);
  /* what was there before anybody looked has been found at no known time */
  look_at_images(records, "a b", "a", 100 * SECOND);
  look_at_images(records, "a b c", "a", 200 * SECOND);
  look_at_images(records, "a b c", "two/c@sha256:2", 300 * SECOND); /* as some runtimes say it */
  g_autofree char *order = order_of(records);
  g_assert_cmpstr(order, ==, "b:0:0 a:0:200 c:200:300");
  /* the end of a use is what counts, and it is on disk */
  image_records_free(records);
  records = image_records_new(path);
  g_autofree char *again = order_of(records);
  g_assert_cmpstr(again, ==, "b:0:0 a:0:200 c:200:300");
  look_at_images(records, "a c d", "none", 400 * SECOND);
  g_autofree char *later = order_of(records);
  g_assert_cmpstr(later, ==, "d:400:0 a:0:200 c:200:300");
  image_records_free(records);
  /* a damaged file is none */
  g_assert_true(g_file_set_contents(path, "{", -1, NULL));
  records = image_records_new(path);
  look_at_images(records, "a", "none", 500 * SECOND);
  g_autofree char *fresh = order_of(records);
  g_assert_cmpstr(fresh, ==, "a:0:0");
  image_records_free(records);
  g_remove(path);
  g_rmdir(folder);
}

/* --- the machine ---------------------------------------------------------------------------------------------------
 */

static json_t *no_sandboxes(Runtime *runtime, GError **error)
{
  return json_array();
}

static char *shm(Runtime *runtime)
{
  return g_strdup("/dev/shm");
}

/* The real numbers are of this machine and hang together. */
static void test_source(void)
{
  g_autofree char *folder = g_dir_make_tmp("source-XXXXXX", NULL);
  Runtime runtime = { .name = "none", .list_sandboxes = no_sandboxes };
  NodeStats *stats = node_stats_new(&runtime);
  PressureSource *source = pressure_source_new(&runtime, stats, folder, folder);
  Observations seen = { 0 };
  struct statvfs disk;
  source->look(source->data, &seen);
  g_assert_cmpint(statvfs(folder, &disk), ==, 0);
  g_assert_cmpint(seen.of[SIGNAL_NODE_SPACE].capacity, ==, (int64_t)(disk.f_blocks * disk.f_frsize));
  g_assert_cmpint(seen.of[SIGNAL_IMAGE_SPACE].capacity, ==, seen.of[SIGNAL_NODE_SPACE].capacity);
  g_assert_false(seen.images_apart);
  g_assert_cmpint(seen.of[SIGNAL_MEMORY].capacity, ==, machine_memory_bytes());
  for (gsize i = 0; i < SIGNAL_COUNT; i++) {
    const Observation *one = &seen.of[i];
    bool sure = i == SIGNAL_MEMORY || i == SIGNAL_NODE_SPACE || i == SIGNAL_PROCESSES;
    g_assert_true(one->known || !sure);
    g_assert_true(one->available >= 0 && one->available <= one->capacity);
  }
  runtime.image_place = shm;
  source->look(source->data, &seen);
  g_assert_cmpint(statvfs("/dev/shm", &disk), ==, 0);
  g_assert_cmpint(seen.of[SIGNAL_IMAGE_SPACE].capacity, ==, (int64_t)(disk.f_blocks * disk.f_frsize));
  g_assert_true(seen.images_apart);
  pressure_source_free(source);
  node_stats_free(stats);
  g_rmdir(folder);
}

static void check_file(const char *folder, const char *path, const char *wanted)
{
  g_autofree char *full = g_build_filename(folder, path, NULL);
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(full, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, wanted);
}

/* The group of all pods gets what is not reserved; thresholds do not count. */
static void test_enforce(void)
{
  static const struct {
    const char *files[4]; /* what the kernel has */
    const char *path, *text, *second_path, *second_text;
  } rows[] = { { { "memory/kubepods/memory.limit_in_bytes", "cpu/kubepods/cpu.shares" },
                 "memory/kubepods/memory.limit_in_bytes",
                 "1073741824",
                 "cpu/kubepods/cpu.shares",
                 "1536" },
               { { "cgroup.controllers", "cgroup.subtree_control", "kubepods/memory.max", "kubepods/cpu.weight" },
                 "kubepods/memory.max",
                 "1073741824",
                 "kubepods/cpu.weight",
                 "59" } };
  static const char *const hard[] = { "memory.available<500Mi", NULL };
  static const char *const kube[] = { "cpu=500m", "memory=1Gi", NULL };
  PressureFlags flags = { .thresholds = { .hard = hard }, .image_high = 85, .image_low = 80, .kube_reserved = kube };
  g_autoptr(PressureSettings) settings = pressure_settings_new(&flags, NULL);
  g_autoptr(json_t) capacity = yaml("{cpu: '2', memory: 2Gi}");
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *folder = g_dir_make_tmp("cgroup-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    for (gsize k = 0; k < G_N_ELEMENTS(rows[i].files) && rows[i].files[k]; k++) {
      g_autofree char *path = g_build_filename(folder, rows[i].files[k], NULL);
      g_autofree char *dir = g_path_get_dirname(path);
      g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
      g_assert_true(g_file_set_contents(path, k == 0 && i == 1 ? "cpuset cpu memory\n" : "", -1, NULL));
    }
    node_resources_enforce(folder, capacity, settings, &error);
    g_assert_no_error(error);
    check_file(folder, rows[i].path, rows[i].text);
    check_file(folder, rows[i].second_path, rows[i].second_text);
    g_autofree char *gone = g_build_filename(folder, rows[i].path, NULL);
    g_remove(gone);
    g_assert_false(node_resources_enforce(folder, capacity, settings, &error));
    g_assert_true(reason_is(error, REASON_FILE));
    file_remove_tree(folder, NULL);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pressure/thresholds", test_thresholds);
  g_test_add_func("/pressure/refused", test_refused);
  g_test_add_func("/pressure/settings", test_settings);
  g_test_add_func("/pressure/hard", test_hard);
  g_test_add_func("/pressure/soft", test_soft);
  g_test_add_func("/pressure/rank", test_rank);
  g_test_add_func("/pressure/rank-places", test_rank_places);
  g_test_add_func("/pressure/asked", test_asked);
  g_test_add_func("/pressure/critical", test_critical);
  g_test_add_func("/pressure/messages", test_messages);
  g_test_add_func("/pressure/limits", test_limits);
  g_test_add_func("/pressure/container-limit", test_container_limit);
  g_test_add_func("/pressure/fit", test_fit);
  g_test_add_func("/pressure/allocatable", test_allocatable);
  g_test_add_func("/pressure/image-records", test_records);
  g_test_add_func("/pressure/source", test_source);
  g_test_add_func("/pressure/enforce", test_enforce);
  return g_test_run();
}

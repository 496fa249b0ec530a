/* The arithmetic of the horizontal pod autoscaler: the cases upstream documents and tests. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/controllers/autoscaling/replica_math.h"
#include "clusterd/controllers/autoscaling/scale_rules.h"

#define SECOND ((int64_t)G_USEC_PER_SEC)
#define NOW_US (INT64_C(1800000000) * SECOND)

static const ReplicaRules rules = { .tolerance = 0.1,
                                    .cpu_initialization_us = 120 * SECOND,
                                    .readiness_delay_us = 10 * SECOND };

/* --- pods -------------------------------------------------------------------------------------------------------- */

static void unref_object(void *object)
{
  object_unref(object);
}

/* What the letters of a pod mean: its phase, whether it is ready, for how long it has run and been as it is. */
typedef struct PodShape {
  char letter;
  const char *phase, *ready;
  int age, since; /* seconds */
  bool sampled, deleting;
} PodShape;

static const PodShape shapes[] = {
  { 'R', "Running", "True", 3600, 3590, true, false },   /* ready, long since */
  { 'U', "Running", "False", 3600, 3595, true, false },  /* never was ready */
  { 'L', "Running", "False", 3600, 60, true, false },    /* was ready, and is not now */
  { 'H', "Running", "True", 60, 20, true, false },       /* starting: measured from before it was ready */
  { 'C', "Running", "True", 60, 40, true, false },       /* starting, but measured since it is ready */
  { 'M', "Running", "True", 3600, 3590, false, false },  /* not measured */
  { 'P', "Pending", "False", 3600, 3590, false, false }, /* waits for a node */
  { 'F', "Failed", "False", 3600, 60, false, false },    { 'D', "Running", "True", 3600, 3590, true, true }, /* goes */
  { 'N', "Running", NULL, 3600, 0, true, false }, /* says nothing of being ready */
};

static const PodShape *shape_of(char letter)
{
  for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
    if (shapes[i].letter == letter)
      return &shapes[i];
  g_error("no shape %c", letter);
}

static Object *make_pod(const char *name, const PodShape *shape, const char *request)
{
  static const ApiKind kind = { .group = "", .version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true };
  g_autofree char *start = timestamp_text(NOW_US - shape->age * SECOND);
  g_autofree char *since = timestamp_text(NOW_US - shape->since * SECOND);
  json_t *pod =
      json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:[{s:s, s:{s:{}}}]}, s:{s:s, s:s, s:[]}}", "apiVersion", "v1", "kind",
                "Pod", "metadata", "name", name, "namespace", "default", "spec", "containers", "name", "main",
                "resources", "requests", "status", "phase", shape->phase, "startTime", start, "conditions");
  json_t *container = json_array_get(json_at(pod, "spec", "containers", NULL), 0);
  if (*request)
    json_object_set_new(json_at(container, "resources", "requests", NULL), "cpu", json_string(request));
  if (shape->deleting)
    json_object_set_new(json_object_get(pod, "metadata"), "deletionTimestamp", json_string(start));
  if (shape->ready)
    json_array_append_new(
        json_at(pod, "status", "conditions", NULL),
        json_pack("{s:s, s:s, s:s}", "type", "Ready", "status", shape->ready, "lastTransitionTime", since));
  return object_new(&kind, pod);
}

/* Pods from "R300 M U700/2": a shape, what was measured in thousandths, and after a slash the request when it is not
 * 1; "x9" is a measure of a pod that is not there. */
static void make_pods(const char *text, GPtrArray *pods, GHashTable *samples)
{
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  for (unsigned i = 0; *text && words[i]; i++) {
    g_autofree char *name = g_strdup_printf("pod-%u", i);
    const char *slash = strchr(words[i], '/');
    PodSample *sample = g_new(PodSample, 1);
    *sample = (PodSample){ g_ascii_strtoll(words[i] + 1, NULL, 10), NOW_US - 5 * SECOND, 30 * SECOND };
    if (words[i][0] != 'x')
      g_ptr_array_add(pods, make_pod(name, shape_of(words[i][0]), slash ? slash + 1 : "1"));
    if (words[i][0] == 'x' || shape_of(words[i][0])->sampled)
      g_hash_table_insert(samples, g_strdup(name), sample);
    else
      g_free(sample);
  }
}

typedef struct Row {
  const char *name, *pods;
  int64_t current, target;
  int64_t replicas, milli, percent;
  const char *error;
} Row;

static void check_row(const Row *row, bool by_request, const char *resource)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_autoptr(GHashTable) samples = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(GError) error = NULL;
  ReplicaProposal proposal;
  g_test_message("%s", row->name);
  make_pods(row->pods, pods, samples);
  ReplicaPods question = { .pods = pods, .samples = samples, .resource = resource, .now_us = NOW_US };
  bool told = by_request ? replicas_by_utilization(&question, &rules, row->current, row->target, &proposal, &error)
                         : replicas_by_average(&question, &rules, row->current, row->target, &proposal, &error);
  if (row->error) {
    g_assert_false(told);
    g_assert_cmpstr(error->message, ==, row->error);
    return;
  }
  g_assert_no_error(error);
  g_assert_cmpint(proposal.replicas, ==, row->replicas);
  g_assert_cmpint(proposal.milli, ==, row->milli);
  if (by_request)
    g_assert_cmpint(proposal.percent, ==, row->percent);
}

static void test_utilization(void)
{
  static const Row table[] = {
    { "up", "R300 R500 R700", 3, 30, 5, 500, 50, NULL },
    { "down", "R100 R300 R500 R250 R250", 5, 50, 3, 280, 28, NULL },
    { "within the tolerance", "R1010 R1030 R1020", 3, 100, 3, 1020, 102, NULL },
    { "at its lower edge", "R900 R900", 2, 100, 2, 900, 90, NULL },
    { "its upper edge, which floating point does not hit", "R1100 R1100", 2, 100, 3, 1100, 110, NULL },
    { "beyond it", "R1110 R1110", 2, 100, 3, 1110, 111, NULL },
    { "percentages are whole numbers before they are compared", "R199/2 R199/2", 2, 9, 2, 199, 9, NULL },
    { "who is not ready counts as nothing on the way up", "U300 R500 R700", 3, 30, 4, 600, 60, NULL },
    { "who starts does, too", "H300 R500 R700", 3, 30, 4, 600, 60, NULL },
    { "so that nothing may come of it", "R400 U500 U700", 3, 30, 3, 400, 40, NULL },
    { "or of starting pods", "R400 H500 H700", 3, 30, 3, 400, 40, NULL },
    { "who starts and was measured since it is ready counts", "C300 R500 R700", 3, 30, 5, 500, 50, NULL },
    { "who was ready once counts", "L300 R500 R700", 3, 30, 5, 500, 50, NULL },
    { "who says nothing of it does not", "N300 R500 R700", 3, 30, 4, 600, 60, NULL },
    { "who waits for a node counts as nothing", "P R500 R700", 3, 30, 4, 600, 60, NULL },
    { "who is not ready changes nothing on the way down", "U300 R100 R100", 3, 50, 1, 100, 10, NULL },
    { "failed ones are not there", "R500 R700 F F", 2, 30, 4, 600, 60, NULL },
    { "nor are those that go", "R500 R700 D900 D900", 2, 30, 4, 600, 60, NULL },
    { "measures of others are passed over", "R4000 R9500 R3000 R7000 x3200 x2000", 4, 100, 24, 5875, 587, NULL },
    { "missing ones use all they request on the way down", "R400 R95 M M", 4, 100, 3, 247, 24, NULL },
    { "missing ones, no change", "R1000 M", 2, 100, 2, 1000, 100, NULL },
    { "missing ones use nothing on the way up", "R1900 M", 2, 100, 2, 1900, 190, NULL },
    { "missing ones keep it from shrinking", "R600 M", 2, 100, 2, 600, 60, NULL },
    { "missing and unready, no change", "U100 R450 M", 3, 50, 3, 450, 45, NULL },
    { "missing and unready, up", "U100 R2000 M", 3, 50, 4, 2000, 200, NULL },
    { "missing and unready, down", "U100 R100 R100 M", 4, 50, 3, 100, 10, NULL },
    { "missing ones use the target where that is above 100 percent", "U200 R100 R100/2 M/2", 4, 300, 2, 100, 6, NULL },
    { "a surge of an update does not turn the direction", "R100 R100 M", 2, 50, 2, 100, 10, NULL },
    { "of others alone", "x100 M", 1, 100, 0, 0, 0, "no metrics returned matched known pods" },
    { "nobody ready", "U100 H200", 2, 100, 0, 0, 0,
      "did not receive metrics for targeted pods (pods might be unready)" },
    { "nobody there", "", 1, 100, 0, 0, 0, "no pods returned by selector while calculating replica count" },
    { "no request", "R100 R100/", 2, 100, 0, 0, 0, "missing request for cpu in container main of Pod pod-1" },
    { "no request of one that failed", "R100 F/", 2, 100, 0, 0, 0,
      "missing request for cpu in container main of Pod pod-1" },
    { "very much", "R9000000000000000000", 1, 1, INT32_MAX, 9000000000000000000, INT32_MAX, NULL },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
    check_row(&table[i], true, "cpu");
}

static void test_average(void)
{
  static const Row table[] = {
    { "up", "R20000 R10000 R30000", 3, 15000, 4, 20000, 0, NULL },
    { "down", "R12000 R12000 R12000 R12000 R12000", 5, 20000, 3, 12000, 0, NULL },
    { "tolerance", "R20000 R21000 R21000", 3, 20000, 3, 20666, 0, NULL },
    { "being ready does not matter", "R50000 R10000 U30000", 3, 15000, 6, 30000, 0, NULL },
    { "nor does a start", "H50000 R15000 H30000", 3, 15000, 7, 31666, 0, NULL },
    { "who waits for a node counts as nothing", "R40000 P", 2, 15000, 3, 40000, 0, NULL },
    { "missing ones, no change", "R20000 R19000 R21000 M M", 5, 20000, 5, 20000, 0, NULL },
    { "missing ones are at the target on the way down", "R10000 R10000 M", 2, 17000, 2, 10000, 0, NULL },
    { "missing ones use nothing on the way up", "R60000 M", 2, 20000, 3, 60000, 0, NULL },
    { "nobody there", "", 1, 100, 0, 0, 0, "no pods returned by selector while calculating replica count" },
    { "nobody measured", "M M", 2, 100, 0, 0, 0, "did not receive metrics for targeted pods (pods might be unready)" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
    check_row(&table[i], false, NULL);
}

/* A raw value of CPU heeds being ready as the percentage does; of memory it does not. */
static void test_raw_resource(void)
{
  static const Row cpu = { "cpu", "U300 R500 R700", 3, 300, 4, 600, 0, NULL };
  static const Row memory = { "memory", "U300 R500 R700", 3, 300, 5, 500, 0, NULL };
  check_row(&cpu, false, "cpu");
  check_row(&memory, false, "memory");
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void check_requests(const char *spec, const char *container, int64_t percent, const char *text)
{
  static const ApiKind kind = { .group = "", .version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true };
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_autoptr(GHashTable) samples = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(GError) error = NULL;
  g_autofree char *value = g_strdup_printf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},"
                                           "\"status\":{\"phase\":\"Running\"},\"spec\":%s}",
                                           spec);
  json_t *pod = json_parse(value, strlen(value), true, &error);
  g_assert_no_error(error);
  g_ptr_array_add(pods, object_new(&kind, pod));
  PodSample *sample = g_new0(PodSample, 1);
  sample->milli = 100000;
  g_hash_table_insert(samples, g_strdup("p"), sample);
  ReplicaPods question = { .pods = pods, .samples = samples, .resource = "memory", .container = container };
  ReplicaProposal proposal;
  bool told = replicas_by_utilization(&question, &rules, 1, 50, &proposal, &error);
  g_assert_cmpstr(error ? error->message : NULL, ==, text);
  g_assert_cmpint(told, ==, text == NULL);
  if (told)
    g_assert_cmpint(proposal.percent, ==, percent);
}

static void test_requests(void)
{
#define TWO                                                                                                            \
  "\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"memory\":\"200\"}}},"                                \
  "{\"name\":\"b\",\"resources\":{\"requests\":{\"memory\":\"300\"}}}]"
  check_requests("{" TWO "}", NULL, 20, NULL);
  check_requests("{" TWO "}", "a", 50, NULL);
  check_requests("{" TWO "}", "c", 0, "container c not found in Pod p");
  /* an init container that runs on counts, one that ends does not */
  check_requests("{" TWO
                 ",\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\",\"resources\":{\"requests\":"
                 "{\"memory\":\"500\"}}},{\"name\":\"j\"}]}",
                 NULL, 10, NULL);
  check_requests("{" TWO ",\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\"}]}", NULL, 0,
                 "missing request for memory in container i of Pod p");
  /* what the whole pod requests goes before; not for one container */
  check_requests("{\"resources\":{\"requests\":{\"memory\":\"1k\"}}," TWO "}", NULL, 10, NULL);
  check_requests("{\"resources\":{\"requests\":{\"memory\":\"1k\"}}," TWO "}", "b", 33, NULL);
  check_requests("{\"resources\":{\"requests\":{\"cpu\":\"1\"}}," TWO "}", NULL, 0,
                 "missing pod-level request for memory in Pod p");
#undef TWO
}

/* --- measures of other things ------------------------------------------------------------------------------------ */

static void test_value(void)
{
  static const struct {
    const char *pods;
    int64_t current, milli, target, replicas;
    const char *error;
  } table[] = {
    { "R0 R0 R0", 3, 20000, 15000, 4, NULL },
    { "U0 R0 U0", 3, 50000, 10000, 5, NULL },
    { "U0 R0 U0", 3, 8600, 4400, 2, NULL },
    { "R0 R0 R0 R0 R0", 5, 12000, 20000, 3, NULL },
    { "R0 R0 R0", 3, 20666, 20000, 3, NULL },
    /* from nothing, the ratio alone says how many */
    { "", 0, 20000, 15000, 2, NULL },
    { "", 0, 0, 15000, 0, NULL },
    { "R0", 1, INT64_MAX, 1, INT32_MAX, NULL },
    { "", 1, 20000, 10000, 0,
      "unable to calculate ready pods: no pods returned by selector while calculating replica count" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
    g_autoptr(GHashTable) samples = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GError) error = NULL;
    ReplicaProposal proposal;
    make_pods(table[i].pods, pods, samples);
    bool told = replicas_by_value(pods, &rules, table[i].current, table[i].milli, table[i].target, &proposal, &error);
    g_assert_cmpstr(error ? error->message : NULL, ==, table[i].error);
    g_assert_cmpint(told, ==, !table[i].error);
    if (!told)
      continue;
    g_assert_cmpint(proposal.replicas, ==, table[i].replicas);
    g_assert_cmpint(proposal.milli, ==, table[i].milli);
  }
}

static void test_share(void)
{
  static const struct {
    int64_t present, milli, target, replicas, mean;
  } table[] = {
    { 3, 20000, 5000, 4, 6667 },
    { 3, 8600, 2150, 4, 2867 },
    { 3, 8600, 2900, 3, 2867 },
    { 5, 8600, 4000, 3, 1720 },
    { 0, 8600, 4000, 3, 8600 },
    { 0, 0, 4000, 0, 0 },
    { 1, INT64_MAX, 1, INT32_MAX, INT64_MAX },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
    ReplicaProposal proposal;
    replicas_by_share(&rules, table[i].present, table[i].milli, table[i].target, &proposal);
    g_assert_cmpint(proposal.replicas, ==, table[i].replicas);
    g_assert_cmpint(proposal.milli, ==, table[i].mean);
  }
}

/* --- limits ------------------------------------------------------------------------------------------------------ */

static ScaleDecision decide(ScaleHistory *history, const json_t *behavior, int64_t min, int64_t max, int64_t current,
                            int64_t wish, int64_t seconds)
{
  ScaleQuestion question = { .behavior = behavior,
                             .window_us = 300 * SECOND,
                             .min = min,
                             .max = max,
                             .current = current,
                             .wish = wish,
                             .now_us = NOW_US + seconds * SECOND };
  ScaleDecision decision;
  scale_decide(history, &question, &decision);
  return decision;
}

static void test_bounds(void)
{
  static const struct {
    int64_t min, max, current, wish, replicas;
    const char *reason;
  } table[] = {
    { 3, 8, 4, 2, 3, "TooFewReplicas" },      { 3, 8, 4, 7, 7, "DesiredWithinRange" },
    { 3, 8, 6, 10, 8, "TooManyReplicas" },    { 1, 100, 10, 50, 20, "ScaleUpLimit" },
    { 1, 100, 1, 50, 4, "ScaleUpLimit" },     { 1, 100, 2, 4, 4, "DesiredWithinRange" },
    { 1, 20, 10, 50, 20, "TooManyReplicas" }, { 1, 10, 5, 5, 5, "DesiredWithinRange" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(ScaleHistory) history = scale_history_new();
    ScaleDecision got = decide(history, NULL, table[i].min, table[i].max, table[i].current, table[i].wish, 0);
    g_assert_cmpint(got.replicas, ==, table[i].replicas);
    g_assert_cmpstr(got.limited_reason, ==, table[i].reason);
    g_assert_cmpint(got.limited, ==, table[i].replicas != table[i].wish);
    g_assert_cmpstr(got.able_reason, ==, "ReadyForNewScale");
  }
}

/* Of the wishes of the last five minutes the highest is followed. */
static void test_window(void)
{
  g_autoptr(ScaleHistory) history = scale_history_new();
  scale_history_begin(history, 5, NOW_US);
  scale_history_begin(history, 9, NOW_US + SECOND); /* once only */
  ScaleDecision got = decide(history, NULL, 1, 10, 5, 2, 15);
  g_assert_cmpint(got.replicas, ==, 5);
  g_assert_cmpstr(got.able_reason, ==, "ScaleDownStabilized");
  g_assert_cmpstr(got.able_message, ==,
                  "recent recommendations were higher than current one, applying the highest recent recommendation");
  g_assert_false(got.limited);
  got = decide(history, NULL, 1, 10, 5, 4, 30);
  g_assert_cmpint(got.replicas, ==, 5);
  got = decide(history, NULL, 1, 10, 5, 2, 301); /* the first wish is too old now */
  g_assert_cmpint(got.replicas, ==, 4);
  g_assert_cmpstr(got.able_reason, ==, "ScaleDownStabilized");
  got = decide(history, NULL, 1, 10, 4, 2, 331);
  g_assert_cmpint(got.replicas, ==, 2);
  g_assert_cmpstr(got.able_reason, ==, "ReadyForNewScale");
  g_assert_cmpuint(history->wishes->len, ==, 2); /* old ones are forgotten */
}

/* --- behaviors --------------------------------------------------------------------------------------------------- */

static json_t *behavior_of(const char *up, const char *down)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strdup_printf("{\"scaleUp\":{%s},\"scaleDown\":{%s}}", up, down);
  for (char *c = text; *c; c++)
    if (*c == '\'')
      *c = '"';
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

#define PODS(value, period) "{'type':'Pods','value':" #value ",'periodSeconds':" #period "}"
#define PERCENT(value, period) "{'type':'Percent','value':" #value ",'periodSeconds':" #period "}"
#define UP(select, policies) "'stabilizationWindowSeconds':0,'selectPolicy':'" select "','policies':[" policies "]"
#define DOWN UP

static void test_up_policies(void)
{
  static const struct {
    const char *rules;
    int64_t current, wish, replicas;
    const char *reason;
  } table[] = {
    { UP("Max", PODS(4, 15) "," PERCENT(100, 15)), 1, 50, 5, "ScaleUpLimit" },
    { UP("Max", PODS(4, 15) "," PERCENT(100, 15)), 10, 50, 20, "ScaleUpLimit" },
    { UP("Min", PODS(4, 15) "," PERCENT(100, 15)), 10, 50, 14, "ScaleUpLimit" },
    { UP("Min", PODS(4, 15) "," PERCENT(100, 15)), 1, 50, 2, "ScaleUpLimit" },
    { UP("Disabled", PODS(4, 15)), 3, 50, 3, "ScaleUpLimit" },
    { UP("Max", PERCENT(10, 60)), 1, 50, 2, "ScaleUpLimit" }, /* rounded up, or it never grew */
    { UP("Max", PERCENT(900, 60)), 10, 500, 100, "TooManyReplicas" },
    { UP("Max", PODS(5, 60)), 10, 12, 12, "DesiredWithinRange" },
    { UP("Max", PODS(5, 60)), 10, 10, 10, "DesiredWithinRange" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(ScaleHistory) history = scale_history_new();
    g_autoptr(json_t) behavior = behavior_of(table[i].rules, DOWN("Max", PERCENT(100, 15)));
    ScaleDecision got = decide(history, behavior, 1, 100, table[i].current, table[i].wish, 0);
    g_assert_cmpint(got.replicas, ==, table[i].replicas);
    g_assert_cmpstr(got.limited_reason, ==, table[i].reason);
    g_assert_cmpint(got.limited, ==, strcmp(table[i].reason, "DesiredWithinRange") != 0);
  }
}

static void test_down_policies(void)
{
  static const struct {
    const char *rules;
    int64_t current, wish, replicas;
    const char *reason;
  } table[] = {
    { DOWN("Max", PERCENT(100, 15)), 100, 1, 2, "TooFewReplicas" },
    { DOWN("Max", PERCENT(100, 15)), 100, 50, 50, "DesiredWithinRange" },
    { DOWN("Max", PODS(4, 60) "," PERCENT(10, 60)), 80, 2, 72, "ScaleDownLimit" },
    { DOWN("Max", PODS(4, 60) "," PERCENT(10, 60)), 20, 2, 16, "ScaleDownLimit" },
    { DOWN("Min", PODS(4, 60) "," PERCENT(10, 60)), 80, 2, 76, "ScaleDownLimit" },
    { DOWN("Max", PERCENT(10, 60)), 5, 2, 4, "ScaleDownLimit" }, /* 4.5, rounded down */
    { DOWN("Disabled", PODS(4, 15)), 30, 2, 30, "ScaleDownLimit" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(ScaleHistory) history = scale_history_new();
    g_autoptr(json_t) behavior = behavior_of(UP("Max", PODS(4, 15)), table[i].rules);
    ScaleDecision got = decide(history, behavior, 2, 100, table[i].current, table[i].wish, 0);
    g_assert_cmpint(got.replicas, ==, table[i].replicas);
    g_assert_cmpstr(got.limited_reason, ==, table[i].reason);
  }
}

/* What was added and removed in a policy's period counts. */
static void test_periods(void)
{
  g_autoptr(ScaleHistory) history = scale_history_new();
  g_autoptr(json_t) behavior = behavior_of(UP("Max", PODS(4, 60)), DOWN("Max", PODS(1, 60)));
  ScaleDecision got = decide(history, behavior, 1, 100, 2, 50, 0);
  g_assert_cmpint(got.replicas, ==, 6);
  scale_history_note(history, behavior, 2, 6, NOW_US);
  got = decide(history, behavior, 1, 100, 6, 50, 15); /* not before the minute is over */
  g_assert_cmpint(got.replicas, ==, 6);
  g_assert_cmpstr(got.limited_reason, ==, "ScaleUpLimit");
  g_assert_cmpstr(got.limited_message, ==,
                  "the desired replica count is increasing faster than the maximum scale rate");
  got = decide(history, behavior, 1, 100, 6, 1, 30); /* down to one less than there were before */
  g_assert_cmpint(got.replicas, ==, 1);
  got = decide(history, behavior, 1, 100, 6, 50, 60);
  g_assert_cmpint(got.replicas, ==, 10);
  scale_history_note(history, behavior, 6, 10, NOW_US + 60 * SECOND);
  scale_history_note(history, behavior, 10, 9, NOW_US + 70 * SECOND);
  got = decide(history, behavior, 1, 100, 9, 50, 80); /* one was taken away: it may come back */
  g_assert_cmpint(got.replicas, ==, 10);
  scale_history_note(history, behavior, 9, 12, NOW_US + 200 * SECOND);
  g_assert_cmpuint(history->ups->len, ==, 1); /* old ones are forgotten */
  scale_history_note(history, NULL, 9, 12, NOW_US + 200 * SECOND);
  g_assert_cmpuint(history->ups->len, ==, 1);
}

static void test_up_window(void)
{
  g_autoptr(ScaleHistory) history = scale_history_new();
  g_autoptr(json_t) behavior =
      behavior_of("'stabilizationWindowSeconds':60,'policies':[" PERCENT(1000, 15) "]", DOWN("Max", PERCENT(100, 15)));
  ScaleDecision got = decide(history, behavior, 1, 100, 2, 3, 0);
  g_assert_cmpint(got.replicas, ==, 3);
  got = decide(history, behavior, 1, 100, 3, 9, 30); /* half a minute ago three were enough */
  g_assert_cmpint(got.replicas, ==, 3);
  g_assert_cmpstr(got.able_reason, ==, "ScaleUpStabilized");
  g_assert_cmpstr(got.able_message, ==,
                  "recent recommendations were lower than current one, applying the lowest recent recommendation");
  got = decide(history, behavior, 1, 100, 3, 9, 61);
  g_assert_cmpint(got.replicas, ==, 9);
  g_assert_cmpstr(got.able_reason, ==, "ReadyForNewScale");
}

/* The default window of the way down is the controller's; 0 means at once. */
static void test_down_window(void)
{
  g_autoptr(ScaleHistory) history = scale_history_new();
  g_autoptr(json_t) behavior = behavior_of(UP("Max", PODS(4, 15)), "'policies':[" PERCENT(100, 15) "]");
  g_autoptr(json_t) at_once = behavior_of(UP("Max", PODS(4, 15)), DOWN("Max", PERCENT(100, 15)));
  scale_history_begin(history, 8, NOW_US);
  ScaleDecision got = decide(history, behavior, 1, 100, 8, 2, 299);
  g_assert_cmpint(got.replicas, ==, 8);
  g_assert_cmpstr(got.able_reason, ==, "ScaleDownStabilized");
  got = decide(history, at_once, 1, 100, 8, 2, 299);
  g_assert_cmpint(got.replicas, ==, 2);
  g_assert_cmpstr(got.able_reason, ==, "ReadyForNewScale");
  for (int i = 0; i < 2 * SCALE_HISTORY_MAX; i++)
    decide(history, behavior, 1, 100, 8, 2, 300);
  g_assert_cmpuint(history->wishes->len, <=, SCALE_HISTORY_MAX);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/horizontal-math/utilization", test_utilization);
  g_test_add_func("/horizontal-math/average", test_average);
  g_test_add_func("/horizontal-math/raw-resource", test_raw_resource);
  g_test_add_func("/horizontal-math/requests", test_requests);
  g_test_add_func("/horizontal-math/value", test_value);
  g_test_add_func("/horizontal-math/share", test_share);
  g_test_add_func("/horizontal-math/bounds", test_bounds);
  g_test_add_func("/horizontal-math/window", test_window);
  g_test_add_func("/horizontal-math/up-policies", test_up_policies);
  g_test_add_func("/horizontal-math/down-policies", test_down_policies);
  g_test_add_func("/horizontal-math/periods", test_periods);
  g_test_add_func("/horizontal-math/up-window", test_up_window);
  g_test_add_func("/horizontal-math/down-window", test_down_window);
  return g_test_run();
}

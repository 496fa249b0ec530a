/* HorizontalPodAutoscalers: what they make of measures that the test gives. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"

#define SECOND ((int64_t)G_USEC_PER_SEC)
#define PODS_PATH "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb"

/* --- the measures ------------------------------------------------------------------------------------------------ */

static struct {
  GMutex lock;
  Cluster *cluster;
  int64_t milli;       /* the CPU of each container of each pod of app=web; negative: nobody measures it */
  GHashTable *answers; /* path → JSON text */
  GPtrArray *asked;    /* paths, in their order */
  bool meddles;        /* the deployment web is changed while it is asked */
} gauge;

static json_t *measure_pods(int64_t milli)
{
  g_autoptr(GPtrArray) pods = cluster_list(gauge.cluster, "v1", "pods", "web");
  g_autofree char *now = timestamp_now(), *cpu = g_strdup_printf("%" G_GINT64_FORMAT "m", milli);
  json_t *items = json_array();
  for (guint i = 0; i < pods->len; i++)
    json_array_append_new(items, json_pack("{s:{s:s, s:s}, s:s, s:s, s:[{s:s, s:{s:s}}]}", "metadata", "name",
                                           object_name(pods->pdata[i]), "namespace", "default", "timestamp", now,
                                           "window", "15.5s", "containers", "name", "web", "usage", "cpu", cpu));
  return json_pack("{s:o}", "items", items);
}

static void meddle(void)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {labels: {at: t%u}}}", g_random_int());
  cluster_patch(gauge.cluster, "apps/v1", "deployments", "web", yaml);
}

static json_t *get_metrics(void *issuer, const char *path, GError **error)
{
  g_assert_true(issuer == &gauge);
  g_mutex_lock(&gauge.lock);
  g_ptr_array_add(gauge.asked, g_strdup(path));
  g_autofree char *answer = g_strdup(g_hash_table_lookup(gauge.answers, path));
  int64_t milli = gauge.milli;
  bool meddles = gauge.meddles;
  g_mutex_unlock(&gauge.lock);
  if (meddles)
    meddle();
  if (answer)
    return json_parse(answer, strlen(answer), true, error);
  if (milli >= 0 && strcmp(path, PODS_PATH) == 0)
    return measure_pods(milli);
  reason_set(error, REASON_NOT_FOUND, "the server could not find the requested resource (get pods.metrics.k8s.io)");
  return NULL;
}

static void set_load(int64_t milli)
{
  g_mutex_lock(&gauge.lock);
  gauge.milli = milli;
  g_mutex_unlock(&gauge.lock);
}

static void set_answer(const char *path, const char *text)
{
  g_mutex_lock(&gauge.lock);
  g_hash_table_insert(gauge.answers, g_strdup(path), g_strdup(text));
  g_mutex_unlock(&gauge.lock);
}

static void set_meddling(bool meddles)
{
  g_mutex_lock(&gauge.lock);
  gauge.meddles = meddles;
  g_mutex_unlock(&gauge.lock);
}

static guint times_asked(void)
{
  g_mutex_lock(&gauge.lock);
  guint count = gauge.asked->len;
  g_mutex_unlock(&gauge.lock);
  return count;
}

static bool was_asked(const char *path)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&gauge.lock);
  for (guint i = 0; i < gauge.asked->len; i++)
    if (strcmp(gauge.asked->pdata[i], path) == 0)
      return true;
  return false;
}

/* --- the cluster ------------------------------------------------------------------------------------------------- */

#define TEMPLATE                                                                                                       \
  "selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, "   \
  "image: i, resources: {requests: {cpu: 100m}}}]}}"
#define REFERENCE(version, kind) "scaleTargetRef: {apiVersion: " version ", kind: " kind ", name: web}"
#define DEPLOYMENT REFERENCE("apps/v1", "Deployment")
#define CPU(percent)                                                                                                   \
  "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: " #percent "}}}"

/* Looks all the time, at pods however new, and at fewer pods at once unless WINDOW_US is given. */
static Cluster *start(int64_t window_us)
{
  static HorizontalConfig horizontal;
  horizontal = (HorizontalConfig){ .sync_us = 20000, .stabilization_us = window_us, .tolerance = 0.1 };
  ControllersConfig config = { .get_metrics = get_metrics, .issuer = &gauge, .horizontal = &horizontal };
  gauge.milli = -1;
  gauge.meddles = false;
  gauge.answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  gauge.asked = g_ptr_array_new_with_free_func(g_free);
  return gauge.cluster = cluster_new_with(&config);
}

static void stop(Cluster *cluster)
{
  cluster_free(cluster);
  g_hash_table_unref(gauge.answers);
  g_ptr_array_unref(gauge.asked);
}

static int64_t ready_pods(Cluster *cluster)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
  int64_t count = 0;
  for (guint i = 0; i < pods->len; i++)
    count += condition_is(json_object_get(object_json(pods->pdata[i]), "status"), "Ready", "True");
  return count;
}

static void add_deployment(Cluster *cluster, int replicas)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: web}, spec: {replicas: %d, " TEMPLATE "}}", replicas);
  cluster_create(cluster, "apps/v1", "deployments", true, yaml);
  cluster_wait(ready_pods(cluster) == replicas);
}

static void add_autoscaler(Cluster *cluster, const char *name, const char *spec)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, spec: {%s}}", name, spec);
  cluster_create(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, yaml);
}

static json_t *status_of(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) value = cluster_get(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, name);
  return json_incref(json_object_get(value, "status"));
}

static bool has_condition(Cluster *cluster, const char *name, const char *type, const char *value, const char *reason,
                          const char *message)
{
  g_autoptr(json_t) status = status_of(cluster, name);
  const json_t *condition = condition_get(status, type);
  return strcmp(json_str(condition, "status", ""), value) == 0 &&
         strcmp(json_str(condition, "reason", ""), reason) == 0 &&
         strcmp(json_str(condition, "message", ""), message) == 0;
}

static bool measures_are(Cluster *cluster, const char *name, const char *sorted)
{
  g_autoptr(json_t) status = status_of(cluster, name);
  json_t *metrics = json_object_get(status, "currentMetrics");
  g_autofree char *text = metrics ? json_text_sorted(metrics) : NULL;
  return g_strcmp0(text, sorted) == 0;
}

static int64_t wanted(Cluster *cluster, const char *version, const char *plural)
{
  g_autoptr(json_t) value = cluster_get(cluster, version, plural, true, "web");
  return json_int(json_object_get(value, "spec"), "replicas", -1);
}

static int64_t wanted_web(Cluster *cluster)
{
  return wanted(cluster, "apps/v1", "deployments");
}

/* The controller has looked twice more: what it had seen before no longer counts. */
static void look_again(void)
{
  guint before = times_asked();
  cluster_wait(times_asked() > before + 2);
}

/* --- load -------------------------------------------------------------------------------------------------------- */

static void test_load(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 2);
  set_load(100);
  add_autoscaler(cluster, "web", DEPLOYMENT ", minReplicas: 1, maxReplicas: 4, metrics: [" CPU(50) "]");
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulRescale",
                                 "New size: 4; reason: cpu resource utilization (percentage of request) above target"));
  cluster_wait(wanted_web(cluster) == 4 && ready_pods(cluster) == 4);
  /* as many as there may be, and still not enough */
  cluster_wait(has_condition(cluster, "web", "ScalingLimited", "True", "TooManyReplicas",
                             "the desired replica count is more than the maximum replica count"));
  g_assert_true(has_condition(cluster, "web", "ScalingActive", "True", "ValidMetricFound",
                              "the HPA was able to successfully calculate a replica count from cpu resource "
                              "utilization (percentage of request)"));
  cluster_wait(has_condition(cluster, "web", "AbleToScale", "True", "ReadyForNewScale",
                             "recommended size matches current size"));
  g_autoptr(json_t) status = status_of(cluster, "web");
  g_autofree char *metrics = json_text(json_object_get(status, "currentMetrics"));
  g_assert_cmpstr(metrics, ==,
                  "[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"current\":{\"averageValue\":\"100m\","
                  "\"averageUtilization\":100}}}]");
  g_assert_cmpint(json_int(status, "currentReplicas", 0), ==, 4);
  g_assert_cmpint(json_int(status, "desiredReplicas", 0), ==, 4);
  int64_t time_us;
  g_assert_true(timestamp_parse(json_str(status, "lastScaleTime", NULL), &time_us));
  /* near enough to the target: nothing is done */
  set_load(52);
  look_again();
  g_assert_cmpint(wanted_web(cluster), ==, 4);
  set_load(10);
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulRescale", "New size: 1; reason: All metrics below target"));
  cluster_wait(ready_pods(cluster) == 1 && wanted_web(cluster) == 1);
  set_load(1);
  cluster_wait(has_condition(cluster, "web", "ScalingLimited", "False", "DesiredWithinRange",
                             "the desired count is within the acceptable range"));
  stop(cluster);
}

/* Fewer pods only when nothing more was asked for in the window: what there was at the start counts. */
static void test_stabilization(void)
{
  Cluster *cluster = start(300 * SECOND);
  add_deployment(cluster, 3);
  set_load(10);
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 4, metrics: [" CPU(50) "]");
  cluster_wait(
      has_condition(cluster, "web", "AbleToScale", "True", "ScaleDownStabilized",
                    "recent recommendations were higher than current one, applying the highest recent recommendation"));
  look_again();
  g_assert_cmpint(wanted_web(cluster), ==, 3);
  /* a behavior's own window goes before the controller's */
  cluster_patch(cluster, "autoscaling/v2", "horizontalpodautoscalers", "web",
                "{spec: {behavior: {scaleDown: {stabilizationWindowSeconds: 0}}}}");
  cluster_wait(wanted_web(cluster) == 1);
  stop(cluster);
}

static void test_behavior(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 2);
  set_load(1000);
  add_autoscaler(cluster, "web",
                 DEPLOYMENT ", maxReplicas: 20, metrics: [" CPU(
                     50) "], behavior: {scaleUp: {policies: [{type: Pods, "
                         "value: 1, periodSeconds: 600}]}, scaleDown: {selectPolicy: Disabled}}");
  cluster_wait(has_condition(cluster, "web", "ScalingLimited", "True", "ScaleUpLimit",
                             "the desired replica count is increasing faster than the maximum scale rate"));
  cluster_wait(wanted_web(cluster) == 3 && ready_pods(cluster) == 3);
  look_again(); /* one in ten minutes it is */
  g_assert_cmpint(wanted_web(cluster), ==, 3);
  set_load(1);
  cluster_wait(has_condition(cluster, "web", "ScalingLimited", "True", "ScaleDownLimit",
                             "the desired replica count is decreasing faster than the maximum scale rate"));
  g_assert_cmpint(wanted_web(cluster), ==, 3);
  stop(cluster);
}

/* What the API fills in of a behavior. */
static void test_behavior_defaults(void)
{
  Cluster *cluster = start(1);
  add_autoscaler(cluster, "web",
                 DEPLOYMENT ", maxReplicas: 20, behavior: {scaleDown: {stabilizationWindowSeconds: 7}}");
  g_autoptr(json_t) value = cluster_get(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, "web");
  g_autofree char *text = json_text_sorted(json_at(value, "spec", "behavior", NULL));
  g_assert_cmpstr(text, ==,
                  "{\"scaleDown\":{\"policies\":[{\"periodSeconds\":15,\"type\":\"Percent\",\"value\":100}],"
                  "\"selectPolicy\":\"Max\",\"stabilizationWindowSeconds\":7},\"scaleUp\":{\"policies\":["
                  "{\"periodSeconds\":15,\"type\":\"Pods\",\"value\":4},{\"periodSeconds\":15,\"type\":\"Percent\","
                  "\"value\":100}],\"selectPolicy\":\"Max\",\"stabilizationWindowSeconds\":0}}");
  stop(cluster);
}

/* --- bounds ------------------------------------------------------------------------------------------------------ */

static void test_bounds(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 5);
  add_autoscaler(cluster, "web", DEPLOYMENT ", minReplicas: 2, maxReplicas: 3, metrics: [" CPU(50) "]");
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulRescale",
                                 "New size: 3; reason: Current number of replicas above Spec.MaxReplicas"));
  cluster_wait(wanted_web(cluster) == 3);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 1}}");
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulRescale",
                                 "New size: 2; reason: Current number of replicas below Spec.MinReplicas"));
  cluster_wait(wanted_web(cluster) == 2);
  /* who has none is left alone */
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 0}}");
  cluster_wait(has_condition(cluster, "web", "ScalingActive", "False", "ScalingDisabled",
                             "scaling is disabled since the replica count of the target is zero"));
  g_autoptr(json_t) status = status_of(cluster, "web");
  g_assert_null(json_object_get(status, "currentReplicas"));
  g_assert_cmpint(json_int(status, "desiredReplicas", -1), ==, 0);
  g_assert_cmpint(wanted_web(cluster), ==, 0);
  stop(cluster);
}

/* --- measures that cannot be had --------------------------------------------------------------------------------- */

#define NO_METRICS                                                                                                     \
  "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "      \
  "metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"

static void test_no_metrics(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 2);
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 4, metrics: [" CPU(50) "]");
  cluster_wait(cluster_has_event(cluster, "web", "FailedGetResourceMetric", NO_METRICS));
  cluster_wait(cluster_has_event(cluster, "web", "FailedComputeMetricsReplicas",
                                 "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource "
                                 "metric value: " NO_METRICS));
  cluster_wait(has_condition(cluster, "web", "ScalingActive", "False", "FailedGetResourceMetric",
                             "the HPA was unable to compute the replica count: " NO_METRICS));
  g_assert_true(has_condition(cluster, "web", "AbleToScale", "True", "SucceededGetScale",
                              "the HPA controller was able to get the target's current scale"));
  g_autoptr(json_t) status = status_of(cluster, "web");
  g_assert_cmpint(json_int(status, "currentReplicas", 0), ==, 2);
  g_assert_cmpint(json_int(status, "desiredReplicas", -1), ==, 0);
  set_answer(PODS_PATH, "{\"items\":[]}");
  cluster_wait(cluster_has_event(cluster, "web", "FailedGetResourceMetric",
                                 "unable to get metrics for resource cpu: no metrics returned from resource metrics "
                                 "API"));
  stop(cluster);
}

static void test_no_requests(void)
{
  Cluster *cluster = start(1);
  cluster_create(
      cluster, "apps/v1", "deployments", true,
      "{metadata: {name: web}, spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: "
      "{labels: {app: web}}, spec: {containers: [{name: web, image: i}]}}}}");
  cluster_wait(ready_pods(cluster) == 1);
  set_load(5);
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 4, metrics: [" CPU(50) "]");
  cluster_wait(
      cluster_has_event(cluster, "web", "FailedGetResourceMetric",
                        "failed to get cpu utilization: missing request for cpu in container web of Pod web-"));
  stop(cluster);
}

/* --- targets ----------------------------------------------------------------------------------------------------- */

#define FAILED "the HPA controller was unable to get the target's current scale: "

static void test_no_target(void)
{
  static const struct {
    const char *name, *reference, *text;
  } table[] = {
    { "gone", REFERENCE("apps/v1", "Deployment"), "deployments.apps \"web\" not found" },
    { "unknown", REFERENCE("apps/v1", "Gadget"), "no matches for kind \"Gadget\" in group \"apps\"" },
    { "unscaled", REFERENCE("v1", "Pod"), "the server could not find the requested resource" },
    { "odd", REFERENCE("a/b/c", "Deployment"), "unexpected GroupVersion string: a/b/c" },
  };
  Cluster *cluster = start(1);
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autofree char *spec = g_strconcat(table[i].reference, ", maxReplicas: 4", NULL);
    g_autofree char *message = g_strconcat(FAILED, table[i].text, NULL);
    add_autoscaler(cluster, table[i].name, spec);
    cluster_wait(has_condition(cluster, table[i].name, "AbleToScale", "False", "FailedGetScale", message));
    cluster_wait(cluster_has_event(cluster, table[i].name, "FailedGetScale", table[i].text));
  }
  g_assert_cmpuint(times_asked(), ==, 0);
  /* it comes: that is seen without a change of the autoscaler */
  set_load(100);
  add_deployment(cluster, 1);
  cluster_wait(wanted_web(cluster) > 1);
  stop(cluster);
}

static void test_kinds(void)
{
  static const struct {
    const char *version, *kind, *plural, *yaml;
  } table[] = {
    { "apps/v1", "ReplicaSet", "replicasets", "{metadata: {name: web}, spec: {replicas: 1, " TEMPLATE "}}" },
    { "apps/v1", "StatefulSet", "statefulsets",
      "{metadata: {name: web}, spec: {serviceName: web, replicas: 1, " TEMPLATE "}}" },
    { "v1", "ReplicationController", "replicationcontrollers",
      "{metadata: {name: web}, spec: {replicas: 1, selector: {app: web}, template: {metadata: {labels: {app: web}}, "
      "spec: {containers: [{name: web, image: i, resources: {requests: {cpu: 100m}}}]}}}}" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    Cluster *cluster = start(1);
    g_autofree char *spec =
        g_strdup_printf("scaleTargetRef: {apiVersion: %s, kind: %s, name: web}, maxReplicas: 2, metrics: [" CPU(50) "]",
                        table[i].version, table[i].kind);
    set_load(100);
    cluster_create(cluster, table[i].version, table[i].plural, true, table[i].yaml);
    add_autoscaler(cluster, "web", spec);
    cluster_wait(wanted(cluster, table[i].version, table[i].plural) == 2 && ready_pods(cluster) == 2);
    stop(cluster);
  }
}

/* Two that look after the same pods stop, until one goes. */
static void test_ambiguous(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 2);
  set_load(50);
  add_autoscaler(cluster, "one", DEPLOYMENT ", maxReplicas: 4, metrics: [" CPU(50) "]");
  add_autoscaler(cluster, "two", DEPLOYMENT ", maxReplicas: 5, metrics: [" CPU(50) "]");
  const char *text = "pods by selector app=web are controlled by multiple HPAs: [default/one default/two]";
  cluster_wait(has_condition(cluster, "one", "ScalingActive", "False", "AmbiguousSelector", text));
  cluster_wait(has_condition(cluster, "two", "ScalingActive", "False", "AmbiguousSelector", text));
  cluster_wait(cluster_has_event(cluster, "one", "AmbiguousSelector", text));
  cluster_wait(cluster_has_event(cluster, "two", "FailedComputeMetricsReplicas", text));
  cluster_delete(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, "two", NULL);
  set_load(100);
  cluster_wait(wanted_web(cluster) == 4);
  stop(cluster);
}

/* --- other measures ---------------------------------------------------------------------------------------------- */

#define CUSTOM "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/"
#define EXTERNAL "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/"

static void test_pods_metric(void)
{
  const char *path = CUSTOM "pods/*/qps?labelSelector=app%3Dweb&metricLabelSelector=verb%3DGET";
  Cluster *cluster = start(1);
  add_deployment(cluster, 1);
  add_autoscaler(cluster, "web",
                 DEPLOYMENT ", maxReplicas: 4, metrics: [{type: Pods, pods: {metric: {name: qps, selector: "
                            "{matchLabels: {verb: GET}}}, target: {type: AverageValue, averageValue: '10'}}}]");
  cluster_wait(cluster_has_event(cluster, "web", "FailedGetPodsMetric",
                                 "unable to get metric qps: unable to fetch metrics from custom metrics API: no custom "
                                 "metrics API (custom.metrics.k8s.io) registered"));
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", "web");
  g_autofree char *answer = g_strdup_printf(
      "{\"items\":[{\"describedObject\":{\"name\":\"%s\"},\"value\":\"20500m\"}]}", object_name(pods->pdata[0]));
  set_answer(path, answer);
  set_answer("/apis/custom.metrics.k8s.io", "{\"preferredVersion\":{\"version\":\"v1beta2\"}}");
  cluster_wait(
      cluster_has_event(cluster, "web", "SuccessfulRescale", "New size: 3; reason: pods metric qps above target"));
  g_assert_true(was_asked(path));
  cluster_wait(measures_are(cluster, "web",
                            "[{\"pods\":{\"current\":{\"averageValue\":\"20500m\"},\"metric\":{\"name\":\"qps\","
                            "\"selector\":{\"matchLabels\":{\"verb\":\"GET\"}}}},\"type\":\"Pods\"}]"));
  stop(cluster);
}

static void test_object_metric(void)
{
  Cluster *cluster = start(1);
  set_answer("/apis/custom.metrics.k8s.io", "{\"preferredVersion\":{\"version\":\"v1beta2\"}}");
  add_deployment(cluster, 1);
#define OBJECT(target)                                                                                                 \
  "metrics: [{type: Object, object: {metric: {name: hits}, describedObject: {apiVersion: networking.k8s.io/v1, kind: " \
  "Ingress, name: front}, target: {" target "}}}]"
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 9, " OBJECT("type: Value, value: '100'"));
  cluster_wait(cluster_has_event(cluster, "web", "FailedGetObjectMetric",
                                 "unable to get metric hits: unable to fetch metrics from custom metrics API: the "
                                 "server could not find the requested resource (get pods.metrics.k8s.io) on Ingress "
                                 "default/front"));
  set_answer(CUSTOM "ingresses.networking.k8s.io/front/hits", "{\"items\":[{\"value\":\"200\"}]}");
  cluster_wait(
      cluster_has_event(cluster, "web", "SuccessfulRescale", "New size: 2; reason: Ingress metric hits above target"));
  cluster_delete(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, "web", NULL);
  /* of a namespace, its own */
  set_answer(CUSTOM "metrics/hits", "{\"items\":[{\"value\":\"1\"}]}");
  add_autoscaler(cluster, "own",
                 DEPLOYMENT ", maxReplicas: 9, metrics: [{type: Object, object: {metric: {name: hits}, "
                            "describedObject: {apiVersion: v1, kind: Namespace, name: other}, target: {type: Value, "
                            "value: '100'}}}]");
  cluster_wait(cluster_has_event(cluster, "own", "SuccessfulRescale", "New size: 1; reason: All metrics below target"));
  stop(cluster);
#undef OBJECT
}

static void test_external_metric(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 1);
  set_answer(EXTERNAL "lag?labelSelector=queue%3Dq1", "{\"items\":[{\"value\":\"15\"},{\"value\":\"15\"}]}");
  add_autoscaler(cluster, "web",
                 DEPLOYMENT ", maxReplicas: 9, metrics: [{type: External, external: {metric: {name: lag, selector: "
                            "{matchLabels: {queue: q1}}}, target: {type: AverageValue, averageValue: '10'}}}]");
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulRescale",
                                 "New size: 3; reason: external metric lag(&LabelSelector{MatchLabels:"
                                 "map[string]string{queue: q1,},MatchExpressions:[]LabelSelectorRequirement{},}) above "
                                 "target"));
  cluster_wait(ready_pods(cluster) == 3);
  cluster_patch(
      cluster, "autoscaling/v2", "horizontalpodautoscalers", "web",
      "{spec: {metrics: [{type: External, external: {metric: {name: gone}, target: {type: Value, value: '10'}}}]}}");
  cluster_wait(cluster_has_event(cluster, "web", "FailedGetExternalMetric",
                                 "unable to get external metric default/gone/nil: unable to fetch metrics from "
                                 "external metrics API: the server could not find the requested resource"));
  stop(cluster);
}

static void test_container_metric(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 1);
  set_load(100);
  add_autoscaler(cluster, "web",
                 DEPLOYMENT ", maxReplicas: 9, metrics: [{type: ContainerResource, containerResource: {name: cpu, "
                            "container: web, target: {type: Utilization, averageUtilization: 50}}}]");
  cluster_wait(cluster_has_event(
      cluster, "web", "SuccessfulRescale",
      "New size: 2; reason: cpu container resource utilization (percentage of request) above target"));
  cluster_patch(cluster, "autoscaling/v2", "horizontalpodautoscalers", "web",
                "{spec: {metrics: [{type: ContainerResource, containerResource: {name: cpu, container: side, target: "
                "{type: AverageValue, averageValue: 50m}}}]}}");
  cluster_wait(cluster_has_event(cluster, "web", "FailedGetContainerResourceMetric",
                                 "failed to get container metrics: container side not present in metrics for pod "
                                 "default/web-"));
  stop(cluster);
}

/* The measure that asks for the most counts; when one cannot be told, the others may still ask for more, not for less.
 */
static void test_several_metrics(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 2);
  set_load(100);
  set_answer(EXTERNAL "lag", "{\"items\":[{\"value\":\"3\"}]}");
#define LAG(name)                                                                                                      \
  "{type: External, external: {metric: {name: " name "}, target: {type: AverageValue, averageValue: '1'}}}"
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 9, metrics: [" LAG("lag") ", " CPU(50) "]");
  cluster_wait(cluster_has_event(cluster, "web", "SuccessfulRescale",
                                 "New size: 4; reason: cpu resource utilization (percentage of request) above target"));
  cluster_delete(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, "web", NULL);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 2}}");
  cluster_wait(ready_pods(cluster) == 2);
  set_load(1);
  add_autoscaler(cluster, "half", DEPLOYMENT ", maxReplicas: 9, metrics: [" LAG("none") ", " CPU(50) "]");
  cluster_wait(cluster_has_event(cluster, "half", "FailedComputeMetricsReplicas",
                                 "invalid metrics (1 invalid out of 2), first error is: failed to get none external "
                                 "metric value: failed to get none external metric: unable to get external metric "
                                 "default/none/nil: "));
  g_assert_cmpint(wanted_web(cluster), ==, 2);
  set_load(100);
  cluster_wait(cluster_has_event(cluster, "half", "SuccessfulRescale", "New size: 4; reason: cpu resource"));
  stop(cluster);
#undef LAG
}

/* --- races ------------------------------------------------------------------------------------------------------- */

/* The target changes while the measures are asked for: nothing is overwritten, and it is tried again. */
static void test_conflict(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 1);
  set_load(100);
  set_meddling(true);
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 2, metrics: [" CPU(50) "]");
  cluster_wait(cluster_has_event(cluster, "web", "FailedRescale",
                                 "New size: 2; reason: cpu resource utilization (percentage of request) above target; "
                                 "error: Operation cannot be fulfilled on deployments.apps \"web\": the object has "
                                 "been modified; please apply your changes to the latest version and try again"));
  set_meddling(false);
  cluster_wait(wanted_web(cluster) == 2);
  cluster_wait(has_condition(cluster, "web", "AbleToScale", "True", "ReadyForNewScale",
                             "recommended size matches current size"));
  stop(cluster);
}

/* How often the autoscaler NAME found no target. */
static int64_t times_warned(Cluster *cluster, const char *name)
{
  g_autoptr(GPtrArray) events = cluster_list(cluster, "v1", "events", NULL);
  int64_t count = 0;
  for (guint i = 0; i < events->len; i++) {
    const json_t *event = object_json(events->pdata[i]);
    if (strcmp(json_str(json_object_get(event, "involvedObject"), "name", ""), name) == 0 &&
        strcmp(json_str(event, "reason", ""), "FailedGetScale") == 0)
      count += json_int(event, "count", 1);
  }
  return count;
}

/* Nothing is asked while there is nobody to ask for. */
static void test_idle(void)
{
  Cluster *cluster = start(1);
  add_deployment(cluster, 1);
  set_load(50);
  g_assert_cmpuint(times_asked(), ==, 0);
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 2, metrics: [" CPU(50) "]");
  cluster_wait(times_asked() > 3);
  cluster_delete(cluster, "autoscaling/v2", "horizontalpodautoscalers", true, "web", NULL);
  /* another one, which has no target, tells how time goes by */
  add_autoscaler(cluster, "other", REFERENCE("v1", "ReplicationController") ", maxReplicas: 2");
  cluster_wait(times_warned(cluster, "other") >= 3);
  guint before = times_asked();
  cluster_wait(times_warned(cluster, "other") >= 8);
  g_assert_cmpuint(times_asked(), ==, before);
  stop(cluster);
}

/* A new start takes up where the last one ended; what there is counts as asked for. */
static void test_restart(void)
{
  Cluster *cluster = start(300 * SECOND);
  add_deployment(cluster, 1);
  set_load(100);
  add_autoscaler(cluster, "web", DEPLOYMENT ", maxReplicas: 3, metrics: [" CPU(50) "]");
  cluster_wait(wanted_web(cluster) > 1);
  cluster_stop(cluster);
  cluster_resume(cluster);
  cluster_wait(wanted_web(cluster) == 3 && ready_pods(cluster) == 3);
  set_load(1);
  cluster_wait(
      has_condition(cluster, "web", "AbleToScale", "True", "ScaleDownStabilized",
                    "recent recommendations were higher than current one, applying the highest recent recommendation"));
  g_assert_cmpint(wanted_web(cluster), ==, 3);
  stop(cluster);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/horizontal-autoscaler/load", test_load);
  g_test_add_func("/horizontal-autoscaler/stabilization", test_stabilization);
  g_test_add_func("/horizontal-autoscaler/behavior", test_behavior);
  g_test_add_func("/horizontal-autoscaler/behavior-defaults", test_behavior_defaults);
  g_test_add_func("/horizontal-autoscaler/bounds", test_bounds);
  g_test_add_func("/horizontal-autoscaler/no-metrics", test_no_metrics);
  g_test_add_func("/horizontal-autoscaler/no-requests", test_no_requests);
  g_test_add_func("/horizontal-autoscaler/no-target", test_no_target);
  g_test_add_func("/horizontal-autoscaler/kinds", test_kinds);
  g_test_add_func("/horizontal-autoscaler/ambiguous", test_ambiguous);
  g_test_add_func("/horizontal-autoscaler/pods-metric", test_pods_metric);
  g_test_add_func("/horizontal-autoscaler/object-metric", test_object_metric);
  g_test_add_func("/horizontal-autoscaler/external-metric", test_external_metric);
  g_test_add_func("/horizontal-autoscaler/container-metric", test_container_metric);
  g_test_add_func("/horizontal-autoscaler/several-metrics", test_several_metrics);
  g_test_add_func("/horizontal-autoscaler/conflict", test_conflict);
  g_test_add_func("/horizontal-autoscaler/idle", test_idle);
  g_test_add_func("/horizontal-autoscaler/restart", test_restart);
  return g_test_run();
}

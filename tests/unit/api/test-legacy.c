/* Old versions of kinds: what they become when stored, what they are shown as, and that nothing is lost on the way. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/validation.h"

static ApiScheme *scheme;

static const ApiKind *kind_of(const char *group, const char *version, const char *kind)
{
  const ApiKind *found = api_scheme_kind(scheme, group, version, kind);
  g_assert_nonnull(found);
  return found;
}

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

static void assert_same(const json_t *value, const json_t *expected)
{
  g_autofree char *text = json_dumps(value, JSON_SORT_KEYS), *expected_text = json_dumps(expected, JSON_SORT_KEYS);
  g_assert_cmpstr(text, ==, expected_text);
}

static json_t *to_storage(const ApiKind *kind, const json_t *value)
{
  return kind->convert_to_storage ? kind->convert_to_storage(value) : json_deep_copy(value);
}

static json_t *from_storage(const ApiKind *kind, const json_t *value)
{
  return kind->convert_from_storage ? kind->convert_from_storage(value) : json_deep_copy(value);
}

/* OLD is stored as STORED, and STORED is shown as OLD; OLD is left as it was. */
static void check(const ApiKind *kind, const char *old, const char *stored)
{
  g_autoptr(json_t) old_value = parse(old), stored_value = parse(stored), untouched = parse(old);
  g_autoptr(json_t) converted = to_storage(kind, old_value), back = from_storage(kind, stored_value);
  assert_same(converted, stored_value);
  assert_same(back, old_value);
  assert_same(old_value, untouched);
}

/* --- conversions ---------------------------------------------------------------------------------------------------
 */

static void test_ingress(void)
{
  static const char *const groups[] = { "extensions", "networking.k8s.io" };
  for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
    const ApiKind *kind = kind_of(groups[i], "v1beta1", "Ingress");
    check(kind, "{\"spec\":{\"backend\":{\"serviceName\":\"a\",\"servicePort\":80}}}",
          "{\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"a\",\"port\":{\"number\":80}}}}}");
    check(kind,
          "{\"spec\":{\"rules\":[{\"host\":\"h\"},{\"http\":{\"paths\":[{\"path\":\"/\",\"backend\":{\"serviceName\":"
          "\"a\",\"servicePort\":\"http\"}}]}}]}}",
          "{\"spec\":{\"rules\":[{\"host\":\"h\"},{\"http\":{\"paths\":[{\"path\":\"/\",\"backend\":{\"service\":{"
          "\"name\":\"a\",\"port\":{\"name\":\"http\"}}}}]}}]}}");
    check(kind, "{\"spec\":{\"backend\":{\"resource\":{\"kind\":\"K\",\"name\":\"n\"}}}}",
          "{\"spec\":{\"defaultBackend\":{\"resource\":{\"kind\":\"K\",\"name\":\"n\"}}}}");
    check(kind, "{\"metadata\":{\"name\":\"bare\"}}", "{\"metadata\":{\"name\":\"bare\"}}");
  }
}

static void test_disruption_budget(void)
{
#define NOBODY "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
  const ApiKind *kind = kind_of("policy", "v1beta1", "PodDisruptionBudget");
  check(kind, "{\"spec\":{\"selector\":{}}}",
        "{\"spec\":{\"selector\":{\"matchExpressions\":[{\"key\":\"" NOBODY "\",\"operator\":\"Exists\"}]}}}");
  check(kind,
        "{\"spec\":{\"selector\":{\"matchExpressions\":[{\"key\":\"" NOBODY "\",\"operator\":\"DoesNotExist\"}]}}}",
        "{\"spec\":{\"selector\":{}}}");
  check(kind, "{\"spec\":{\"minAvailable\":1}}", "{\"spec\":{\"minAvailable\":1}}");
  check(kind, "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}}}}",
        "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}}}}");
  /* beside what the user wants it has no meaning */
  g_autoptr(json_t) mixed = parse("{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{"
                                  "\"key\":\"" NOBODY "\",\"operator\":\"Exists\"}]}}}");
  g_autoptr(json_t) stored = to_storage(kind, mixed);
  g_autoptr(json_t) expected = parse("{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}}}}");
  assert_same(stored, expected);
}

static void test_autoscaler(void)
{
  const ApiKind *kind = kind_of("autoscaling", "v2beta1", "HorizontalPodAutoscaler");
  static const char *const metrics[][2] = {
    { "{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"targetAverageUtilization\":50}}",
      "{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\","
      "\"averageUtilization\":50}}}" },
    { "{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"targetAverageValue\":\"1Gi\"}}",
      "{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"target\":{\"type\":\"AverageValue\","
      "\"averageValue\":\"1Gi\"}}}" },
    { "{\"type\":\"Pods\",\"pods\":{\"metricName\":\"rps\",\"targetAverageValue\":\"1k\"}}",
      "{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"rps\"},\"target\":{\"type\":\"AverageValue\","
      "\"averageValue\":\"1k\"}}}" },
    { "{\"type\":\"External\",\"external\":{\"metricName\":\"q\",\"metricSelector\":{\"matchLabels\":{\"a\":\"b\"}},"
      "\"targetValue\":\"30\"}}",
      "{\"type\":\"External\",\"external\":{\"metric\":{\"name\":\"q\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}}},"
      "\"target\":{\"type\":\"Value\",\"value\":\"30\"}}}" },
    { "{\"type\":\"Object\",\"object\":{\"target\":{\"kind\":\"Ingress\",\"name\":\"i\"},\"metricName\":\"rps\","
      "\"targetValue\":\"2k\"}}",
      "{\"type\":\"Object\",\"object\":{\"describedObject\":{\"kind\":\"Ingress\",\"name\":\"i\"},\"metric\":{\"name\":"
      "\"rps\"},\"target\":{\"type\":\"Value\",\"value\":\"2k\"}}}" },
    { "{\"type\":\"Object\",\"object\":{\"target\":{\"kind\":\"Ingress\",\"name\":\"i\"},\"metricName\":\"rps\","
      "\"targetValue\":\"0\",\"averageValue\":\"5\"}}",
      "{\"type\":\"Object\",\"object\":{\"describedObject\":{\"kind\":\"Ingress\",\"name\":\"i\"},\"metric\":{\"name\":"
      "\"rps\"},\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"5\"}}}" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(metrics); i++) {
    g_autofree char *old =
        g_strdup_printf("{\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{\"kind\":\"D\",\"name\":"
                        "\"d\"},\"metrics\":[%s]},\"metadata\":{},\"status\":{\"desiredReplicas\":0}}",
                        metrics[i][0]);
    g_autofree char *stored = g_strdup_printf("{\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{\"kind\":\"D\","
                                              "\"name\":\"d\"},\"metrics\":[%s]},\"metadata\":{},\"status\":{"
                                              "\"desiredReplicas\":0}}",
                                              metrics[i][1]);
    check(kind, old, stored);
  }
}

/* What v2beta1 cannot say is kept for who writes back what was read, but only as far as it makes sense. */
static void test_autoscaler_behavior(void)
{
  const ApiKind *kind = kind_of("autoscaling", "v2beta1", "HorizontalPodAutoscaler");
  g_autoptr(json_t) stored = parse("{\"metadata\":{},\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{\"kind\":\"D\","
                                   "\"name\":\"d\"},\"behavior\":{\"scaleDown\":{\"stabilizationWindowSeconds\":10}}},"
                                   "\"status\":{\"desiredReplicas\":0}}");
  g_autoptr(json_t) shown = from_storage(kind, stored);
  g_assert_null(json_at(shown, "spec", "behavior", NULL));
  g_autoptr(json_t) back = to_storage(kind, shown);
  assert_same(back, stored);
  json_object_set_new(json_at(shown, "metadata", "annotations", NULL), "autoscaling.alpha.kubernetes.io/behavior",
                      json_string("{\"scaleDown\":7}"));
  g_autoptr(json_t) nonsense = to_storage(kind, shown);
  g_assert_null(json_at(nonsense, "spec", "behavior", NULL));
  g_assert_cmpstr(
      json_str(json_at(nonsense, "metadata", "annotations", NULL), "autoscaling.alpha.kubernetes.io/behavior", ""), ==,
      "{\"scaleDown\":7}");
}

static void test_endpoint_slice(void)
{
  const ApiKind *kind = kind_of("discovery.k8s.io", "v1beta1", "EndpointSlice");
  check(kind,
        "{\"endpoints\":[{\"nodeName\":\"n\",\"topology\":{\"kubernetes.io/hostname\":\"n\","
        "\"topology.kubernetes.io/zone\":\"z\",\"rack\":\"r\"}}]}",
        "{\"endpoints\":[{\"nodeName\":\"n\",\"zone\":\"z\",\"deprecatedTopology\":{\"rack\":\"r\"}}]}");
  /* the name of the host may be another one than the node's */
  check(kind, "{\"endpoints\":[{\"nodeName\":\"n\",\"topology\":{\"kubernetes.io/hostname\":\"h\"}}]}",
        "{\"endpoints\":[{\"nodeName\":\"n\",\"deprecatedTopology\":{\"kubernetes.io/hostname\":\"h\"}}]}");
  check(kind, "{\"endpoints\":[{\"addresses\":[\"1.2.3.4\"]}]}", "{\"endpoints\":[{\"addresses\":[\"1.2.3.4\"]}]}");
  g_autoptr(json_t) old = parse("{\"endpoints\":[{\"topology\":{\"kubernetes.io/hostname\":\"n\"}}]}");
  g_autoptr(json_t) stored = to_storage(kind, old), expected = parse("{\"endpoints\":[{\"nodeName\":\"n\"}]}");
  assert_same(stored, expected);
}

static void test_workloads(void)
{
  static const char *const groups[] = { "extensions", "apps" };
  for (gsize i = 0; i < G_N_ELEMENTS(groups); i++)
    check(kind_of(groups[i], "v1beta1", "Deployment"), "{\"metadata\":{},\"spec\":{\"rollbackTo\":{\"revision\":3}}}",
          "{\"metadata\":{\"annotations\":{\"deprecated.deployment.rollback.to\":\"3\"}},\"spec\":{}}");
  check(kind_of("extensions", "v1beta1", "DaemonSet"), "{\"metadata\":{},\"spec\":{\"templateGeneration\":2}}",
        "{\"metadata\":{\"annotations\":{\"deprecated.daemonset.template.generation\":\"2\"}},\"spec\":{}}");
  /* no number: only an annotation */
  check(kind_of("extensions", "v1beta1", "DaemonSet"),
        "{\"metadata\":{\"annotations\":{\"deprecated.daemonset.template.generation\":\"x\"}},\"spec\":{}}",
        "{\"metadata\":{\"annotations\":{\"deprecated.daemonset.template.generation\":\"x\"}},\"spec\":{}}");
}

/* --- defaults ------------------------------------------------------------------------------------------------------
 */

static void check_default(const char *group, const char *version, const char *name, const char *value,
                          const char *const *path, const char *expected)
{
  const ApiKind *kind = kind_of(group, version, name);
  g_autoptr(json_t) object = parse(value);
  api_set_defaults(kind->message, object);
  const json_t *at = object;
  for (; *path; path++)
    at = json_object_get(at, *path);
  g_autofree char *text = at ? json_dumps(at, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_COMPACT) : g_strdup("absent");
  g_assert_cmpstr(text, ==, expected);
}

#define DEFAULT(group, version, name, value, expected, ...)                                                            \
  check_default(group, version, name, value, (const char *const[]){ __VA_ARGS__, NULL }, expected)
#define LABELED "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}}}}}"

static void test_defaults(void)
{
  static const char *const labelled[][2] = { { "extensions", "Deployment" },
                                             { "extensions", "ReplicaSet" },
                                             { "extensions", "DaemonSet" },
                                             { "apps", "Deployment" },
                                             { "apps", "StatefulSet" } };
  for (gsize i = 0; i < G_N_ELEMENTS(labelled); i++) {
    const char *group = labelled[i][0], *kind = labelled[i][1];
    DEFAULT(group, "v1beta1", kind, LABELED, "{\"matchLabels\":{\"a\":\"b\"}}", "spec", "selector");
    DEFAULT(group, "v1beta1", kind, LABELED, "{\"a\":\"b\"}", "metadata", "labels");
    DEFAULT(group, "v1beta1", kind, "{\"spec\":{\"template\":{}}}", "absent", "spec", "selector");
    DEFAULT(group, "v1beta1", kind,
            "{\"metadata\":{\"labels\":{\"c\":\"d\"}},\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"y\"}},"
            "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}}}}}",
            "{\"matchLabels\":{\"x\":\"y\"}}", "spec", "selector");
  }
  DEFAULT("apps", "v1beta2", "Deployment", LABELED, "absent", "spec", "selector");
  DEFAULT("extensions", "v1beta1", "Deployment", LABELED, "2147483647", "spec", "progressDeadlineSeconds");
  DEFAULT("extensions", "v1beta1", "Deployment", LABELED, "1", "spec", "strategy", "rollingUpdate", "maxSurge");
  DEFAULT("extensions", "v1beta1", "Deployment",
          "{\"spec\":{\"strategy\":{\"rollingUpdate\":{\"maxSurge\":2}},\"template\":{}}}", "1", "spec", "strategy",
          "rollingUpdate", "maxUnavailable");
  DEFAULT("apps", "v1beta1", "Deployment", LABELED, "\"25%\"", "spec", "strategy", "rollingUpdate", "maxSurge");
  DEFAULT("apps", "v1beta1", "Deployment", LABELED, "2", "spec", "revisionHistoryLimit");
  DEFAULT("extensions", "v1beta1", "DaemonSet", LABELED, "\"OnDelete\"", "spec", "updateStrategy", "type");
  DEFAULT("extensions", "v1beta1", "DaemonSet", LABELED, "absent", "spec", "updateStrategy", "rollingUpdate");
  DEFAULT("apps", "v1beta2", "DaemonSet", LABELED, "\"RollingUpdate\"", "spec", "updateStrategy", "type");
  DEFAULT("apps", "v1beta1", "StatefulSet", LABELED, "\"OnDelete\"", "spec", "updateStrategy", "type");
  DEFAULT("extensions", "v1beta1", "NetworkPolicy", "{\"spec\":{\"podSelector\":{}}}", "[\"Ingress\"]", "spec",
          "policyTypes");
  DEFAULT("certificates.k8s.io", "v1beta1", "CertificateSigningRequest", "{\"spec\":{\"request\":\"\"}}",
          "\"kubernetes.io/legacy-unknown\"", "spec", "signerName");
}

/* --- all of them ---------------------------------------------------------------------------------------------------
 */

/* Every kind that is stored as another one says so in a warning and has the same shape around it. */
static void test_tables(void)
{
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  unsigned legacy = 0;
  for (size_t i = 0; i < n_kinds; i++) {
    const ApiKind *kind = kinds[i], *storage = kind->storage;
    if (storage == kind || !strstr(kind->version, "beta"))
      continue;
    legacy++;
    g_assert_true(storage->storage == storage);
    g_assert_cmpstr(kind->kind, ==, storage->kind);
    g_assert_cmpstr(kind->plural, ==, storage->plural);
    g_assert_true(kind->namespaced == storage->namespaced);
    g_autofree char *version = api_group_version(kind);
    g_autofree char *start = g_strdup_printf("%s %s is deprecated in v1.", version, kind->kind);
    g_assert_true(kind->deprecation && g_str_has_prefix(kind->deprecation, start));
    g_assert_cmpuint(kind->n_subresources, >=, storage->n_subresources);
    g_assert_cmpuint(kind->n_columns, >, 0);
  }
  g_assert_cmpuint(legacy, >=, 28);
}

static json_t *reference_object(const char *folder, const ApiKind *kind)
{
  g_autofree char *name =
      g_strdup_printf("%s.%s.%s.json", *kind->group ? kind->group : "core", kind->version, kind->kind);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  return json_read_file(path, NULL);
}

/* VALUE must be an object of MESSAGE, without a member that it does not know. */
static void assert_fits(const ApiKind *kind, const json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) copy = json_deep_copy(value);
  codec_prune(kind->message, kind->version, kind->kind, copy, FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
}

static void set_version(json_t *value, const ApiKind *kind)
{
  g_autofree char *version = api_group_version(kind);
  json_object_set_new(value, "apiVersion", json_string(version));
}

/* The filled object of every old version survives being stored and shown again. */
static void test_reference_objects(void)
{
  const char *reference = g_getenv("LAUNCHER_REFERENCE");
  g_autofree char *folder = g_build_filename(reference ? reference : "", "data", "api-objects", NULL);
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  unsigned checked = 0;
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
    g_test_skip("the reference objects are not here (LAUNCHER_REFERENCE)");
    return;
  }
  for (size_t i = 0; i < n_kinds; i++) {
    const ApiKind *kind = kinds[i];
    g_autoptr(json_t) object = kind->storage == kind ? NULL : reference_object(folder, kind);
    if (!object)
      continue;
    g_autoptr(json_t) stored = to_storage(kind, object);
    set_version(stored, kind->storage);
    assert_fits(kind->storage, stored);
    g_autoptr(json_t) shown = from_storage(kind, stored);
    set_version(shown, kind);
    assert_fits(kind, shown);
    g_autoptr(json_t) again = to_storage(kind, shown);
    set_version(again, kind->storage);
    assert_same(again, stored);
    g_test_message("%s/%s %s", kind->group, kind->version, kind->kind);
    checked++;
  }
  g_assert_cmpuint(checked, >=, 28);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/legacy/ingress", test_ingress);
  g_test_add_func("/legacy/disruption-budget", test_disruption_budget);
  g_test_add_func("/legacy/autoscaler", test_autoscaler);
  g_test_add_func("/legacy/autoscaler-behavior", test_autoscaler_behavior);
  g_test_add_func("/legacy/endpoint-slice", test_endpoint_slice);
  g_test_add_func("/legacy/workloads", test_workloads);
  g_test_add_func("/legacy/defaults", test_defaults);
  g_test_add_func("/legacy/tables", test_tables);
  g_test_add_func("/legacy/reference-objects", test_reference_objects);
  int result = g_test_run();
  api_scheme_free(scheme);
  return result;
}

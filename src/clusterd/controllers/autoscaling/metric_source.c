#include "clusterd/controllers/autoscaling/metric_source.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/controllers/autoscaling/replica_math.h"

#define CUSTOM "custom.metrics.k8s.io"
#define WINDOW_US (60 * (int64_t)G_USEC_PER_SEC) /* of a custom metric that does not say how long it was measured */

/* --- asking ------------------------------------------------------------------------------------------------------ */

static json_t *ask(const MetricSource *source, const char *path, GError **error)
{
  if (source->get)
    return source->get(source->issuer, path, error);
  reason_set(error, REASON_NOT_FOUND, "the server could not find the requested resource");
  return NULL;
}

/* The list that is at PATH; OF ("resource metrics API") names it in errors. An empty one is an error. New reference. */
static json_t *ask_list(const MetricSource *source, const char *path, const char *of, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) answer = ask(source, path, &problem);
  const json_t *items = json_object_get(answer, "items");
  if (!answer)
    reason_set(error, reason_of(problem), "unable to fetch metrics from %s: %s", of, problem->message);
  else if (json_array_size(items) == 0)
    reason_set(error, REASON_NOT_FOUND, "no metrics returned from %s", of);
  else if (json_array_size(items) > METRIC_ITEMS_MAX)
    reason_set(error, REASON_REQUEST_TOO_LARGE, "more than %d metrics returned from %s", METRIC_ITEMS_MAX, of);
  else
    return g_steal_pointer(&answer);
  return NULL;
}

static char *escape(const char *text)
{
  return g_uri_escape_string(text, NULL, FALSE);
}

/* "NAME=text" of a selector for a query; nothing for one that selects everything or, as upstream has it, nothing. */
static void add_parameter(GString *path, const char *name, const char *text)
{
  if (!text || !*text)
    return;
  g_autofree char *escaped = escape(text);
  g_string_append_printf(path, "%c%s=%s", strchr(path->str, '?') ? '&' : '?', name, escaped);
}

static bool add_labels(GString *path, const char *name, const json_t *labels, GError **error)
{
  if (!labels)
    return true;
  g_autoptr(LabelSelector) selector = label_selector_from_json(labels, error);
  if (!selector)
    return false;
  g_autofree char *text = label_selector_text(selector);
  add_parameter(path, name, text);
  return true;
}

static bool milli_of(const json_t *object, const char *member, int64_t *milli)
{
  Quantity quantity;
  const char *text = json_str(object, member, NULL);
  if (!text || !quantity_parse(text, &quantity, NULL))
    return false;
  *milli = quantity_milli(quantity);
  return true;
}

static GHashTable *samples_new(void)
{
  return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void samples_add(GHashTable *samples, const json_t *item, const char *name, int64_t milli, int64_t window_us)
{
  PodSample *sample = g_new(PodSample, 1);
  *sample = (PodSample){ .milli = milli, .window_us = window_us };
  timestamp_parse(json_str(item, "timestamp", NULL), &sample->time_us);
  g_hash_table_insert(samples, g_strdup(name), sample);
}

/* --- resources --------------------------------------------------------------------------------------------------- */

/* Go's text of a duration: "30s", "1m2.5s", "300ms". 0 when it is none. */
static int64_t duration_us(const char *text)
{
  static const struct {
    const char *unit;
    double us;
  } units[] = { { "h", 3600e6 }, { "ms", 1e3 }, { "m", 60e6 }, { "s", 1e6 }, { "us", 1 }, { "µs", 1 }, { "ns", 1e-3 } };
  double total = 0;
  while (*text) {
    char *end;
    gsize i = 0;
    double number = g_ascii_strtod(text, &end);
    while (i < G_N_ELEMENTS(units) && !g_str_has_prefix(end, units[i].unit))
      i++;
    if (end == text || i == G_N_ELEMENTS(units))
      return 0;
    total += number * units[i].us;
    text = end + strlen(units[i].unit);
  }
  return total > 0 && total < 1e15 ? (int64_t)total : 0;
}

/* What all containers of the pod use. False when one was not measured. */
static bool sum_containers(const json_t *item, const char *resource, int64_t *milli)
{
  const json_t *containers = json_object_get(item, "containers");
  size_t i;
  json_t *container;
  __int128 sum = 0;
  json_array_foreach (containers, i, container) {
    int64_t one;
    if (!milli_of(json_object_get(container, "usage"), resource, &one))
      return false;
    sum += one;
  }
  *milli = (int64_t)CLAMP(sum, INT64_MIN, INT64_MAX);
  return i > 0;
}

static bool add_pod(GHashTable *samples, const json_t *item, const char *resource, const char *container,
                    GError **error)
{
  const json_t *metadata = json_object_get(item, "metadata");
  const char *name = json_str(metadata, "name", "");
  const json_t *named = container ? json_find(json_object_get(item, "containers"), "name", container) : NULL;
  int64_t milli;
  if (container && !named)
    return reason_set(error, REASON_NOT_FOUND,
                      "failed to get container metrics: container %s not present in metrics for pod %s/%s", container,
                      json_str(metadata, "namespace", ""), name);
  bool measured =
      container ? milli_of(json_object_get(named, "usage"), resource, &milli) : sum_containers(item, resource, &milli);
  if (measured)
    samples_add(samples, item, name, milli, duration_us(json_str(item, "window", "")));
  return true;
}

GHashTable *metric_source_resource(const MetricSource *source, const char *namespace_, const char *resource,
                                   const char *container, const char *pods, GError **error)
{
  g_autoptr(GString) path = g_string_new(NULL);
  g_string_printf(path, "/apis/metrics.k8s.io/v1beta1/namespaces/%s/pods", namespace_);
  add_parameter(path, "labelSelector", pods);
  g_autoptr(json_t) list = ask_list(source, path->str, "resource metrics API", error);
  g_autoptr(GHashTable) samples = samples_new();
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(list, "items"), i, item)
    if (!add_pod(samples, item, resource, container, error))
      return NULL;
  return list ? g_steal_pointer(&samples) : NULL;
}

/* --- custom metrics ---------------------------------------------------------------------------------------------- */

/* The version of the custom metrics API to ask for; the caller frees. */
static char *custom_version(const MetricSource *source, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) group = ask(source, "/apis/" CUSTOM, &problem);
  const char *version = json_str(json_object_get(group, "preferredVersion"), "version", NULL);
  if (version && (strcmp(version, "v1beta1") == 0 || strcmp(version, "v1beta2") == 0))
    return g_strdup(version);
  if (group || reason_is(problem, REASON_NOT_FOUND))
    reason_set(error, REASON_NOT_FOUND,
               "unable to fetch metrics from custom metrics API: no custom metrics API (" CUSTOM ") registered");
  else
    reason_set(error, reason_of(problem), "unable to fetch metrics from custom metrics API: %s", problem->message);
  return NULL;
}

/* The list of NAME at BELOW ("namespaces/ns/pods/…") for the objects that PODS (NULL: the one that BELOW names)
 * matches.
 */
static json_t *ask_custom(const MetricSource *source, const char *below, const char *name, const json_t *labels,
                          const char *pods, GError **error)
{
  g_autofree char *version = custom_version(source, error);
  g_autofree char *metric = escape(name);
  if (!version)
    return NULL;
  g_autoptr(GString) path = g_string_new(NULL);
  g_string_printf(path, "/apis/" CUSTOM "/%s/%s/%s", version, below, metric);
  add_parameter(path, "labelSelector", pods);
  return add_labels(path, "metricLabelSelector", labels, error)
             ? ask_list(source, path->str, "custom metrics API", error)
             : NULL;
}

static int64_t window_of(const json_t *item)
{
  const json_t *seconds = json_object_get(item, "windowSeconds");
  if (!seconds)
    seconds = json_object_get(item, "window");
  return json_is_integer(seconds) ? CLAMP(json_integer_value(seconds), 0, INT32_MAX) * (int64_t)G_USEC_PER_SEC
                                  : WINDOW_US;
}

GHashTable *metric_source_pods(const MetricSource *source, const char *namespace_, const char *name,
                               const json_t *labels, const char *pods, GError **error)
{
  g_autofree char *below = g_strdup_printf("namespaces/%s/pods/*", namespace_);
  g_autoptr(json_t) list = ask_custom(source, below, name, labels, pods, error);
  g_autoptr(GHashTable) samples = samples_new();
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(list, "items"), i, item) {
    int64_t milli = 0;
    milli_of(item, "value", &milli);
    samples_add(samples, item, json_str(json_object_get(item, "describedObject"), "name", ""), milli, window_of(item));
  }
  return list ? g_steal_pointer(&samples) : NULL;
}

/* The kind of GROUP in whatever version is preferred. */
static const ApiKind *find_kind(const ApiScheme *scheme, const char *group, const char *kind)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *known = kinds->pdata[i];
    if (strcmp(known->group, group) == 0 && strcmp(known->kind, kind) == 0)
      return known;
  }
  return NULL;
}

/* "namespaces/ns/ingresses.networking.k8s.io/name"; the caller frees. */
static char *path_of(const MetricSource *source, const char *namespace_, const json_t *reference, GError **error)
{
  const char *version = json_str(reference, "apiVersion", ""), *slash = strchr(version, '/');
  const char *kind = json_str(reference, "kind", "");
  g_autofree char *group = slash ? g_strndup(version, (gsize)(slash - version)) : g_strdup("");
  if (!*group && strcmp(kind, "Namespace") == 0) /* nobody looks out of a namespace */
    return g_strdup_printf("namespaces/%s/metrics", namespace_);
  const ApiKind *known = find_kind(source->scheme, group, kind);
  if (!known) {
    reason_set(error, REASON_NOT_FOUND,
               "unable to fetch metrics from custom metrics API: no matches for kind \"%s\" in group \"%s\"", kind,
               group);
    return NULL;
  }
  g_autofree char *resource = api_qualified_resource(known);
  g_autofree char *name = escape(json_str(reference, "name", ""));
  return g_strdup_printf("namespaces/%s/%s/%s", namespace_, resource, name);
}

bool metric_source_object(const MetricSource *source, const char *namespace_, const json_t *reference, const char *name,
                          const json_t *labels, int64_t *milli, GError **error)
{
  g_autofree char *below = path_of(source, namespace_, reference, error);
  g_autoptr(json_t) list = below ? ask_custom(source, below, name, labels, NULL, error) : NULL;
  const json_t *items = json_object_get(list, "items");
  if (!list)
    return false;
  if (json_array_size(items) != 1)
    return reason_set(error, REASON_INTERNAL,
                      "unable to fetch metrics from custom metrics API: the custom metrics API server returned %zu "
                      "results when we asked for exactly one",
                      json_array_size(items));
  return milli_of(json_array_get(items, 0), "value", milli) ||
         reason_set(error, REASON_INTERNAL, "unable to fetch metrics from custom metrics API: \"%s\" is no quantity",
                    json_str(json_array_get(items, 0), "value", ""));
}

/* --- external metrics -------------------------------------------------------------------------------------------- */

bool metric_source_external(const MetricSource *source, const char *namespace_, const char *name, const json_t *labels,
                            int64_t *milli, GError **error)
{
  g_autofree char *metric = escape(name);
  g_autoptr(GString) path = g_string_new(NULL);
  g_string_printf(path, "/apis/external.metrics.k8s.io/v1beta1/namespaces/%s/%s", namespace_, metric);
  if (!add_labels(path, "labelSelector", labels, error))
    return false;
  g_autoptr(json_t) list = ask_list(source, path->str, "external metrics API", error);
  __int128 sum = 0;
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(list, "items"), i, item) {
    int64_t one = 0;
    milli_of(item, "value", &one);
    sum += one;
  }
  *milli = (int64_t)CLAMP(sum, INT64_MIN, INT64_MAX);
  return list != NULL;
}

#include "clusterd/server/admission/quota_evaluator.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/strategies/strategy_resources.h"

#define REQUESTS "requests."
#define LIMITS "limits."
#define CLASS_CLAIMS ".storageclass.storage.k8s.io/persistentvolumeclaims"
#define CLASS_STORAGE ".storageclass.storage.k8s.io/requests.storage"
#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

static bool is_core(const ApiKind *kind, const char *plural)
{
  return !*kind->group && g_str_equal(kind->plural, plural);
}

/* "count/pods", "count/jobs.batch"; the caller frees. */
static char *count_name(const ApiKind *kind)
{
  g_autofree char *resource = api_qualified_resource(kind);
  return g_strconcat("count/", resource, NULL);
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static bool measures_pods(const char *name)
{
  static const char *const names[] = { "cpu",
                                       "memory",
                                       "ephemeral-storage",
                                       "requests.cpu",
                                       "requests.memory",
                                       "requests.ephemeral-storage",
                                       "limits.cpu",
                                       "limits.memory",
                                       "limits.ephemeral-storage",
                                       "pods",
                                       NULL };
  return g_strv_contains(names, name) || g_str_has_prefix(name, "hugepages-") ||
         g_str_has_prefix(name, REQUESTS "hugepages-") ||
         (!resource_is_native(name) && g_str_has_prefix(name, REQUESTS));
}

static bool measures_services(const char *name)
{
  static const char *const names[] = { "services", "services.nodeports", "services.loadbalancers", NULL };
  return g_strv_contains(names, name);
}

static bool measures_claims(const char *name)
{
  static const char *const names[] = { "persistentvolumeclaims", "requests.storage", NULL };
  return g_strv_contains(names, name) || g_str_has_suffix(name, CLASS_CLAIMS) || g_str_has_suffix(name, CLASS_STORAGE);
}

/* Kinds whose number had a name before every kind's had one. */
static bool has_legacy_name(const ApiKind *kind)
{
  static const char *const plurals[] = { "configmaps", "resourcequotas", "replicationcontrollers", "secrets", NULL };
  return !*kind->group && g_strv_contains(plurals, kind->plural);
}

/* Events come and go by the thousand and are never counted. */
static bool is_ignored(const ApiKind *kind)
{
  return g_str_equal(kind->plural, "events") && (!*kind->group || g_str_equal(kind->group, "events.k8s.io"));
}

bool quota_measures(const ApiKind *kind, const char *name)
{
  if (!kind->namespaced || is_ignored(kind))
    return false;
  g_autofree char *count = count_name(kind);
  if (g_str_equal(name, count))
    return true;
  if (is_core(kind, "pods"))
    return measures_pods(name);
  if (is_core(kind, "services"))
    return measures_services(name);
  if (is_core(kind, "persistentvolumeclaims"))
    return measures_claims(name);
  return has_legacy_name(kind) && g_str_equal(name, kind->plural);
}

bool quota_measures_updates(const ApiKind *kind)
{
  return is_core(kind, "services") || is_core(kind, "persistentvolumeclaims");
}

/* --- usage ---------------------------------------------------------------------------------------------------------
 */

/* Under the names a quota may give to the REQUESTS and LIMITS of a pod or of one container. */
static void add_compute(ResourceList *usage, const ResourceList *requests, const ResourceList *limits)
{
  static const char *const native[] = { "cpu", "memory", "ephemeral-storage", NULL };
  resource_list_set(usage, "pods", resource_count(1));
  for (guint i = 0; i < requests->n; i++) {
    const ResourceEntry *entry = &requests->entries[i];
    bool plain = g_strv_contains(native, entry->name) || g_str_has_prefix(entry->name, "hugepages-");
    bool extended = !resource_is_native(entry->name) && !g_str_has_prefix(entry->name, REQUESTS);
    g_autofree char *name = g_strconcat(REQUESTS, entry->name, NULL);
    if (plain)
      resource_list_set(usage, entry->name, entry->amount);
    if (plain || extended)
      resource_list_set(usage, name, entry->amount);
  }
  for (guint i = 0; i < limits->n; i++) {
    g_autofree char *name = g_strconcat(LIMITS, limits->entries[i].name, NULL);
    if (g_strv_contains(native, limits->entries[i].name))
      resource_list_set(usage, name, limits->entries[i].amount);
  }
}

static bool has_ended(const json_t *pod)
{
  const char *phase = json_str(json_object_get(pod, "status"), "phase", "");
  return g_str_equal(phase, "Failed") || g_str_equal(phase, "Succeeded");
}

int64_t quota_pod_expiry(const json_t *pod)
{
  const json_t *metadata = json_object_get(pod, "metadata");
  const char *deletion = json_str(metadata, "deletionTimestamp", "");
  int64_t when;
  if (!*deletion || !timestamp_parse(deletion, &when))
    return 0;
  return when + json_int(metadata, "deletionGracePeriodSeconds", 0) * G_USEC_PER_SEC;
}

/* One that has ended takes nothing any more; nor does one whose node has not stopped it long after it should have. */
static void add_pod(ResourceList *usage, const json_t *pod, int64_t now_us)
{
  int64_t expiry = quota_pod_expiry(pod);
  if (has_ended(pod) || (expiry && now_us > expiry))
    return;
  g_auto(ResourceList) requests = resource_list_of_pod(pod, "requests", true);
  g_auto(ResourceList) limits = resource_list_of_pod(pod, "limits", true);
  add_compute(usage, &requests, &limits);
}

/* Node ports are not given out yet when quota is checked: what the type asks for counts. */
static int64_t node_ports(const json_t *spec)
{
  const char *type = json_str(spec, "type", "ClusterIP");
  const json_t *ports = json_object_get(spec, "ports");
  if (g_str_equal(type, "NodePort") ||
      (g_str_equal(type, "LoadBalancer") && json_flag(spec, "allocateLoadBalancerNodePorts", true)))
    return (int64_t)json_array_size(ports);
  int64_t count = 0;
  size_t i;
  json_t *port;
  if (g_str_equal(type, "LoadBalancer"))
    json_array_foreach (ports, i, port)
      count += json_int(port, "nodePort", 0) != 0;
  return count;
}

static void add_service(ResourceList *usage, const json_t *service)
{
  const json_t *spec = json_object_get(service, "spec");
  bool balanced = g_str_equal(json_str(spec, "type", ""), "LoadBalancer");
  resource_list_set(usage, "services", resource_count(1));
  resource_list_set(usage, "services.nodeports", resource_count(node_ports(spec)));
  resource_list_set(usage, "services.loadbalancers", resource_count(balanced));
}

static const char *claim_class(const json_t *claim)
{
  const char *beta = json_str(json_at(claim, "metadata", "annotations", NULL), BETA_CLASS, NULL);
  return beta ? beta : json_str(json_object_get(claim, "spec"), "storageClassName", "");
}

/* What the claim asks for, or what is still set aside for it after it asked for more. */
static bool claim_storage(const json_t *claim, Quantity *amount)
{
  const char *asked = json_str(json_at(claim, "spec", "resources", "requests", NULL), "storage", NULL);
  const char *allocated = json_str(json_at(claim, "status", "allocatedResources", NULL), "storage", NULL);
  Quantity other;
  if (!asked || !quantity_parse(asked, amount, NULL))
    return false;
  if (allocated && quantity_parse(allocated, &other, NULL) && quantity_compare(other, *amount) > 0)
    *amount = other;
  return true;
}

static void add_claim(ResourceList *usage, const json_t *claim)
{
  const char *class = claim_class(claim);
  g_autofree char *claims = g_strconcat(class, CLASS_CLAIMS, NULL);
  g_autofree char *storage = g_strconcat(class, CLASS_STORAGE, NULL);
  Quantity amount;
  resource_list_set(usage, "persistentvolumeclaims", resource_count(1));
  if (*class)
    resource_list_set(usage, claims, resource_count(1));
  if (!claim_storage(claim, &amount))
    return;
  resource_list_set(usage, "requests.storage", amount);
  if (*class)
    resource_list_set(usage, storage, amount);
}

ResourceList quota_usage(const ApiKind *kind, const json_t *object, int64_t now_us)
{
  ResourceList usage = { 0 };
  g_autofree char *count = count_name(kind);
  resource_list_set(&usage, count, resource_count(1));
  if (is_core(kind, "pods"))
    add_pod(&usage, object, now_us);
  else if (is_core(kind, "services"))
    add_service(&usage, object);
  else if (is_core(kind, "persistentvolumeclaims"))
    add_claim(&usage, object);
  else if (has_legacy_name(kind))
    resource_list_set(&usage, kind->plural, resource_count(1));
  return usage;
}

bool quota_may_shrink(const ApiKind *kind, const json_t *old, const json_t *object)
{
  if (is_core(kind, "pods"))
    return !has_ended(old) && has_ended(object);
  if (!quota_measures_updates(kind))
    return false;
  g_auto(ResourceList) before = quota_usage(kind, old, 0);
  g_auto(ResourceList) after = quota_usage(kind, object, 0);
  return !resource_list_equal(&before, &after);
}

/* --- scopes --------------------------------------------------------------------------------------------------------
 */

static bool asks_for(const json_t *container, const char *member)
{
  static const char *const names[] = { "cpu", "memory" };
  g_auto(ResourceList) list = resource_list_from_json(json_object_get(json_object_get(container, "resources"), member));
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    const Quantity *amount = resource_list_get(&list, names[i]);
    if (amount && amount->nano > 0)
      return true;
  }
  return false;
}

static bool is_best_effort(const json_t *spec)
{
  static const char *const lists[] = { "containers", "initContainers" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    size_t index;
    json_t *container;
    json_array_foreach (json_object_get(spec, lists[i]), index, container)
      if (asks_for(container, "requests") || asks_for(container, "limits"))
        return false;
  }
  return true;
}

static bool terms_cross(const json_t *terms, const char *member)
{
  size_t i;
  json_t *entry;
  json_array_foreach (terms, i, entry) {
    const json_t *term = member ? json_object_get(entry, member) : entry;
    if (json_array_size(json_object_get(term, "namespaces")) > 0 || json_object_get(term, "namespaceSelector"))
      return true;
  }
  return false;
}

static bool crosses_namespaces(const json_t *spec)
{
  static const char *const members[] = { "podAffinity", "podAntiAffinity" };
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
    const json_t *affinity = json_at(spec, "affinity", members[i], NULL);
    if (terms_cross(json_object_get(affinity, "requiredDuringSchedulingIgnoredDuringExecution"), NULL) ||
        terms_cross(json_object_get(affinity, "preferredDuringSchedulingIgnoredDuringExecution"), "podAffinityTerm"))
      return true;
  }
  return false;
}

/* As label selectors match: NotIn and DoesNotExist also when there is no class at all. */
static bool class_matches(const char *class, const char *operator, const json_t * values)
{
  size_t i;
  json_t *value;
  bool listed = false;
  json_array_foreach (values, i, value)
    listed = listed || g_strcmp0(json_string_value(value), class) == 0;
  if (g_str_equal(operator, "In"))
    return *class && listed;
  if (g_str_equal(operator, "NotIn"))
    return !*class || !listed;
  return g_str_equal(operator, "DoesNotExist") ? !*class : *class != '\0';
}

static bool scope_fits(const char *scope, const char *operator, const json_t * values, const json_t *pod)
{
  const json_t *spec = json_object_get(pod, "spec");
  bool terminating = json_int(spec, "activeDeadlineSeconds", -1) >= 0;
  if (g_str_equal(scope, "Terminating"))
    return terminating;
  if (g_str_equal(scope, "NotTerminating"))
    return !terminating;
  if (g_str_equal(scope, "BestEffort"))
    return is_best_effort(spec);
  if (g_str_equal(scope, "NotBestEffort"))
    return !is_best_effort(spec);
  if (g_str_equal(scope, "PriorityClass"))
    return class_matches(json_str(spec, "priorityClassName", ""), operator, values);
  return g_str_equal(scope, "CrossNamespacePodAffinity") && crosses_namespaces(spec);
}

/* Only pods have scopes: a quota with one is about nothing else. */
static bool scopes_fit(const json_t *spec, const ApiKind *kind, const json_t *object)
{
  const json_t *scopes = json_object_get(spec, "scopes");
  const json_t *terms = json_at(spec, "scopeSelector", "matchExpressions", NULL);
  if (!is_core(kind, "pods"))
    return json_array_size(scopes) == 0 && json_array_size(terms) == 0;
  size_t i;
  json_t *scope;
  json_array_foreach (scopes, i, scope)
    if (!json_is_string(scope) || !scope_fits(json_string_value(scope), "Exists", NULL, object))
      return false;
  json_array_foreach (terms, i, scope)
    if (!scope_fits(json_str(scope, "scopeName", ""), json_str(scope, "operator", ""), json_object_get(scope, "values"),
                    object))
      return false;
  return true;
}

bool quota_matches(const json_t *spec, const ApiKind *kind, const json_t *object)
{
  const char *name;
  json_t *amount;
  bool measured = false;
  json_object_foreach (json_object_get(spec, "hard"), name, amount)
    measured = measured || quota_measures(kind, name);
  return measured && scopes_fit(spec, kind, object);
}

/* --- what must be said ---------------------------------------------------------------------------------------------
 */

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all containers that do not say NAME, sorted; NULL: they all do. */
static char *silent_containers(const json_t *spec, const char *name)
{
  static const char *const lists[] = { "containers", "initContainers" };
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    size_t index;
    json_t *container;
    json_array_foreach (json_object_get(spec, lists[i]), index, container) {
      const json_t *resources = json_object_get(container, "resources");
      g_auto(ResourceList) said = { 0 };
      g_auto(ResourceList) requests = resource_list_from_json(json_object_get(resources, "requests"));
      g_auto(ResourceList) limits = resource_list_from_json(json_object_get(resources, "limits"));
      add_compute(&said, &requests, &limits);
      if (!resource_list_get(&said, name))
        g_ptr_array_add(names, (void *)(uintptr_t)json_str(container, "name", ""));
    }
  }
  if (names->len == 0)
    return NULL;
  g_ptr_array_sort(names, compare_texts);
  g_ptr_array_add(names, NULL);
  return g_strjoinv(",", (char **)names->pdata);
}

char *quota_missing(const json_t *pod, const ResourceList *hard)
{
  /* upstream calls it a mistake that these must be said, and keeps it so */
  static const char *const names[] = {
    "cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"
  };
  GString *text = g_string_new(NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    if (!resource_list_get(hard, names[i]))
      continue;
    g_autofree char *silent = silent_containers(json_object_get(pod, "spec"), names[i]);
    if (silent)
      g_string_append_printf(text, "%s%s for: %s", text->len ? "; " : "must specify ", names[i], silent);
  }
  return g_string_free(text, text->len == 0);
}

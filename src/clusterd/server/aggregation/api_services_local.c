/* The APIServices of the groups and versions this server answers for itself. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/aggregation/aggregator_private.h"

#define MANAGED_LABEL "kube-aggregator.kubernetes.io/automanaged"

typedef struct Priority {
  const char *group, *version; /* "" for core */
  int of_group, of_version;
} Priority;

/* Upstream's ranks (pkg/controlplane/apiserver/aggregator.go): the order of discovery. */
static const Priority priorities[] = {
  { "", "v1", 18000, 1 },
  { "apps", "v1", 17800, 15 },
  { "apps", "v1beta1", 17800, 1 },
  { "events.k8s.io", "v1", 17750, 5 },
  { "authentication.k8s.io", "v1", 17700, 15 },
  { "authorization.k8s.io", "v1", 17600, 15 },
  { "autoscaling", "v1", 17500, 15 },
  { "autoscaling", "v2", 17500, 30 },
  { "autoscaling", "v2beta2", 17500, 1 },
  { "batch", "v1", 17400, 15 },
  { "certificates.k8s.io", "v1", 17300, 15 },
  { "networking.k8s.io", "v1", 17200, 15 },
  { "extensions", "v1beta1", 17150, 1 },
  { "policy", "v1", 17100, 15 },
  { "rbac.authorization.k8s.io", "v1", 17000, 15 },
  { "settings.k8s.io", "v1alpha1", 16900, 9 },
  { "storage.k8s.io", "v1", 16800, 15 },
  { "apiextensions.k8s.io", "v1", 16700, 15 },
  { "admissionregistration.k8s.io", "v1", 16700, 15 },
  { "scheduling.k8s.io", "v1", 16600, 15 },
  { "coordination.k8s.io", "v1", 16500, 15 },
  { "node.k8s.io", "v1", 16300, 15 },
  { "discovery.k8s.io", "v1", 16200, 15 },
  { "flowcontrol.apiserver.k8s.io", "v1", 16100, 21 },
  { "metrics.k8s.io", "v1beta1", 100, 100 },
};

/* Older versions of a group rank below its v1, custom groups below all built-in ones. */
static Priority priority_of(const ApiKind *kind, bool custom)
{
  Priority found = { kind->group, kind->version, custom ? 1000 : 15000, custom ? 100 : 9 };
  for (gsize i = 0; i < G_N_ELEMENTS(priorities); i++) {
    if (!g_str_equal(priorities[i].group, kind->group))
      continue;
    found.of_group = priorities[i].of_group;
    if (g_str_equal(priorities[i].version, kind->version))
      return priorities[i];
  }
  return found;
}

static const Caller self = { .field_manager = "kube-apiserver" };

static Target target_of(Aggregator *aggregator, const char *name)
{
  return (Target){ aggregator->kind, NULL, name, NULL };
}

static void make(Aggregator *aggregator, const ApiKind *kind, const char *name, bool custom)
{
  Priority priority = priority_of(kind, custom);
  Target target = target_of(aggregator, name);
  g_autoptr(GError) error = NULL;
  json_t *spec = json_pack("{s:s, s:i, s:i}", "version", kind->version, "groupPriorityMinimum", priority.of_group,
                           "versionPriority", priority.of_version);
  if (*kind->group)
    json_object_set_new(spec, "group", json_string(kind->group));
  g_autoptr(json_t) value =
      json_pack("{s:{s:{s:s}}, s:o}", "metadata", "labels", MANAGED_LABEL, custom ? "true" : "onstart", "spec", spec);
  g_autoptr(Object) made = registry_create(aggregator->registry, &self, &target, value, &error);
  if (!made && !reason_is(error, REASON_ALREADY_EXISTS))
    g_warning("cannot make the APIService %s: %s", name, error->message);
}

/* A group and version this server served once and does no more. */
static void drop(Aggregator *aggregator, const Object *api_service)
{
  Target target = target_of(aggregator, object_name(api_service));
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) last = registry_delete(aggregator->registry, &self, &target, NULL, NULL, &error);
  if (!last && !reason_is(error, REASON_NOT_FOUND))
    g_warning("cannot remove the APIService %s: %s", object_name(api_service), error->message);
}

static bool is_managed(const Object *api_service)
{
  const json_t *value = object_json((Object *)(uintptr_t)api_service);
  return json_object_get(json_at(value, "metadata", "labels", NULL), MANAGED_LABEL) &&
         !aggregator_is_remote(api_service);
}

/* Where several servers share the store, one that has a node answers for what it measures, another does not. */
static bool is_of_other_server(Aggregator *aggregator, const Object *api_service)
{
  const json_t *spec = json_object_get(object_json((Object *)(uintptr_t)api_service), "spec");
  return store_is_shared(aggregator->registry->store) &&
         api_builtin_is_measured(json_str(spec, "group", ""), json_str(spec, "version", ""));
}

void aggregator_keep_local(Aggregator *aggregator)
{
  const ApiScheme *scheme = registry_scheme(aggregator->registry);
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  g_autoptr(GPtrArray) present = aggregator_list(aggregator);
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < present->len; i++)
    g_hash_table_add(known, (char *)(uintptr_t)object_name(present->pdata[i]));
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    char *name = g_strdup_printf("%s.%s", kind->version, kind->group);
    if (!g_hash_table_contains(names, name) && !g_hash_table_contains(known, name))
      make(aggregator, kind, name, kind->custom != NULL);
    g_hash_table_add(names, name);
  }
  for (guint i = 0; i < present->len; i++)
    if (is_managed(present->pdata[i]) && !g_hash_table_contains(names, object_name(present->pdata[i])) &&
        !is_of_other_server(aggregator, present->pdata[i]))
      drop(aggregator, present->pdata[i]);
}

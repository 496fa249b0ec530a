/* Single quotas: what they say, what is used of them, and what a write adds. */
#include "clusterd/server/admission/quota.h"

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/admission/quota_evaluator.h"
#include "clusterd/server/registry/registry_private.h"

/* --- charges -------------------------------------------------------------------------------------------------------
 */

void charge_unref(void *data)
{
  Charge *charge = data;
  if (!g_atomic_ref_count_dec(&charge->references))
    return;
  g_free(charge->namespace_);
  g_free(charge->uid);
  json_decref(charge->object);
  json_decref(charge->old);
  resource_list_clear(&charge->usage);
  g_free(charge);
}

Charge *charge_ref(Charge *charge)
{
  g_atomic_ref_count_inc(&charge->references);
  return charge;
}

/* The members quotas look at, shared: the write goes on to change the object's own metadata. */
static json_t *excerpt_of(const json_t *object)
{
  const json_t *metadata = json_object_get(object, "metadata");
  return json_pack("{s:{s:O*}, s:O*, s:O*}", "metadata", "annotations", json_object_get(metadata, "annotations"),
                   "spec", json_object_get(object, "spec"), "status", json_object_get(object, "status"));
}

Charge *charge_new(const AdmissionRequest *request)
{
  Charge *charge = g_new0(Charge, 1);
  g_atomic_ref_count_init(&charge->references);
  charge->kind = request->kind;
  charge->namespace_ = g_strdup(request->target->namespace_);
  charge->uid = g_strdup(json_str(json_object_get(request->object, "metadata"), "uid", ""));
  charge->object = excerpt_of(request->object);
  charge->old = request->old ? json_incref((json_t *)(uintptr_t)request->old) : NULL;
  charge->usage = quota_usage(request->kind, request->object, timestamp_now_us());
  return charge;
}

ResourceList charge_amounts(const Charge *charge, const Quota *quota)
{
  ResourceList amounts = { 0 };
  if (!quota_matches(quota->spec, charge->kind, charge->object))
    return amounts;
  g_auto(ResourceList) before = { 0 };
  if (charge->old && quota_matches(quota->spec, charge->kind, charge->old))
    before = quota_usage(charge->kind, charge->old, 0);
  for (guint i = 0; i < charge->usage.n; i++) {
    const ResourceEntry *entry = &charge->usage.entries[i];
    const Quantity *already = resource_list_get(&before, entry->name);
    Quantity more = entry->amount;
    if (already)
      more.nano -= already->nano;
    if (more.nano > 0 && resource_list_get(&quota->hard, entry->name))
      resource_list_set(&amounts, entry->name, more);
  }
  return amounts;
}

/* --- quotas --------------------------------------------------------------------------------------------------------
 */

static void quota_free(void *data)
{
  Quota *quota = data;
  object_unref(quota->object);
  resource_list_clear(&quota->hard);
  resource_list_clear(&quota->used);
  g_free(quota);
}

static bool collect(Object *object, void *data)
{
  g_ptr_array_add(data, object_ref(object));
  return false;
}

static GPtrArray *objects_of(Registry *registry, const ApiKind *kind, const char *namespace_)
{
  GPtrArray *objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  registry_visit(registry, kind, namespace_, collect, objects);
  return objects;
}

/* A quota is counted when its status has what its spec asks for and an amount for every name that can be measured. */
static Quota *quota_new(Object *object)
{
  Quota *quota = g_new0(Quota, 1);
  const json_t *status = json_object_get(object_json(object), "status");
  g_auto(ResourceList) counted = resource_list_from_json(json_object_get(status, "hard"));
  quota->object = object_ref(object);
  quota->spec = json_object_get(object_json(object), "spec");
  quota->hard = resource_list_from_json(json_object_get(quota->spec, "hard"));
  quota->used = resource_list_from_json(json_object_get(status, "used"));
  quota->recount = !json_is_object(json_object_get(status, "used")) || !resource_list_equal(&counted, &quota->hard);
  return quota;
}

GPtrArray *quotas_of(Ledger *ledger, const char *namespace_)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(ledger->registry), "", "v1", "resourcequotas");
  g_autoptr(GPtrArray) objects = objects_of(ledger->registry, kind, namespace_);
  GPtrArray *quotas = g_ptr_array_new_with_free_func(quota_free);
  for (guint i = 0; i < objects->len; i++)
    g_ptr_array_add(quotas, quota_new(objects->pdata[i]));
  return quotas;
}

static bool is_gone(GError **problem)
{
  bool gone = reason_is(*problem, REASON_NOT_FOUND);
  if (gone)
    g_clear_error(problem);
  return gone;
}

bool quota_write(Ledger *ledger, const Quota *quota, GError **error)
{
  static const Caller server = { .field_manager = "kube-apiserver" };
  Target target = { .kind = object_kind(quota->object),
                    .namespace_ = object_namespace(quota->object),
                    .name = object_name(quota->object),
                    .subresource = "status" };
  g_autoptr(json_t) value = json_deep_copy(object_json(quota->object));
  json_object_set_new(
      value, "status",
      json_pack("{s:o, s:o}", "hard", resource_list_json(&quota->hard), "used", resource_list_json(&quota->used)));
  GError *problem = NULL;
  g_autoptr(Object) written = registry_update(ledger->registry, &server, &target, value, NULL, &problem);
  if (written || is_gone(&problem))
    return true;
  g_propagate_error(error, problem);
  return false;
}

/* --- counting ------------------------------------------------------------------------------------------------------
 */

bool quota_measures_any(const ResourceList *hard, const ApiKind *kind)
{
  for (guint i = 0; i < hard->n; i++)
    if (quota_measures(kind, hard->entries[i].name))
      return true;
  return false;
}

static bool is_stored(const Charge *charge, GHashTable *uids)
{
  return g_hash_table_contains(uids, charge->uid);
}

/* Adds what objects of KIND use. CHARGES were open before the objects were looked at: what has been stored since is
 * among the objects. A change of an object counts when it is stored; whoever makes it has to recount then. */
static void count_kind(Ledger *ledger, Quota *quota, const ApiKind *kind, const GPtrArray *charges)
{
  int64_t now = timestamp_now_us();
  g_autoptr(GPtrArray) objects = objects_of(ledger->registry, kind, object_namespace(quota->object));
  g_autoptr(GHashTable) uids = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < objects->len; i++) {
    const Object *object = objects->pdata[i];
    g_hash_table_add(uids, (void *)(uintptr_t)object_uid(object));
    if (!quota_matches(quota->spec, kind, object_json(object)))
      continue;
    g_auto(ResourceList) usage = quota_usage(kind, object_json(object), now);
    resource_list_add(&quota->used, &usage);
  }
  for (guint i = 0; i < charges->len; i++) {
    const Charge *charge = charges->pdata[i];
    if (charge->kind != kind || is_stored(charge, uids))
      continue;
    g_auto(ResourceList) amounts = charge_amounts(charge, quota);
    resource_list_add(&quota->used, &amounts);
  }
}

/* Leaves in USED the names that are limited. */
static void keep_limited(Quota *quota)
{
  ResourceList kept = { 0 };
  for (guint i = 0; i < quota->used.n; i++)
    if (resource_list_get(&quota->hard, quota->used.entries[i].name))
      resource_list_set(&kept, quota->used.entries[i].name, quota->used.entries[i].amount);
  resource_list_clear(&quota->used);
  quota->used = kept;
}

void quota_count(Ledger *ledger, Quota *quota, const GPtrArray *charges)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(registry_scheme(ledger->registry));
  resource_list_clear(&quota->used);
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if (registry_storage(kind) != kind || !quota_measures_any(&quota->hard, kind))
      continue;
    for (guint j = 0; j < quota->hard.n; j++)
      if (quota_measures(kind, quota->hard.entries[j].name))
        resource_list_set(&quota->used, quota->hard.entries[j].name, resource_count(0));
    count_kind(ledger, quota, kind, charges);
  }
  keep_limited(quota);
}

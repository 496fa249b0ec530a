/* ResourceQuota: no namespace gets more than its quotas allow. The last plugin of all: what it charges is what will be
 * stored.
 *
 * A charge is a write of the quota's status against the version it was checked against, made before the object is
 * written; so of two requests for the last free slot, in this process or in two, one fails. All that is to be done for
 * one namespace is done by one thread at a time, which takes what others have asked for meanwhile along in the same
 * writes. Until the object is stored its charge is open: recounts add the open charges to what they find stored, and
 * when the write fails the charge is given back. Source: apiserver/pkg/admission/plugin/resourcequota. */
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/admission/quota.h"
#include "clusterd/server/admission/quota_evaluator.h"
#include "clusterd/server/registry/registry_private.h"

/* --- the plugin ----------------------------------------------------------------------------------------------------
 */

static bool has_quotas(Ledger *ledger, const char *namespace_)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->lock);
  return g_hash_table_contains(ledger->quotas, namespace_);
}

/* Only new objects are charged, and changes of the few kinds whose use can grow. */
static bool is_charged(Ledger *ledger, const AdmissionRequest *request)
{
  const Target *target = request->target;
  bool grows = request->operation == ADMISSION_CREATE ||
               (request->operation == ADMISSION_UPDATE && quota_measures_updates(request->kind));
  if (!grows || target->subresource || !request->kind->namespaced || !target->namespace_ ||
      !has_quotas(ledger, target->namespace_))
    return false;
  if (request->operation == ADMISSION_UPDATE)
    return true;
  /* what is there already is about to be refused for it */
  const char *name = json_str(json_object_get(request->object, "metadata"), "name", "");
  g_autoptr(Object) there = registry_lookup(ledger->registry, request->kind, target->namespace_, name);
  return !there;
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  Ledger *ledger = state;
  if (!is_charged(ledger, request))
    return true;
  Charge *charge = charge_new(request);
  Job job = {
    .kind = JOB_CHARGE, .charge = charge, .request = request, .dry_run = request->caller && request->caller->dry_run
  };
  bool ok = quota_run_job(ledger, request->target->namespace_, &job, error);
  charge_unref(charge);
  return ok;
}

/* --- what happens to objects ---------------------------------------------------------------------------------------
 */

static void keep_quota(Ledger *ledger, const Object *old, Object *object)
{
  const char *namespace_ = object_namespace(object ? object : old);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->lock);
  GHashTable *quotas = g_hash_table_lookup(ledger->quotas, namespace_);
  if (!quotas && object) {
    quotas = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)object_unref);
    g_hash_table_insert(ledger->quotas, g_strdup(namespace_), quotas);
  }
  if (object) {
    g_hash_table_replace(quotas, g_strdup(object_name(object)), object_ref(object));
  } else if (quotas) {
    g_hash_table_remove(quotas, object_name(old));
    if (g_hash_table_size(quotas) == 0)
      g_hash_table_remove(ledger->quotas, namespace_);
  }
}

/* The names of the quotas of NAMESPACE that measure objects of KIND; the caller frees. */
static GPtrArray *measuring(Ledger *ledger, const char *namespace_, const ApiKind *kind)
{
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->lock);
  GHashTable *quotas = g_hash_table_lookup(ledger->quotas, namespace_);
  GHashTableIter iterator;
  void *name, *object;
  if (!quotas)
    return names;
  g_hash_table_iter_init(&iterator, quotas);
  while (g_hash_table_iter_next(&iterator, &name, &object)) {
    g_auto(ResourceList) hard = resource_list_from_json(json_at(object_json(object), "spec", "hard", NULL));
    if (quota_measures_any(&hard, kind))
      g_ptr_array_add(names, g_strdup(name));
  }
  return names;
}

static void tell(Ledger *ledger, const char *namespace_, const char *name, int64_t delay_us)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->listener_lock);
  if (ledger->stale)
    ledger->stale(namespace_, name, delay_us, ledger->stale_data);
}

/* What could not be settled now is recounted soon. */
static void recount_later(Ledger *ledger, const Charge *charge)
{
  g_autoptr(GPtrArray) names = measuring(ledger, charge->namespace_, charge->kind);
  for (guint i = 0; i < names->len; i++)
    tell(ledger, charge->namespace_, names->pdata[i], G_USEC_PER_SEC);
}

/* A failed write gives back what it was charged; until then its charge stays open. What a recount saw of a change under
 * way is not known: it is counted again. */
static void finish(void *state, const AdmissionRequest *request)
{
  Ledger *ledger = state;
  g_autoptr(GError) error = NULL;
  g_mutex_lock(&ledger->lock);
  Charge *charge = request->object ? g_hash_table_lookup(ledger->charges, request->object) : NULL;
  if (!charge) {
    g_mutex_unlock(&ledger->lock);
    return;
  }
  charge_ref(charge);
  bool is_change = charge->old != NULL, recounted = charge->recounted;
  if (is_change || request->stored)
    g_hash_table_remove(ledger->charges, request->object);
  g_mutex_unlock(&ledger->lock);
  Job job = { .kind = is_change ? JOB_RECOUNT : JOB_REFUND, .charge = charge, .request = request };
  bool settled = request->stored && !(is_change && recounted);
  if (!settled && !quota_run_job(ledger, charge->namespace_, &job, &error)) {
    g_warning("Cannot settle the quotas of %s: %s", charge->namespace_, error->message);
    recount_later(ledger, charge);
  }
  charge_unref(charge);
}

/* When the change from OLD to OBJECT frees something, in µs from now; -1: it does not. */
static int64_t frees_after(const ApiKind *kind, const Object *old, const Object *object)
{
  if (!object)
    return 0;
  if (!old)
    return -1;
  if (quota_may_shrink(kind, object_json(old), object_json(object)))
    return 0;
  int64_t expiry = g_str_equal(kind->plural, "pods") && !*kind->group ? quota_pod_expiry(object_json(object)) : 0;
  if (!expiry || expiry == quota_pod_expiry(object_json(old)))
    return -1;
  return MAX(expiry - timestamp_now_us(), 0) + G_USEC_PER_SEC;
}

static void observe(Object *old, Object *object, void *data)
{
  Ledger *ledger = data;
  const Object *any = object ? object : old;
  const ApiKind *kind = object_kind(any);
  const char *namespace_ = object_namespace(any);
  if (!*namespace_)
    return;
  if (!*kind->group && g_str_equal(kind->plural, "resourcequotas")) {
    keep_quota(ledger, old, object);
    if (object &&
        (!old || !json_same(json_object_get(object_json(old), "spec"), json_object_get(object_json(object), "spec"))))
      tell(ledger, namespace_, object_name(object), 0);
  }
  if (!has_quotas(ledger, namespace_))
    return;
  int64_t delay_us = frees_after(kind, old, object);
  g_autoptr(GPtrArray) names = delay_us >= 0 ? measuring(ledger, namespace_, kind) : NULL;
  for (guint i = 0; names && i < names->len; i++)
    tell(ledger, namespace_, names->pdata[i], delay_us);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

static void *create(Registry *registry)
{
  Ledger *ledger = g_new0(Ledger, 1);
  ledger->registry = registry;
  g_mutex_init(&ledger->lock);
  g_mutex_init(&ledger->listener_lock);
  ledger->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, quota_account_free);
  ledger->charges = g_hash_table_new_full(NULL, NULL, NULL, charge_unref);
  ledger->quotas = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
  registry_observe(registry, NULL, NULL, observe, ledger);
  return ledger;
}

static void destroy(void *state)
{
  Ledger *ledger = state;
  registry_unobserve(ledger->registry, ledger);
  g_hash_table_unref(ledger->accounts);
  g_hash_table_unref(ledger->charges);
  g_hash_table_unref(ledger->quotas);
  g_mutex_clear(&ledger->lock);
  g_mutex_clear(&ledger->listener_lock);
  g_free(ledger);
}

static bool load_quota(Object *object, void *data)
{
  keep_quota(data, NULL, object);
  return false;
}

static void load(void *state)
{
  Ledger *ledger = state;
  const ApiKind *kind = api_scheme_resource(registry_scheme(ledger->registry), "", "v1", "resourcequotas");
  registry_visit(ledger->registry, kind, NULL, load_quota, ledger);
}

static Ledger *ledger_of(Registry *registry)
{
  return admission_state(registry->admission, &admission_resource_quota);
}

bool resource_quota_recount(Registry *registry, const char *namespace_, const char *name, GError **error)
{
  Job job = { .kind = JOB_RECOUNT, .name = name };
  return quota_run_job(ledger_of(registry), namespace_, &job, error);
}

void resource_quota_listen(Registry *registry, ResourceQuotaStale stale, void *data)
{
  Ledger *ledger = ledger_of(registry);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->listener_lock);
  ledger->stale = stale;
  ledger->stale_data = data;
}

const AdmissionPlugin admission_resource_quota = {
  .name = "ResourceQuota", .create = create, .destroy = destroy, .load = load, .validate = validate, .finish = finish
};

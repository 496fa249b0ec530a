/* What is asked of the quotas of one namespace: one thread at a time does all of it, in as few writes as there are
 * quotas; who comes meanwhile is taken along in the next round. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/quota.h"
#include "clusterd/server/admission/quota_evaluator.h"
#include "clusterd/server/registry/registry_private.h"

#define JOB_WAIT_US (10 * G_USEC_PER_SEC)

/* A namespace in which something is to be done. */
typedef struct Account {
  char *namespace_;
  GPtrArray *jobs; /* Job*, waiting */
  bool busy;       /* a thread works on it */
  GCond changed;
  unsigned users; /* threads that hold the account */
} Account;

/* --- jobs ----------------------------------------------------------------------------------------------------------
 */

/* NAMES of CHARGE with their amounts: "pods=1,requests.cpu=500m". */
static char *amounts_text(const GPtrArray *names, const ResourceList *amounts)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < names->len; i++) {
    const Quantity *amount = resource_list_get(amounts, names->pdata[i]);
    g_autofree char *number = amount ? quantity_text(*amount) : g_strdup("0");
    g_string_append_printf(text, "%s%s=%s", i ? "," : "", (const char *)names->pdata[i], number);
  }
  return g_string_free(text, FALSE);
}

/* Whether QUOTA has room for CHARGE. */
static bool has_room(const Job *job, const Quota *quota, const ResourceList *charge, GError **error)
{
  g_autoptr(GPtrArray) exceeded = g_ptr_array_new();
  for (guint i = 0; i < charge->n; i++) {
    const ResourceEntry *entry = &charge->entries[i];
    const Quantity *used = resource_list_get(&quota->used, entry->name);
    const Quantity *hard = resource_list_get(&quota->hard, entry->name);
    if ((used ? used->nano : 0) + entry->amount.nano > hard->nano)
      g_ptr_array_add(exceeded, entry->name);
  }
  if (exceeded->len == 0)
    return true;
  g_autofree char *requested = amounts_text(exceeded, charge);
  g_autofree char *used = amounts_text(exceeded, &quota->used);
  g_autofree char *limited = amounts_text(exceeded, &quota->hard);
  return admission_forbid(job->request, error, "exceeded quota: %s, requested: %s, used: %s, limited: %s",
                          object_name(quota->object), requested, used, limited);
}

static bool is_pod(const ApiKind *kind)
{
  return !*kind->group && g_str_equal(kind->plural, "pods");
}

/* Everything a quota's limits ask of the object itself. */
static bool says_enough(const Job *job, const Quota *quota, GError **error)
{
  if (!is_pod(job->charge->kind) || !quota_matches(quota->spec, job->charge->kind, job->charge->object))
    return true;
  g_autofree char *missing = quota_missing(job->charge->object, &quota->hard);
  return !missing || admission_forbid(job->request, error, "failed quota: %s: %s", object_name(quota->object), missing);
}

/* Checks the job against all QUOTAS, then adds its charge to them. */
static bool charge_all(Job *job, const GPtrArray *quotas, GError **error)
{
  for (guint i = 0; i < quotas->len; i++)
    if (!says_enough(job, quotas->pdata[i], error))
      return false;
  for (guint i = 0; i < quotas->len; i++) {
    g_auto(ResourceList) amounts = charge_amounts(job->charge, quotas->pdata[i]);
    if (!has_room(job, quotas->pdata[i], &amounts, error))
      return false;
  }
  for (guint i = 0; !job->dry_run && i < quotas->len; i++) {
    Quota *quota = quotas->pdata[i];
    g_auto(ResourceList) amounts = charge_amounts(job->charge, quota);
    resource_list_add(&quota->used, &amounts);
    quota->changed = quota->changed || amounts.n > 0;
    job->charged = job->charged || amounts.n > 0;
  }
  return true;
}

static void refund(const Charge *charge, const GPtrArray *quotas)
{
  for (guint i = 0; i < quotas->len; i++) {
    Quota *quota = quotas->pdata[i];
    g_auto(ResourceList) amounts = charge_amounts(charge, quota);
    resource_list_subtract(&quota->used, &amounts);
    quota->changed = quota->changed || amounts.n > 0;
  }
}

static void mark_recounts(const GPtrArray *jobs, const GPtrArray *quotas)
{
  for (guint i = 0; i < jobs->len; i++) {
    const Job *job = jobs->pdata[i];
    for (guint j = 0; job->kind == JOB_RECOUNT && j < quotas->len; j++) {
      Quota *quota = quotas->pdata[j];
      quota->recount = quota->recount || !job->name || g_str_equal(job->name, object_name(quota->object));
    }
  }
}

/* All open charges of NAMESPACE, for a recount. Array of Charge*. */
static GPtrArray *charges_of(Ledger *ledger, const char *namespace_)
{
  GPtrArray *charges = g_ptr_array_new_with_free_func(charge_unref);
  GHashTableIter iterator;
  void *value;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->lock);
  g_hash_table_iter_init(&iterator, ledger->charges);
  while (g_hash_table_iter_next(&iterator, NULL, &value))
    if (g_str_equal(((Charge *)value)->namespace_, namespace_)) {
      ((Charge *)value)->recounted = true;
      g_ptr_array_add(charges, charge_ref(value));
    }
  return charges;
}

static void recount(Ledger *ledger, const char *namespace_, const GPtrArray *quotas)
{
  g_autoptr(GPtrArray) charges = NULL;
  for (guint i = 0; i < quotas->len; i++) {
    Quota *quota = quotas->pdata[i];
    if (!quota->recount)
      continue;
    if (!charges)
      charges = charges_of(ledger, namespace_);
    quota_count(ledger, quota, charges);
    const json_t *status = json_object_get(object_json(quota->object), "status");
    g_auto(ResourceList) used = resource_list_from_json(json_object_get(status, "used"));
    g_auto(ResourceList) hard = resource_list_from_json(json_object_get(status, "hard"));
    quota->changed = !json_is_object(json_object_get(status, "used")) || !resource_list_equal(&used, &quota->used) ||
                     !resource_list_equal(&hard, &quota->hard);
  }
}

static void write_all(Ledger *ledger, const GPtrArray *quotas, GHashTable *written, GError **error)
{
  for (guint i = 0; i < quotas->len; i++) {
    Quota *quota = quotas->pdata[i];
    GError *problem = NULL;
    if (!quota->changed)
      continue;
    if (quota_write(ledger, quota, &problem))
      g_hash_table_add(written, g_strdup(object_name(quota->object)));
    else if (error && !*error)
      *error = problem;
    else
      g_error_free(problem);
  }
}

/* Quotas that hold the charges of this batch already do not take part again. */
static void leave_out_written(GPtrArray *quotas, GHashTable *written)
{
  for (guint i = quotas->len; i-- > 0;)
    if (g_hash_table_contains(written, object_name(((Quota *)quotas->pdata[i])->object)))
      g_ptr_array_remove_index(quotas, i);
}

/* One attempt at all JOBS. WRITTEN are the names of the quotas earlier attempts wrote. NULL: everything is written. */
static GError *attempt(Ledger *ledger, const char *namespace_, const GPtrArray *jobs, GHashTable *written)
{
  g_autoptr(GPtrArray) quotas = quotas_of(ledger, namespace_);
  GError *problem = NULL;
  leave_out_written(quotas, written);
  mark_recounts(jobs, quotas);
  recount(ledger, namespace_, quotas);
  for (guint i = 0; i < jobs->len; i++) {
    Job *job = jobs->pdata[i];
    if (job->kind == JOB_REFUND)
      refund(job->charge, quotas);
  }
  for (guint i = 0; i < jobs->len; i++) {
    Job *job = jobs->pdata[i];
    if (job->kind == JOB_CHARGE && !job->error)
      charge_all(job, quotas, &job->error);
  }
  write_all(ledger, quotas, written, &problem);
  return problem;
}

/* What was charged is open until its object is stored; what was to be given back is open no more. */
static void note_charges(Ledger *ledger, const GPtrArray *jobs)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&ledger->lock);
  for (guint i = 0; i < jobs->len; i++) {
    const Job *job = jobs->pdata[i];
    if (job->kind == JOB_CHARGE && job->charged && !job->error)
      g_hash_table_insert(ledger->charges, job->request->object, charge_ref(job->charge));
    else if (job->kind == JOB_REFUND)
      g_hash_table_remove(ledger->charges, job->request->object);
  }
}

/* After a conflict: what was refused in the end may have been charged in the beginning. */
static void repair(Ledger *ledger, const char *namespace_)
{
  Job recount_all = { .kind = JOB_RECOUNT };
  g_autoptr(GPtrArray) jobs = g_ptr_array_new();
  g_autoptr(GHashTable) written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_ptr_array_add(jobs, &recount_all);
  g_autoptr(GError) problem = attempt(ledger, namespace_, jobs, written);
  if (problem)
    g_warning("Cannot recount the quotas of %s: %s", namespace_, problem->message);
}

/* Does all JOBS; whoever loses against a writer elsewhere tries again with the quotas that were not written. */
static void do_jobs(Ledger *ledger, const char *namespace_, const GPtrArray *jobs)
{
  g_autoptr(GHashTable) written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GError *problem = attempt(ledger, namespace_, jobs, written);
  bool again = problem != NULL;
  for (int i = 1; reason_is(problem, REASON_CONFLICT) && i < CONFLICT_RETRIES; i++) {
    g_clear_error(&problem);
    problem = attempt(ledger, namespace_, jobs, written);
  }
  for (guint i = 0; problem && i < jobs->len; i++) {
    Job *job = jobs->pdata[i];
    if (!job->error)
      job->error = g_error_copy(problem);
  }
  g_clear_error(&problem);
  note_charges(ledger, jobs);
  if (again)
    repair(ledger, namespace_);
}

static Account *account_enter(Ledger *ledger, const char *namespace_)
{
  Account *account = g_hash_table_lookup(ledger->accounts, namespace_);
  if (!account) {
    account = g_new0(Account, 1);
    account->namespace_ = g_strdup(namespace_);
    account->jobs = g_ptr_array_new();
    g_cond_init(&account->changed);
    g_hash_table_insert(ledger->accounts, account->namespace_, account);
  }
  account->users++;
  return account;
}

static void account_leave(Ledger *ledger, Account *account)
{
  if (--account->users == 0)
    g_hash_table_remove(ledger->accounts, account->namespace_);
}

void quota_account_free(void *data)
{
  Account *account = data;
  g_free(account->namespace_);
  g_ptr_array_unref(account->jobs);
  g_cond_clear(&account->changed);
  g_free(account);
}

/* Takes all jobs that wait and does them. Called with the lock held, which is given up meanwhile. */
static void lead(Ledger *ledger, Account *account)
{
  g_autoptr(GPtrArray) jobs = g_steal_pointer(&account->jobs);
  account->jobs = g_ptr_array_new();
  account->busy = true;
  g_mutex_unlock(&ledger->lock);
  do_jobs(ledger, account->namespace_, jobs);
  g_mutex_lock(&ledger->lock);
  for (guint i = 0; i < jobs->len; i++)
    ((Job *)jobs->pdata[i])->done = true;
  account->busy = false;
  g_cond_broadcast(&account->changed);
}

/* Waits for whoever is at it; gives up when the job has not been taken for JOB_WAIT_US: the leader may be waiting for a
 * webhook that waits for this very job. */
static void await(Ledger *ledger, Account *account, Job *job)
{
  int64_t until = g_get_monotonic_time() + JOB_WAIT_US;
  if (g_cond_wait_until(&account->changed, &ledger->lock, until) || !g_ptr_array_remove(account->jobs, job))
    return;
  reason_set(&job->error, REASON_INTERNAL, "Internal error occurred: resource quota evaluation timed out");
  if (job->kind == JOB_REFUND)
    g_hash_table_remove(ledger->charges, job->request->object);
  job->done = true;
}

bool quota_run_job(Ledger *ledger, const char *namespace_, Job *job, GError **error)
{
  g_mutex_lock(&ledger->lock);
  Account *account = account_enter(ledger, namespace_);
  g_ptr_array_add(account->jobs, job);
  while (!job->done)
    if (account->busy)
      await(ledger, account, job);
    else
      lead(ledger, account);
  account_leave(ledger, account);
  g_mutex_unlock(&ledger->lock);
  if (!job->error)
    return true;
  g_propagate_error(error, job->error);
  return false;
}

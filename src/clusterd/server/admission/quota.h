#pragma once
/* What the files of the ResourceQuota plugin share: resource_quota.c is the plugin, quota.c counts and charges single
 * quotas, quota_jobs.c does what is asked of a namespace, one after the other. */
#include "clusterd/api/resource_list.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/resource_quota.h"

/* A charge whose object is not stored yet. */
typedef struct Charge {
  gatomicrefcount references;
  const ApiKind *kind;
  char *namespace_, *uid;
  json_t *object; /* as much of it as quotas look at */
  json_t *old;    /* at an update: what it was */
  ResourceList usage;
  bool recounted; /* a recount ran meanwhile; guarded by the ledger's lock */
} Charge;

/* One quota while jobs are done; one thread's. */
typedef struct Quota {
  Object *object;
  const json_t *spec;
  ResourceList hard, used;
  bool recount; /* what its status says is not to be relied on */
  bool changed;
} Quota;

typedef struct Ledger {
  Registry *registry;
  GMutex lock;          /* guards all below */
  GHashTable *accounts; /* namespace → Account*, where something is being done (quota_jobs.c) */
  GHashTable *charges;  /* the request's object → Charge* */
  GHashTable *quotas;   /* namespace → (name → Object*), where there are quotas */

  GMutex listener_lock; /* held while STALE runs */
  ResourceQuotaStale stale;
  void *stale_data;
} Ledger;

typedef enum JobKind { JOB_CHARGE, JOB_REFUND, JOB_RECOUNT } JobKind;

/* What one thread asks for; on its stack. */
typedef struct Job {
  JobKind kind;
  Charge *charge;                  /* JOB_CHARGE, JOB_REFUND */
  const AdmissionRequest *request; /* JOB_CHARGE, JOB_REFUND */
  const char *name;                /* JOB_RECOUNT: of the quota; NULL: all */
  bool dry_run;
  bool charged; /* some quota holds it */
  bool done;
  GError *error; /* NULL: it succeeded */
} Job;

/* --- quota.c --- */

/* What REQUEST uses, of its own; counted by reference. */
Charge *charge_new(const AdmissionRequest *request);
Charge *charge_ref(Charge *charge);
void charge_unref(void *charge);

/* What CHARGE adds to QUOTA; empty when the quota is not about it. The caller clears. */
ResourceList charge_amounts(const Charge *charge, const Quota *quota);

/* The namespace's quotas by name. Array of Quota* that frees them. */
GPtrArray *quotas_of(Ledger *ledger, const char *namespace_);

/* Counts what QUOTA's namespace uses. CHARGES are the open ones (Charge*), looked at before this call. */
void quota_count(Ledger *ledger, Quota *quota, const GPtrArray *charges);

/* Whether a name of HARD is measured on objects of KIND. */
bool quota_measures_any(const ResourceList *hard, const ApiKind *kind);

/* Writes what is used against the version it was worked out from; a quota that is gone is fine. REASON_CONFLICT when
 * somebody else has written it. */
bool quota_write(Ledger *ledger, const Quota *quota, GError **error);

/* --- quota_jobs.c --- */

/* Has JOB done in NAMESPACE, by this thread or by the one that is at it already. */
bool quota_run_job(Ledger *ledger, const char *namespace_, Job *job, GError **error);

void quota_account_free(void *account);

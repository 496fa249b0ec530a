#include "clusterd/controllers/autoscaling/replica_math.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

/* What becomes of a pod's measure. */
typedef enum Standing {
  STANDING_READY,
  STANDING_UNREADY, /* not heeded, but counted as using nothing when more pods seem to be needed */
  STANDING_MISSING, /* nothing was measured */
  STANDING_IGNORED, /* as if it were not there */
} Standing;

typedef struct Entry {
  Standing standing;
  int64_t milli, request; /* REQUEST is 0 where nobody asks for it */
} Entry;

/* The pods that are not ignored. */
typedef struct Entries {
  Entry *all;
  unsigned count, ready, unready, missing;
  unsigned strangers; /* measures of pods that are not among them */
} Entries;

static void entries_clear(Entries *entries)
{
  g_free(entries->all);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Entries, entries_clear)

static bool is_within(const ReplicaRules *rules, double ratio)
{
  return fabs(1.0 - ratio) <= rules->tolerance;
}

/* Whole pods, rounded up. */
static int64_t count_of(double replicas)
{
  double whole = ceil(replicas);
  return isnan(whole) || whole <= 0 ? 0 : whole >= INT32_MAX ? INT32_MAX : (int64_t)whole;
}

/* --- pods ------------------------------------------------------------------------------------------------------- */

/* CPU is used at a start as never again: it counts once a pod is ready, and has been for a whole measuring. */
static bool is_cpu_unready(const json_t *pod, const PodSample *sample, const ReplicaRules *rules, int64_t now_us)
{
  const json_t *status = json_object_get(pod, "status"), *ready = condition_get(status, "Ready");
  int64_t start_us, since_us = 0;
  if (!ready || !timestamp_parse(json_str(status, "startTime", NULL), &start_us))
    return true;
  bool no = strcmp(json_str(ready, "status", ""), "False") == 0;
  timestamp_parse(json_str(ready, "lastTransitionTime", NULL), &since_us);
  if (start_us + rules->cpu_initialization_us > now_us)
    return no || sample->time_us < since_us + sample->window_us;
  return no && start_us + rules->readiness_delay_us > since_us;
}

static Standing standing_of(const json_t *pod, const PodSample *sample, const ReplicaPods *pods,
                            const ReplicaRules *rules)
{
  if (pod_is_deleting(pod) || strcmp(pod_phase(pod), "Failed") == 0)
    return STANDING_IGNORED;
  if (strcmp(pod_phase(pod), "Pending") == 0)
    return STANDING_UNREADY;
  if (!sample)
    return STANDING_MISSING;
  if (g_strcmp0(pods->resource, "cpu") == 0 && is_cpu_unready(pod, sample, rules, pods->now_us))
    return STANDING_UNREADY;
  return STANDING_READY;
}

static void entries_add(Entries *entries, const json_t *pod, const ReplicaPods *pods, const ReplicaRules *rules)
{
  const PodSample *sample = g_hash_table_lookup(pods->samples, json_str(json_object_get(pod, "metadata"), "name", ""));
  Entry entry = { .standing = standing_of(pod, sample, pods, rules) };
  entries->strangers -= sample != NULL;
  if (entry.standing == STANDING_IGNORED)
    return;
  entry.milli = sample ? sample->milli : 0;
  entries->ready += entry.standing == STANDING_READY;
  entries->unready += entry.standing == STANDING_UNREADY;
  entries->missing += entry.standing == STANDING_MISSING;
  entries->all[entries->count++] = entry;
}

static bool entries_fill(Entries *entries, const ReplicaPods *pods, const ReplicaRules *rules, GError **error)
{
  if (pods->pods->len == 0)
    return reason_set(error, REASON_UNKNOWN, "no pods returned by selector while calculating replica count");
  entries->all = g_new0(Entry, pods->pods->len);
  entries->strangers = g_hash_table_size(pods->samples);
  for (guint i = 0; i < pods->pods->len; i++)
    entries_add(entries, object_json(pods->pods->pdata[i]), pods, rules);
  if (entries->ready == 0 && entries->strangers == 0)
    return reason_set(error, REASON_UNKNOWN, "did not receive metrics for targeted pods (pods might be unready)");
  return true;
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static bool add_request(const json_t *pod, const json_t *requests, const char *where, const char *named,
                        const char *resource, int64_t *request, GError **error)
{
  Quantity quantity;
  const char *text = json_str(requests, resource, NULL);
  if (!text || !quantity_parse(text, &quantity, NULL))
    return reason_set(error, REASON_UNKNOWN, "missing %s for %s in%s%s%s Pod %s", where, resource,
                      *named ? " container " : "", named, *named ? " of" : "",
                      json_str(json_object_get(pod, "metadata"), "name", ""));
  *request += quantity_milli(quantity);
  return true;
}

/* Of all containers that run as long as the pod, or of the one that is asked about. */
static bool sum_requests(const json_t *pod, const ReplicaPods *pods, int64_t *request, GError **error)
{
  static const char *const lists[] = { "containers", "initContainers" };
  bool found = !pods->container;
  for (gsize k = 0; k < G_N_ELEMENTS(lists); k++) {
    size_t i;
    json_t *container;
    json_array_foreach (json_at(pod, "spec", lists[k], NULL), i, container) {
      const char *name = json_str(container, "name", "");
      if ((k == 1 && strcmp(json_str(container, "restartPolicy", ""), "Always") != 0) ||
          (pods->container && strcmp(pods->container, name) != 0))
        continue;
      found = true;
      if (!add_request(pod, json_at(container, "resources", "requests", NULL), "request", name, pods->resource, request,
                       error))
        return false;
    }
  }
  return found || reason_set(error, REASON_UNKNOWN, "container %s not found in Pod %s", pods->container,
                             json_str(json_object_get(pod, "metadata"), "name", ""));
}

static bool read_request(const json_t *pod, const ReplicaPods *pods, int64_t *request, GError **error)
{
  const json_t *whole = json_at(pod, "spec", "resources", "requests", NULL);
  *request = 0;
  if (json_object_size(whole) > 0 && !pods->container)
    return add_request(pod, whole, "pod-level request", "", pods->resource, request, error);
  return sum_requests(pod, pods, request, error);
}

/* Of every pod the selector matches, as upstream: one without a request is an error whatever its state. */
static bool entries_read_requests(Entries *entries, const ReplicaPods *pods, const ReplicaRules *rules, GError **error)
{
  unsigned at = 0;
  for (guint i = 0; i < pods->pods->len; i++) {
    const json_t *pod = object_json(pods->pods->pdata[i]);
    int64_t request;
    if (!read_request(pod, pods, &request, error))
      return false;
    if (!pod_is_deleting(pod) && strcmp(pod_phase(pod), "Failed") != 0)
      entries->all[at++].request = request;
  }
  return true;
}

/* --- ratios ----------------------------------------------------------------------------------------------------- */

/* What is used and requested by the entries that count, in all. */
typedef struct Totals {
  __int128 milli, request;
  unsigned count;
} Totals;

/* Those that are not ready count, with nothing, when UNREADY is set; the missing ones, with what they are taken to use,
 * when MISSING is. */
static Totals total(const Entries *entries, bool unready, bool missing)
{
  Totals totals = { 0 };
  for (unsigned i = 0; i < entries->count; i++) {
    const Entry *entry = &entries->all[i];
    if ((entry->standing == STANDING_UNREADY && !unready) || (entry->standing == STANDING_MISSING && !missing))
      continue;
    totals.milli += entry->standing == STANDING_UNREADY ? 0 : entry->milli;
    totals.request += entry->request;
    totals.count++;
  }
  return totals;
}

/* A target of PERCENT of the request, or of MILLI per pod. */
typedef struct Goal {
  bool by_request;
  int64_t target;
} Goal;

/* TOTALS over what it shall be. Percentages and means are whole numbers first, as they are shown. */
static double ratio_of(const Totals *totals, const Goal *goal)
{
  __int128 value = goal->by_request ? totals->milli * 100 / totals->request : totals->milli / totals->count;
  return (double)value / (double)goal->target;
}

/* On the way down those that were not measured are taken to use all they may, on the way up nothing. */
static void assume_missing(Entries *entries, const Goal *goal, double ratio)
{
  for (unsigned i = 0; i < entries->count; i++) {
    Entry *entry = &entries->all[i];
    if (entry->standing != STANDING_MISSING)
      continue;
    __int128 all = goal->by_request ? (__int128)entry->request * MAX(100, goal->target) / 100 : goal->target;
    entry->milli = ratio < 1.0 ? (int64_t)MIN(all, INT64_MAX) : 0;
  }
}

/* The count the entries ask for; CURRENT when it would be about the same, or the assumptions turned the direction. */
static int64_t propose(Entries *entries, const ReplicaRules *rules, const Goal *goal, int64_t current, double ratio)
{
  bool unready = entries->unready > 0 && ratio > 1.0;
  if (!unready && entries->missing == 0)
    return is_within(rules, ratio) ? current : count_of(ratio * entries->ready);
  assume_missing(entries, goal, ratio);
  Totals totals = total(entries, unready, ratio != 1.0);
  double again = ratio_of(&totals, goal);
  if (is_within(rules, again) || (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0))
    return current;
  int64_t replicas = count_of(again * totals.count);
  if ((again < 1.0 && replicas > current) || (again > 1.0 && replicas < current))
    return current;
  return replicas;
}

static int64_t clamp(__int128 value)
{
  return (int64_t)CLAMP(value, INT64_MIN, INT64_MAX);
}

static bool by_pods(const ReplicaPods *pods, const ReplicaRules *rules, const Goal *goal, int64_t current,
                    ReplicaProposal *proposal, GError **error)
{
  g_auto(Entries) entries = { 0 };
  *proposal = (ReplicaProposal){ 0 };
  if (!entries_fill(&entries, pods, rules, error) ||
      (goal->by_request && !entries_read_requests(&entries, pods, rules, error)))
    return false;
  Totals totals = total(&entries, false, false);
  if (totals.count == 0 || (goal->by_request && totals.request == 0))
    return reason_set(error, REASON_UNKNOWN, "no metrics returned matched known pods");
  proposal->milli = clamp(totals.milli / totals.count);
  if (goal->by_request)
    proposal->percent = (int64_t)CLAMP(totals.milli * 100 / totals.request, INT32_MIN, INT32_MAX);
  proposal->replicas = propose(&entries, rules, goal, current, ratio_of(&totals, goal));
  return true;
}

bool replicas_by_utilization(const ReplicaPods *pods, const ReplicaRules *rules, int64_t current,
                             int64_t target_percent, ReplicaProposal *proposal, GError **error)
{
  Goal goal = { .by_request = true, .target = target_percent };
  return by_pods(pods, rules, &goal, current, proposal, error);
}

bool replicas_by_average(const ReplicaPods *pods, const ReplicaRules *rules, int64_t current, int64_t target_milli,
                         ReplicaProposal *proposal, GError **error)
{
  Goal goal = { .target = target_milli };
  return by_pods(pods, rules, &goal, current, proposal, error);
}

/* --- measures of other things ----------------------------------------------------------------------------------- */

bool replicas_by_value(const GPtrArray *pods, const ReplicaRules *rules, int64_t current, int64_t milli,
                       int64_t target_milli, ReplicaProposal *proposal, GError **error)
{
  double ratio = (double)milli / (double)target_milli;
  unsigned ready = 0;
  *proposal = (ReplicaProposal){ .replicas = current, .milli = milli };
  if (current == 0) {
    proposal->replicas = count_of(ratio);
    return true;
  }
  if (is_within(rules, ratio))
    return true;
  if (pods->len == 0)
    return reason_set(error, REASON_UNKNOWN,
                      "unable to calculate ready pods: no pods returned by selector while calculating replica count");
  for (guint i = 0; i < pods->len; i++) {
    const json_t *pod = object_json(pods->pdata[i]);
    ready += strcmp(pod_phase(pod), "Running") == 0 && pod_is_ready(pod);
  }
  proposal->replicas = count_of(ratio * ready);
  return true;
}

void replicas_by_share(const ReplicaRules *rules, int64_t present, int64_t milli, int64_t target_milli,
                       ReplicaProposal *proposal)
{
  double ratio = (double)milli / ((double)target_milli * (double)present);
  *proposal = (ReplicaProposal){ .replicas = present, .milli = milli };
  if (!is_within(rules, ratio))
    proposal->replicas = count_of((double)milli / (double)target_milli);
  if (present > 0)
    proposal->milli = milli / present + (milli % present > 0);
}

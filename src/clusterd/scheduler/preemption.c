#include "clusterd/scheduler/preemption.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

#define NO_VICTIMS "No preemption victims found for incoming pod"
#define NO_HELP "Preemption is not helpful for scheduling"

/* Who would have to go from one node. */
typedef struct Candidate {
  NodeInfo *node;
  GPtrArray *victims;    /* PodInfo*, one reference each; the most important first */
  unsigned n_violations; /* victims whose disruption budget does not allow it */
} Candidate;

void preemption_clear(Preemption *preemption)
{
  g_clear_pointer(&preemption->node, g_free);
  g_clear_pointer(&preemption->victims, g_ptr_array_unref);
  g_clear_pointer(&preemption->message, g_free);
}

static const char *start_of(const PodInfo *pod)
{
  /* One that has not started is younger than any. */
  return json_str(json_object_get(object_json(pod->object), "status"), "startTime", "~");
}

/* More important first; among equals the one that runs longer. */
static int by_importance(const void *left, const void *right)
{
  const PodInfo *a = *(PodInfo *const *)left, *b = *(PodInfo *const *)right;
  if (a->priority != b->priority)
    return a->priority > b->priority ? -1 : 1;
  return strcmp(start_of(a), start_of(b));
}

/* --- one node --------------------------------------------------------------------------------------------------- */

/* A pod on trial is taken away or put back; what was counted is then counted again by the caller. */
static void put_back(Cycle *cycle, PodInfo *pod, const NodeInfo *node)
{
  cluster_state_add_pod(cycle->state, pod, node->name);
}

static void take_away(Cycle *cycle, PodInfo *pod)
{
  cluster_state_remove_pod(cycle->state, object_uid(pod->object));
}

static GPtrArray *pods_below(const NodeInfo *node, int64_t priority)
{
  GPtrArray *lower = g_ptr_array_new();
  GHashTableIter iter;
  void *pod;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &pod))
    if (((PodInfo *)pod)->priority < priority)
      g_ptr_array_add(lower, pod_info_ref(pod));
  g_ptr_array_sort(lower, by_importance);
  return lower;
}

/* True when a budget of POD does not allow it to go; ALLOWED (budget → disruptions it still allows) goes down. */
static bool violates_budget(const Cycle *cycle, const PodInfo *pod, GHashTable *allowed)
{
  GHashTable *budgets = object_table_in(&cycle->state->tables[SCHEDULER_BUDGETS], object_namespace(pod->object));
  bool violates = false;
  GHashTableIter iter;
  void *budget;
  if (!budgets)
    return false;
  g_hash_table_iter_init(&iter, budgets);
  while (g_hash_table_iter_next(&iter, NULL, &budget)) {
    const json_t *value = object_json(budget), *status = json_object_get(value, "status");
    g_autoptr(LabelSelector) selector = label_selector_from_json(json_at(value, "spec", "selector", NULL), NULL);
    if (!selector || label_selector_is_everything(selector) ||
        !label_selector_matches(selector, pod_info_labels(pod)) ||
        json_object_get(json_object_get(status, "disruptedPods"), object_name(pod->object)))
      continue;
    void *known;
    int left = g_hash_table_lookup_extended(allowed, budget, NULL, &known)
                   ? GPOINTER_TO_INT(known)
                   : (int)json_int(status, "disruptionsAllowed", 0);
    g_hash_table_insert(allowed, budget, GINT_TO_POINTER(left - 1));
    violates |= left - 1 < 0;
  }
  return violates;
}

/* Puts each of PODS that were taken away back while the pod still fits; the others become victims. */
static void reprieve(Cycle *cycle, Candidate *candidate, const GPtrArray *pods, bool violating)
{
  for (unsigned i = 0; i < pods->len; i++) {
    PodInfo *pod = g_ptr_array_index(pods, i);
    Refusal refusal = { 0 };
    put_back(cycle, pod, candidate->node);
    cycle_recount(cycle);
    if (cycle_fits(cycle, candidate->node, &refusal))
      continue;
    take_away(cycle, pod);
    g_ptr_array_add(candidate->victims, pod_info_ref(pod));
    candidate->n_violations += violating;
  }
}

static void choose_victims(Cycle *cycle, Candidate *candidate, const GPtrArray *lower)
{
  g_autoptr(GPtrArray) violating = g_ptr_array_new(), others = g_ptr_array_new();
  g_autoptr(GHashTable) allowed = g_hash_table_new(NULL, NULL);
  for (unsigned i = 0; i < lower->len; i++) {
    PodInfo *pod = g_ptr_array_index(lower, i);
    g_ptr_array_add(violates_budget(cycle, pod, allowed) ? violating : others, pod);
  }
  reprieve(cycle, candidate, violating, true);
  reprieve(cycle, candidate, others, false);
  g_ptr_array_sort(candidate->victims, by_importance);
  for (unsigned i = 0; i < candidate->victims->len; i++)
    put_back(cycle, g_ptr_array_index(candidate->victims, i), candidate->node);
}

static void drop_all(Cycle *cycle, GPtrArray *pods)
{
  for (unsigned i = 0; i < pods->len; i++)
    pod_info_unref(cycle->state->tally, g_ptr_array_index(pods, i));
  g_ptr_array_unref(pods);
}

/* Finds the victims on one node; NULL: REFUSAL says why that does not help. */
static Candidate *try_node(Cycle *cycle, NodeInfo *node, Refusal *refusal)
{
  GPtrArray *lower = pods_below(node, cycle->pod->priority);
  Candidate *candidate = NULL;
  if (lower->len == 0) {
    cycle_refuse(cycle, refusal, true, NO_VICTIMS);
  } else {
    for (unsigned i = 0; i < lower->len; i++)
      take_away(cycle, g_ptr_array_index(lower, i));
    cycle_recount(cycle);
    if (cycle_fits(cycle, node, refusal)) {
      candidate = g_new0(Candidate, 1);
      candidate->node = node;
      candidate->victims = g_ptr_array_new();
      choose_victims(cycle, candidate, lower);
    } else {
      for (unsigned i = 0; i < lower->len; i++)
        put_back(cycle, g_ptr_array_index(lower, i), node);
    }
    cycle_recount(cycle);
  }
  drop_all(cycle, lower);
  return candidate;
}

/* --- the best of them ------------------------------------------------------------------------------------------- */

static int64_t highest(const Candidate *candidate)
{
  return candidate->victims->len ? ((PodInfo *)g_ptr_array_index(candidate->victims, 0))->priority : INT64_MIN;
}

/* Priorities are made positive, so that more pods are more. */
static int64_t sum_of_priorities(const Candidate *candidate)
{
  int64_t sum = 0;
  for (unsigned i = 0; i < candidate->victims->len; i++)
    sum += ((PodInfo *)g_ptr_array_index(candidate->victims, i))->priority + G_MAXINT32 + 1;
  return sum;
}

/* Victims of the highest priority that started last are worth least. */
static const char *earliest_start(const Candidate *candidate)
{
  return candidate->victims->len ? start_of(g_ptr_array_index(candidate->victims, 0)) : "~";
}

static bool is_better(const Candidate *a, const Candidate *b)
{
  if (a->n_violations != b->n_violations)
    return a->n_violations < b->n_violations;
  if (highest(a) != highest(b))
    return highest(a) < highest(b);
  int64_t sum_a = sum_of_priorities(a), sum_b = sum_of_priorities(b);
  if (sum_a != sum_b)
    return sum_a < sum_b;
  if (a->victims->len != b->victims->len)
    return a->victims->len < b->victims->len;
  return strcmp(earliest_start(a), earliest_start(b)) > 0;
}

static void candidate_free(Cycle *cycle, Candidate *candidate)
{
  if (!candidate)
    return;
  drop_all(cycle, candidate->victims);
  g_free(candidate);
}

static void unref_object(void *object)
{
  object_unref(object);
}

/* --- whether ---------------------------------------------------------------------------------------------------- */

/* Victims that are still ending on the node this pod was promised: it waits for them and takes nobody else. */
static bool is_waiting(const Cycle *cycle, const Placement *placement)
{
  const char *name = cluster_state_nomination(cycle->state, object_uid(cycle->pod->object));
  NodeInfo *node = name ? cluster_state_node(cycle->state, name) : NULL;
  if (!node || !g_ptr_array_find(placement->hopeful, node, NULL))
    return false;
  GHashTableIter iter;
  void *pod;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &pod)) {
    const PodInfo *other = pod;
    const json_t *condition = condition_get(json_object_get(object_json(other->object), "status"), "DisruptionTarget");
    if (other->priority < cycle->pod->priority && other->ending &&
        strcmp(json_str(condition, "reason", ""), "PreemptionByScheduler") == 0)
      return true;
  }
  return false;
}

static unsigned candidates_wanted(const Cycle *cycle, unsigned n_nodes)
{
  int64_t wanted = (int64_t)n_nodes * cycle->profile->candidates_percentage / 100;
  return (unsigned)MIN(MAX(wanted, cycle->profile->candidates_least), n_nodes);
}

static Candidate *find_best(Cycle *cycle, const GPtrArray *hopeful, unsigned *start, GHashTable *reasons)
{
  Candidate *best = NULL;
  unsigned wanted = candidates_wanted(cycle, hopeful->len), found = 0, i;
  for (i = 0; i < hopeful->len; i++) {
    Refusal refusal = { 0 };
    Candidate *candidate = try_node(cycle, g_ptr_array_index(hopeful, (*start + i) % hopeful->len), &refusal);
    for (unsigned k = 0; k < refusal.n_reasons && !candidate; k++)
      reasons_count(reasons, refusal.reasons[k], 1);
    found += candidate != NULL;
    if (candidate && (!best || is_better(candidate, best))) {
      candidate_free(cycle, best);
      best = candidate;
    } else {
      candidate_free(cycle, candidate);
    }
    if (found >= wanted && best && best->n_violations == 0)
      break;
  }
  *start += i + 1;
  return best;
}

void preemption_find(Cycle *cycle, const Placement *placement, unsigned *start, Preemption *preemption)
{
  unsigned n_nodes = cycle->state->present->len;
  preemption->not_eligible = true;
  if (strcmp(json_str(pod_info_spec(cycle->pod), "preemptionPolicy", ""), "Never") == 0)
    preemption->message = g_strdup("not eligible due to preemptionPolicy=Never.");
  else if (is_waiting(cycle, placement))
    preemption->message = g_strdup("not eligible due to a terminating pod on the nominated node.");
  else
    preemption->not_eligible = false;
  if (preemption->not_eligible)
    return;
  g_autoptr(GHashTable) reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  Candidate *best = find_best(cycle, placement->hopeful, start, reasons);
  if (best) {
    preemption->node = g_strdup(best->node->name);
    preemption->victims = g_ptr_array_new_with_free_func(unref_object);
    for (unsigned i = 0; i < best->victims->len; i++)
      g_ptr_array_add(preemption->victims, object_ref(((PodInfo *)g_ptr_array_index(best->victims, i))->object));
    candidate_free(cycle, best);
    return;
  }
  if (n_nodes > placement->hopeful->len)
    reasons_count(reasons, NO_HELP, (int)(n_nodes - placement->hopeful->len));
  g_autofree char *text = reasons_text(reasons);
  preemption->message = g_strdup_printf("0/%u nodes are available: %s.", n_nodes, text);
}

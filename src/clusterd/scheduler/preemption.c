#include "clusterd/scheduler/preemption.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

void preemption_clear(Preemption *preemption)
{
  g_free(g_steal_pointer(&preemption->node));
  g_clear_pointer(&preemption->victims, g_ptr_array_unref);
}

static void unref_object(void *object)
{
  object_unref(object);
}

static int64_t priority_of(const Object *pod)
{
  return json_int(json_object_get(object_json(pod), "spec"), "priority", 0);
}

/* More important first; among equals the one that runs longer. */
static int by_importance(const void *left, const void *right)
{
  const Object *a = *(Object *const *)left, *b = *(Object *const *)right;
  if (priority_of(a) != priority_of(b))
    return priority_of(a) > priority_of(b) ? -1 : 1;
  return strcmp(json_str(json_object_get(object_json(a), "status"), "startTime", "~"),
                json_str(json_object_get(object_json(b), "status"), "startTime", "~"));
}

static bool fits(ClusterState *state, const PodInfo *pod, Informer *namespaces, const char *node_name)
{
  const NodeState *node = g_hash_table_lookup(state->nodes, node_name);
  g_autoptr(PodTerms) terms = pod_terms_new(state, pod, namespaces);
  Cycle cycle = { .state = state, .pod = pod, .terms = terms };
  return node && node->node && filters_pass(&cycle, node, NULL);
}

/* Who has to go from one node: all of lower priority are taken away, then each is put back, the most important first,
 * while the pod still fits. NULL when even that does not help. */
static GPtrArray *find_victims(ClusterState *state, const PodInfo *pod, Informer *namespaces, const NodeState *node)
{
  g_autofree char *name = g_strdup(node->name);
  g_autoptr(GPtrArray) lower = g_ptr_array_new_with_free_func(unref_object);
  GHashTableIter iter;
  void *info;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &info))
    if (((const PodInfo *)info)->priority < pod->priority)
      g_ptr_array_add(lower, object_ref(((const PodInfo *)info)->object));
  if (lower->len == 0)
    return NULL;
  g_ptr_array_sort(lower, by_importance);
  for (unsigned i = 0; i < lower->len; i++)
    cluster_state_remove_pod(state, object_uid(g_ptr_array_index(lower, i)));
  bool helps = fits(state, pod, namespaces, name);
  g_autoptr(GPtrArray) victims = g_ptr_array_new_with_free_func(unref_object);
  for (unsigned i = 0; i < lower->len; i++) {
    Object *other = g_ptr_array_index(lower, i);
    cluster_state_set_pod(state, other, name);
    if (!helps || fits(state, pod, namespaces, name))
      continue;
    cluster_state_remove_pod(state, object_uid(other));
    g_ptr_array_add(victims, object_ref(other));
  }
  for (unsigned i = 0; i < victims->len; i++)
    cluster_state_set_pod(state, g_ptr_array_index(victims, i), name);
  return helps ? g_steal_pointer(&victims) : NULL;
}

/* The lower the highest priority lost, then the fewer pods, the better. */
static bool is_better(GPtrArray *victims, GPtrArray *best)
{
  if (!best)
    return true;
  int64_t a = victims->len ? priority_of(g_ptr_array_index(victims, 0)) : INT64_MIN;
  int64_t b = best->len ? priority_of(g_ptr_array_index(best, 0)) : INT64_MIN;
  return a != b ? a < b : victims->len < best->len;
}

/* Pods that are ending on the node this one was promised: it waits for them and takes nobody else. */
static bool is_waiting(const ClusterState *state, const PodInfo *pod)
{
  const char *nominated = json_str(json_object_get(object_json(pod->object), "status"), "nominatedNodeName", "");
  const NodeState *node = *nominated ? g_hash_table_lookup(state->nodes, nominated) : NULL;
  if (!node)
    return false;
  GHashTableIter iter;
  void *info;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &info))
    if (((const PodInfo *)info)->priority < pod->priority &&
        pod_is_deleting(object_json(((const PodInfo *)info)->object)))
      return true;
  return false;
}

char *preemption_choose(ClusterState *state, const PodInfo *pod, Informer *namespaces, GPtrArray *hopeful,
                        Preemption *preemption)
{
  unsigned n_nodes = state->present->len, without_victims = 0;
  const char *policy = json_str(json_object_get(object_json(pod->object), "spec"), "preemptionPolicy", "");
  if (strcmp(policy, "Never") == 0)
    return g_strdup("not eligible due to preemptionPolicy=Never.");
  if (is_waiting(state, pod))
    return g_strdup("not eligible due to a terminating pod on the nominated node.");
  for (unsigned i = 0; i < hopeful->len; i++) {
    const NodeState *node = g_ptr_array_index(hopeful, i);
    g_autoptr(GPtrArray) victims = find_victims(state, pod, namespaces, node);
    if (!victims) {
      without_victims++;
    } else if (is_better(victims, preemption->victims)) {
      preemption_clear(preemption);
      preemption->node = g_strdup(node->name);
      preemption->victims = g_steal_pointer(&victims);
    }
  }
  unsigned useless = n_nodes - hopeful->len;
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_append_printf(text, "0/%u nodes are available: ", n_nodes);
  if (without_victims)
    g_string_append_printf(text, "%u No preemption victims found for incoming pod", without_victims);
  if (useless)
    g_string_append_printf(text, "%s%u Preemption is not helpful for scheduling", without_victims ? ", " : "", useless);
  g_string_append_c(text, '.');
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void end_victim(const Object *victim, const Preemption *preemption, Client *client, Recorder *recorder,
                       const Object *pod)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) status = json_deep_copy(json_object_get(object_json(victim), "status"));
  if (status) {
    condition_set(status, "DisruptionTarget", "True", "PreemptionByScheduler",
                  "default-scheduler: preempting to accommodate a higher priority pod");
    if (!status_write(client, "v1", "pods", victim, status, NULL, &error))
      g_clear_error(&error);
  }
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(victim) };
  if (client_delete(client, "v1", "pods", object_namespace(victim), object_name(victim), &options, &error))
    recorder_event(recorder, object_json(victim), NULL, "Normal", "Preempted", "Preempted by pod %s on node %s",
                   object_uid(pod), preemption->node);
  else if (!reason_is(error, REASON_NOT_FOUND))
    g_warning("Cannot preempt pod %s/%s: %s", object_namespace(victim), object_name(victim), error->message);
}

void preemption_carry_out(const Preemption *preemption, Client *client, Recorder *recorder, const Object *pod)
{
  for (unsigned i = 0; preemption->victims && i < preemption->victims->len; i++) {
    const Object *victim = g_ptr_array_index(preemption->victims, i);
    if (!pod_is_deleting(object_json(victim)))
      end_victim(victim, preemption, client, recorder, pod);
  }
}

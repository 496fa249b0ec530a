#include "clusterd/controllers/workloads/daemon_plan.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/pods/revision_history.h"
#include "clusterd/controllers/workloads/deployment_math.h"

static void unref_object(void *object)
{
  object_unref(object);
}

static void free_node(void *pointer)
{
  DaemonNode *node = pointer;
  g_ptr_array_free(node->pods, TRUE);
  g_free(node);
}

void daemon_plan_judge(const json_t *pod, const json_t *node, bool *starts, bool *stays)
{
  static const char *const barring[] = { "NoSchedule", "NoExecute", NULL }, *const evicting[] = { "NoExecute", NULL };
  const char *fixed = pod_node(pod), *name = json_str(json_object_get(node, "metadata"), "name", "");
  bool fits = (!*fixed || strcmp(fixed, name) == 0) && node_match_required(pod, node);
  *starts = fits && !node_match_untolerated(pod, node, barring);
  *stays = fits && !node_match_untolerated(pod, node, evicting);
}

DaemonPlan *daemon_plan_new(const json_t *spec, const char *hash, int64_t now_us)
{
  DaemonPlan *plan = g_new0(DaemonPlan, 1);
  plan->spec = spec;
  plan->hash = hash;
  plan->now_us = now_us;
  plan->nodes = g_ptr_array_new_with_free_func(free_node);
  plan->needing = g_ptr_array_new();
  plan->doomed = g_ptr_array_new();
  plan->ended = g_ptr_array_new();
  plan->wait_us = -1;
  return plan;
}

void daemon_plan_free(DaemonPlan *plan)
{
  if (!plan)
    return;
  g_ptr_array_free(plan->nodes, TRUE);
  g_ptr_array_free(plan->needing, TRUE);
  g_ptr_array_free(plan->doomed, TRUE);
  g_ptr_array_free(plan->ended, TRUE);
  g_free(plan);
}

void daemon_plan_add_node(DaemonPlan *plan, const Object *node, bool starts, bool stays)
{
  DaemonNode *entry = g_new(DaemonNode, 1);
  *entry = (DaemonNode){
    .node = node, .starts = starts, .stays = stays, .pods = g_ptr_array_new_with_free_func(unref_object)
  };
  g_ptr_array_add(plan->nodes, entry);
}

/* The node a pod is on or meant for. */
static const char *node_of(const json_t *pod)
{
  if (*pod_node(pod))
    return pod_node(pod);
  const json_t *terms = json_at(pod, "spec", "affinity", "nodeAffinity",
                                "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);
  const json_t *field = json_array_get(json_object_get(json_array_get(terms, 0), "matchFields"), 0);
  const char *name = json_string_value(json_array_get(json_object_get(field, "values"), 0));
  return name ? name : "";
}

static const char *creation_of(const Object *pod)
{
  return json_str(json_object_get(object_json(pod), "metadata"), "creationTimestamp", "");
}

/* Placed before unplaced, then the older; of one second's, the ready before the others, then by name. */
static int oldest_first(const void *left, const void *right)
{
  const Object *a = *(Object *const *)left, *b = *(Object *const *)right;
  bool a_placed = *pod_node(object_json(a)) != '\0', b_placed = *pod_node(object_json(b)) != '\0';
  if (a_placed != b_placed)
    return a_placed ? -1 : 1;
  int order = strcmp(creation_of(a), creation_of(b));
  if (order == 0)
    order = pod_is_ready(object_json(b)) - pod_is_ready(object_json(a));
  return order ? order : strcmp(object_name(a), object_name(b));
}

void daemon_plan_add_pods(DaemonPlan *plan, GPtrArray *pods)
{
  g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < plan->nodes->len; i++) {
    DaemonNode *node = g_ptr_array_index(plan->nodes, i);
    g_hash_table_insert(by_name, (char *)(uintptr_t)object_name(node->node), node);
  }
  for (unsigned i = 0; i < pods->len; i++) {
    Object *pod = g_ptr_array_index(pods, i);
    DaemonNode *node = g_hash_table_lookup(by_name, node_of(object_json(pod)));
    if (node)
      g_ptr_array_add(node->pods, object_ref(pod));
    else if (!*pod_node(object_json(pod)) && !pod_is_deleting(object_json(pod)))
      g_ptr_array_add(plan->doomed, pod); /* its node went before it came; once there, it is the pod collector's */
  }
  for (unsigned i = 0; i < plan->nodes->len; i++)
    g_ptr_array_sort(((DaemonNode *)g_ptr_array_index(plan->nodes, i))->pods, oldest_first);
}

static bool is_updated(const DaemonPlan *plan, const Object *pod)
{
  const json_t *labels = json_at(object_json(pod), "metadata", "labels", NULL);
  return strcmp(json_str(labels, REVISION_LABEL, ""), plan->hash) == 0;
}

static bool is_available(DaemonPlan *plan, const Object *pod)
{
  int64_t wait_us = -1;
  bool available =
      pod_is_available(object_json(pod), json_int(plan->spec, "minReadySeconds", 0), plan->now_us, &wait_us);
  if (wait_us >= 0)
    plan->wait_us = plan->wait_us < 0 ? wait_us : MIN(plan->wait_us, wait_us);
  return available;
}

static int64_t count_starts(const DaemonPlan *plan)
{
  int64_t count = 0;
  for (unsigned i = 0; i < plan->nodes->len; i++)
    count += ((const DaemonNode *)g_ptr_array_index(plan->nodes, i))->starts;
  return count;
}

/* Both limits of a rolling update; 0 and 0 would never move and means one missing. */
static void limits(const DaemonPlan *plan, int64_t *surge, int64_t *unavailable)
{
  const json_t *rolling = json_at(plan->spec, "updateStrategy", "rollingUpdate", NULL);
  int64_t desired = count_starts(plan);
  *surge = int_or_percent(json_object_get(rolling, "maxSurge"), desired, true, 0);
  *unavailable = int_or_percent(json_object_get(rolling, "maxUnavailable"), desired, true, 1);
  if (*surge == 0 && *unavailable == 0)
    *unavailable = 1;
}

static bool is_rolling(const DaemonPlan *plan)
{
  return strcmp(json_str(json_object_get(plan->spec, "updateStrategy"), "type", "RollingUpdate"), "RollingUpdate") == 0;
}

static bool may_surge(const DaemonPlan *plan)
{
  const json_t *rolling = json_at(plan->spec, "updateStrategy", "rollingUpdate", NULL);
  return is_rolling(plan) && int_or_percent(json_object_get(rolling, "maxSurge"), 100, true, 0) > 0;
}

/* Two pods on a node during a surge: an old one that is ready and a new one that is not yet available. */
static void sort_out_surge(DaemonPlan *plan, GPtrArray *running)
{
  Object *newer = NULL, *older = NULL;
  for (unsigned i = 0; i < running->len; i++) {
    Object *pod = g_ptr_array_index(running, i);
    Object **slot = is_updated(plan, pod) ? &newer : &older;
    if (*slot)
      g_ptr_array_add(plan->doomed, pod);
    else
      *slot = pod;
  }
  if (newer && older && (!pod_is_ready(object_json(older)) || is_available(plan, newer)))
    g_ptr_array_add(plan->doomed, older);
}

static void manage_staying(DaemonPlan *plan, const DaemonNode *node)
{
  g_autoptr(GPtrArray) running = g_ptr_array_new();
  for (unsigned i = 0; i < node->pods->len; i++) {
    Object *pod = g_ptr_array_index(node->pods, i);
    if (!pod_is_deleting(object_json(pod)))
      g_ptr_array_add(pod_is_finished(object_json(pod)) ? plan->ended : running, pod);
  }
  if (running->len > 1 && may_surge(plan)) {
    sort_out_surge(plan, running);
  } else if (running->len > 1) {
    for (unsigned i = 1; i < running->len; i++)
      g_ptr_array_add(plan->doomed, running->pdata[i]);
  } else if (running->len == 0 && node->starts && (node->pods->len == 0 || may_surge(plan))) {
    g_ptr_array_add(plan->needing, (void *)(uintptr_t)node->node);
  }
}

void daemon_plan_manage(DaemonPlan *plan)
{
  for (unsigned i = 0; i < plan->nodes->len; i++) {
    const DaemonNode *node = g_ptr_array_index(plan->nodes, i);
    if (node->stays) {
      manage_staying(plan, node);
      continue;
    }
    for (unsigned k = 0; k < node->pods->len; k++)
      if (!pod_is_deleting(object_json(node->pods->pdata[k])))
        g_ptr_array_add(plan->doomed, node->pods->pdata[k]);
  }
}

/* The old and the new pod of a node that are to stay. False when there are several of a kind. */
static bool find_pair(const DaemonPlan *plan, const DaemonNode *node, Object **older, Object **newer)
{
  *older = *newer = NULL;
  for (unsigned i = 0; i < node->pods->len; i++) {
    Object *pod = g_ptr_array_index(node->pods, i);
    if (pod_is_deleting(object_json(pod)))
      continue;
    Object **slot = is_updated(plan, pod) ? newer : older;
    if (*slot)
      return false;
    *slot = pod;
  }
  return true;
}

/* Old pods that do not serve go at once; of the others as many as may be missing. */
static void update_by_ending(DaemonPlan *plan, int64_t unavailable)
{
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  int64_t missing = 0;
  for (unsigned i = 0; i < plan->nodes->len; i++) {
    const DaemonNode *node = g_ptr_array_index(plan->nodes, i);
    Object *older, *newer;
    if (node->pods->len == 0 && !node->starts)
      continue;
    bool clear = find_pair(plan, node, &older, &newer);
    if (!clear || !older == !newer)
      missing++;
    else if (newer)
      missing += !is_available(plan, newer);
    else if (!is_available(plan, older))
      g_ptr_array_add(plan->doomed, older);
    else
      g_ptr_array_add(candidates, older);
  }
  for (unsigned i = 0; i < candidates->len && (int64_t)i < unavailable - missing; i++)
    g_ptr_array_add(plan->doomed, candidates->pdata[i]);
}

/* New pods come beside old ones, which go when the new ones are available. */
static void update_by_surging(DaemonPlan *plan, int64_t surge)
{
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  int64_t surging = 0;
  for (unsigned i = 0; i < plan->nodes->len; i++) {
    const DaemonNode *node = g_ptr_array_index(plan->nodes, i);
    Object *older, *newer;
    if (!find_pair(plan, node, &older, &newer)) {
      surging++;
    } else if (older && newer) {
      if (is_available(plan, newer))
        g_ptr_array_add(plan->doomed, older);
      else
        surging++;
    } else if (older && node->starts) {
      g_ptr_array_add(is_available(plan, older) ? candidates : plan->needing, (void *)(uintptr_t)node->node);
    }
  }
  for (unsigned i = 0; i < candidates->len && (int64_t)i < surge - surging; i++)
    g_ptr_array_add(plan->needing, candidates->pdata[i]);
}

void daemon_plan_update(DaemonPlan *plan)
{
  int64_t surge, unavailable;
  if (!is_rolling(plan))
    return;
  limits(plan, &surge, &unavailable);
  if (surge > 0)
    update_by_surging(plan, surge);
  else
    update_by_ending(plan, unavailable);
}

void daemon_plan_count(DaemonPlan *plan, json_t *status)
{
  int64_t desired = 0, current = 0, misplaced = 0, ready = 0, available = 0, updated = 0;
  for (unsigned i = 0; i < plan->nodes->len; i++) {
    const DaemonNode *node = g_ptr_array_index(plan->nodes, i);
    const Object *oldest = node->pods->len ? g_ptr_array_index(node->pods, 0) : NULL;
    desired += node->starts;
    misplaced += oldest && !node->starts;
    if (!oldest || !node->starts)
      continue;
    current++;
    ready += pod_is_ready(object_json(oldest));
    available += is_available(plan, oldest);
    updated += is_updated(plan, oldest);
  }
  json_object_set_new(status, "currentNumberScheduled", json_integer(current));
  json_object_set_new(status, "numberMisscheduled", json_integer(misplaced));
  json_object_set_new(status, "desiredNumberScheduled", json_integer(desired));
  json_object_set_new(status, "numberReady", json_integer(ready));
  const struct {
    const char *key;
    int64_t count;
  } optional[] = { { "updatedNumberScheduled", updated },
                   { "numberAvailable", available },
                   { "numberUnavailable", MAX(desired - available, 0) } };
  for (size_t i = 0; i < G_N_ELEMENTS(optional); i++) {
    json_object_del(status, optional[i].key);
    if (optional[i].count)
      json_object_set_new(status, optional[i].key, json_integer(optional[i].count));
  }
}

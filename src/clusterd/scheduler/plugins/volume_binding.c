/* VolumeBinding: the pod's volumes can be used, found or made where it goes. */
#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/plugins/volume_claims.h"
#include "clusterd/scheduler/plugins/volume_plan.h"

/* A claim whose volume is chosen with the node. */
typedef struct Open {
  Object *claim;        /* borrowed from the state, as everything here */
  GPtrArray *volumes;   /* Object*: would do on some node, the smallest first */
  const char *selected; /* the node a volume is being made for; NULL */
} Open;

struct VolumePlan {
  GPtrArray *bound;   /* Object*: the volumes of bound claims */
  GArray *open;       /* Open, the smallest first */
  bool misses_volume; /* a bound claim's is not there */
};

static void open_clear(void *pointer)
{
  g_clear_pointer(&((Open *)pointer)->volumes, g_ptr_array_unref);
}

void volume_plan_free(VolumePlan *plan)
{
  if (!plan)
    return;
  g_ptr_array_unref(plan->bound);
  g_array_unref(plan->open);
  g_free(plan);
}

static int by_volume_size(const void *left, const void *right)
{
  const Object *a = *(Object *const *)left, *b = *(Object *const *)right;
  int order = quantity_compare(volume_size(object_json(a)), volume_size(object_json(b)));
  return order ? order : strcmp(object_name(a), object_name(b));
}

static int by_claim_size(const void *left, const void *right)
{
  const Open *a = left, *b = right;
  return quantity_compare(claim_size(object_json(a->claim)), claim_size(object_json(b->claim)));
}

/* Volumes assumed for other claims are not there. */
static GPtrArray *find_volumes(const ClusterState *state, const Object *claim)
{
  GPtrArray *volumes = g_ptr_array_new();
  GHashTable *all = object_table_in(&state->tables[SCHEDULER_VOLUMES], "");
  g_autofree char *key = g_strconcat(object_namespace(claim), "/", object_name(claim), NULL);
  GHashTableIter iter;
  void *name, *volume;
  if (!all)
    return volumes;
  g_hash_table_iter_init(&iter, all);
  while (g_hash_table_iter_next(&iter, &name, &volume)) {
    const char *holder = g_hash_table_lookup(state->assumed_volumes, name);
    if ((!holder || strcmp(holder, key) == 0) && claim_may_have(object_json(claim), object_json(volume)))
      g_ptr_array_add(volumes, volume);
  }
  g_ptr_array_sort(volumes, by_volume_size);
  return volumes;
}

/* The claim NAME is to be made for a volume of the pod's own. */
static bool is_ephemeral(const PodInfo *pod, const char *name)
{
  size_t i;
  json_t *volume;
  json_array_foreach (json_object_get(pod_info_spec(pod), "volumes"), i, volume) {
    g_autofree char *own = g_strdup_printf("%s-%s", object_name(pod->object), json_str(volume, "name", ""));
    if (json_object_get(volume, "ephemeral") && strcmp(own, name) == 0)
      return true;
  }
  return false;
}

static bool is_owner(const PodInfo *pod, const Object *claim)
{
  const json_t *owners = json_at(object_json(claim), "metadata", "ownerReferences", NULL);
  return json_find(owners, "uid", object_uid(pod->object)) != NULL;
}

/* The claim NAME, in such a state that its pod may be placed; NULL: REFUSAL says what is wrong. */
static Object *usable_claim(Cycle *cycle, const char *name, Refusal *refusal)
{
  const Object *pod = cycle->pod->object;
  Object *claim = object_table_get(&cycle->state->tables[SCHEDULER_CLAIMS], object_namespace(pod), name);
  bool ephemeral = is_ephemeral(cycle->pod, name);
  if (ephemeral && claim && !is_owner(cycle->pod, claim))
    cycle_refuse(cycle, refusal, true, "PVC %s/%s was not created for pod %s/%s (pod is not owner)",
                 object_namespace(claim), name, object_namespace(pod), object_name(pod));
  else if (ephemeral && !claim)
    cycle_refuse(cycle, refusal, true,
                 "waiting for ephemeral volume controller to create the persistentvolumeclaim \"%s\"", name);
  else if (!claim)
    cycle_refuse(cycle, refusal, true, "persistentvolumeclaim \"%s\" not found", name);
  else if (strcmp(json_str(json_object_get(object_json(claim), "status"), "phase", ""), "Lost") == 0)
    cycle_refuse(cycle, refusal, true, "persistentvolumeclaim \"%s\" bound to non-existent persistentvolume \"%s\"",
                 name, json_str(json_object_get(object_json(claim), "spec"), "volumeName", ""));
  else if (json_at(object_json(claim), "metadata", "deletionTimestamp", NULL))
    cycle_refuse(cycle, refusal, true, "persistentvolumeclaim \"%s\" is being deleted", name);
  else
    return claim;
  return NULL;
}

static bool plan_claim(Cycle *cycle, Object *claim, Refusal *refusal)
{
  const json_t *value = object_json(claim);
  const char *volume_name = json_str(json_object_get(value, "spec"), "volumeName", "");
  if (claim_is_bound(value)) {
    Object *volume = object_table_get(&cycle->state->tables[SCHEDULER_VOLUMES], "", volume_name);
    if (volume)
      g_ptr_array_add(cycle->volumes->bound, volume);
    else
      cycle->volumes->misses_volume = true;
    return true;
  }
  if (!storage_class_waits(claim_class(cycle->state, value)) || *volume_name)
    return cycle_refuse(cycle, refusal, true, "pod has unbound immediate PersistentVolumeClaims");
  Open open = { .claim = claim, .selected = volume_annotation(value, VOLUME_SELECTED_NODE) };
  open.volumes = open.selected ? g_ptr_array_new() : find_volumes(cycle->state, claim);
  g_array_append_val(cycle->volumes->open, open);
  return true;
}

static bool prepare_volumes(Cycle *cycle, Refusal *refusal)
{
  g_clear_pointer(&cycle->volumes, volume_plan_free);
  cycle->skips[PLUGIN_VOLUME_BINDING] = !cycle->pod->claims;
  if (!cycle->pod->claims)
    return true;
  cycle->volumes = g_new0(VolumePlan, 1);
  cycle->volumes->bound = g_ptr_array_new();
  cycle->volumes->open = g_array_new(FALSE, FALSE, sizeof(Open));
  g_array_set_clear_func(cycle->volumes->open, open_clear);
  for (char **name = cycle->pod->claims; *name; name++) {
    Object *claim = usable_claim(cycle, *name, refusal);
    if (!claim || !plan_claim(cycle, claim, refusal))
      return false;
  }
  g_array_sort(cycle->volumes->open, by_claim_size);
  return true;
}

/* The volume of OPEN on NODE: *VOLUME, NULL when one is made. False: there is none. TAKEN are those other claims of the
 * pod got. */
static bool choose(const Cycle *cycle, const Open *open, const NodeInfo *node, GPtrArray *taken, Object **volume)
{
  const json_t *value = object_json(node->node);
  *volume = NULL;
  if (open->selected)
    return strcmp(open->selected, node->name) == 0;
  for (unsigned i = 0; i < open->volumes->len && !*volume; i++) {
    Object *one = g_ptr_array_index(open->volumes, i);
    if (!g_ptr_array_find(taken, one, NULL) && volume_reaches(object_json(one), value))
      *volume = one;
  }
  if (*volume)
    g_ptr_array_add(taken, *volume);
  return *volume || class_provisions_for(claim_class(cycle->state, object_json(open->claim)), value);
}

static bool reaches_volumes(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  const VolumePlan *plan = cycle->volumes;
  bool ok = true;
  if (plan->misses_volume)
    return cycle_refuse(cycle, refusal, true,
                        "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
  for (unsigned i = 0; i < plan->bound->len && ok; i++)
    ok = volume_reaches(object_json(g_ptr_array_index(plan->bound, i)), object_json(node->node)) ||
         cycle_refuse(cycle, refusal, true, "node(s) had volume node affinity conflict");
  g_autoptr(GPtrArray) taken = g_ptr_array_new();
  for (unsigned i = 0; i < plan->open->len; i++) {
    Object *volume;
    if (!choose(cycle, &g_array_index(plan->open, Open, i), node, taken, &volume))
      return cycle_refuse(cycle, refusal, true, "node(s) didn't find available persistent volumes to bind");
  }
  return ok;
}

const Plugin volume_binding_plugin = { .pre_filter = prepare_volumes, .filter = reaches_volumes };

/* --- what follows from the choice ------------------------------------------------------------------------------- */

void volume_choices_free(GArray *choices)
{
  for (unsigned i = 0; choices && i < choices->len; i++) {
    VolumeChoice *choice = &g_array_index(choices, VolumeChoice, i);
    object_unref(choice->claim);
    g_clear_pointer(&choice->volume, object_unref);
  }
  g_clear_pointer(&choices, g_array_unref);
}

GArray *volume_plan_choose(Cycle *cycle, const NodeInfo *node)
{
  const VolumePlan *plan = cycle->volumes;
  if (!plan || plan->open->len == 0)
    return NULL;
  GArray *choices = g_array_new(FALSE, FALSE, sizeof(VolumeChoice));
  g_autoptr(GPtrArray) taken = g_ptr_array_new();
  for (unsigned i = 0; i < plan->open->len; i++) {
    const Open *open = &g_array_index(plan->open, Open, i);
    Object *volume;
    if (!choose(cycle, open, node, taken, &volume))
      continue;
    VolumeChoice choice = { .claim = object_ref(open->claim), .volume = volume ? object_ref(volume) : NULL };
    g_array_append_val(choices, choice);
  }
  return choices;
}

void volume_choices_assume(ClusterState *state, const GArray *choices, bool assume)
{
  for (unsigned i = 0; choices && i < choices->len; i++) {
    const VolumeChoice *choice = &g_array_index(choices, VolumeChoice, i);
    if (!choice->volume)
      continue;
    const char *name = object_name(choice->volume);
    if (assume)
      g_hash_table_insert(state->assumed_volumes, g_strdup(name),
                          g_strconcat(object_namespace(choice->claim), "/", object_name(choice->claim), NULL));
    else
      g_hash_table_remove(state->assumed_volumes, name);
  }
}

VolumeProgress volume_choices_progress(const ClusterState *state, const GArray *choices, const char *node)
{
  VolumeProgress progress = VOLUME_BOUND;
  for (unsigned i = 0; choices && i < choices->len; i++) {
    const VolumeChoice *choice = &g_array_index(choices, VolumeChoice, i);
    Object *now =
        object_table_get(&state->tables[SCHEDULER_CLAIMS], object_namespace(choice->claim), object_name(choice->claim));
    if (!now || strcmp(object_uid(now), object_uid(choice->claim)) != 0)
      return VOLUME_FAILED;
    if (claim_is_bound(object_json(now)))
      continue;
    progress = VOLUME_WAITS;
    /* Who makes volumes takes the node back when it cannot. Older states of the claim are from before it was asked. */
    const char *selected = volume_annotation(object_json(now), VOLUME_SELECTED_NODE);
    if (!choice->volume && choice->revision && object_revision(now) >= choice->revision &&
        (!selected || strcmp(selected, node) != 0))
      return VOLUME_FAILED;
  }
  return progress;
}

/* A deployment's replica sets: finding, making, scaling and numbering them. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/pod_control.h"
#include "clusterd/controllers/workloads/deployment_rollout.h"

#define ANNOTATION_DESIRED "deployment.kubernetes.io/desired-replicas"
#define ANNOTATION_MAX "deployment.kubernetes.io/max-replicas"
#define ANNOTATION_HISTORY "deployment.kubernetes.io/revision-history"
#define HISTORY_LENGTH_MAX 2000

static const json_t *annotations_of(const Object *object)
{
  return json_at(object_json(object), "metadata", "annotations", NULL);
}

static int64_t annotation_int(const Object *object, const char *key)
{
  return g_ascii_strtoll(json_str(annotations_of(object), key, "0"), NULL, 10);
}

SetSize rollout_size(const Object *set)
{
  const json_t *value = object_json(set);
  return (SetSize){ .replicas = json_int(json_object_get(value, "spec"), "replicas", 1),
                    .available = json_int(json_object_get(value, "status"), "availableReplicas", 0),
                    .max_replicas = annotation_int(set, ANNOTATION_MAX) };
}

int64_t rollout_sum(const Rollout *rollout, const char *status_member)
{
  int64_t sum = 0;
  if (rollout->new_set)
    sum = json_int(json_object_get(object_json(rollout->new_set), "status"), status_member, 0);
  for (unsigned i = 0; i < rollout->old_sets->len; i++) {
    const Object *set = g_ptr_array_index(rollout->old_sets, i);
    sum += json_int(json_object_get(object_json(set), "status"), status_member, 0);
  }
  return sum;
}

static int older_first(const void *left, const void *right)
{
  const Object *a = *(Object *const *)left, *b = *(Object *const *)right;
  int order = strcmp(json_str(json_object_get(object_json(a), "metadata"), "creationTimestamp", ""),
                     json_str(json_object_get(object_json(b), "metadata"), "creationTimestamp", ""));
  return order ? order : strcmp(object_name(a), object_name(b));
}

Rollout *rollout_new(Object *deployment, GPtrArray *sets)
{
  const json_t *value = object_json(deployment);
  Rollout *rollout = g_new0(Rollout, 1);
  rollout->deployment = deployment;
  rollout->spec = json_object_get(value, "spec");
  const json_t *status = json_object_get(value, "status");
  rollout->status = status ? json_deep_copy(status) : json_object();
  rollout->old_sets = sets;
  g_ptr_array_sort(sets, older_first);
  const json_t *template = json_object_get(rollout->spec, "template");
  for (unsigned i = 0; i < sets->len && !rollout->new_set; i++) {
    Object *set = g_ptr_array_index(sets, i);
    if (!deployment_same_template(json_at(object_json(set), "spec", "template", NULL), template))
      continue;
    rollout->new_set = object_ref(set);
    g_ptr_array_remove_index(sets, i);
  }
  return rollout;
}

void rollout_free(Rollout *rollout)
{
  if (!rollout)
    return;
  object_unref(rollout->deployment);
  if (rollout->new_set)
    object_unref(rollout->new_set);
  g_ptr_array_free(rollout->old_sets, TRUE);
  json_decref(rollout->status);
  g_free(rollout);
}

static bool set_annotation(json_t *annotations, const char *key, const char *value)
{
  if (strcmp(json_str(annotations, key, ""), value) == 0)
    return false;
  json_object_set_new(annotations, key, json_string(value));
  return true;
}

static bool set_annotation_int(json_t *annotations, const char *key, int64_t value)
{
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
  return set_annotation(annotations, key, text);
}

/* What a deployment's annotation must not become on its replica sets. */
static bool is_own_annotation(const char *key)
{
  static const char *const own[] = { "kubectl.kubernetes.io/last-applied-configuration",
                                     DEPLOYMENT_REVISION,
                                     ANNOTATION_HISTORY,
                                     ANNOTATION_DESIRED,
                                     ANNOTATION_MAX,
                                     "deprecated.deployment.rollback.to" };
  for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
    if (strcmp(own[i], key) == 0)
      return true;
  return false;
}

static bool copy_annotations(json_t *annotations, const Object *deployment)
{
  bool changed = false;
  const char *key;
  json_t *text;
  json_object_foreach ((json_t *)(uintptr_t)annotations_of(deployment), key, text)
    if (!is_own_annotation(key))
      changed |= set_annotation(annotations, key, json_string_value(text));
  return changed;
}

/* A set that becomes the newest again remembers the revisions it had: "1,3". */
static void remember_revision(json_t *annotations, const char *revision)
{
  const char *history = json_str(annotations, ANNOTATION_HISTORY, "");
  g_autofree char *text = *history ? g_strconcat(history, ",", revision, NULL) : g_strdup(revision);
  const char *from = text;
  while (strlen(from) > HISTORY_LENGTH_MAX && strchr(from, ','))
    from = strchr(from, ',') + 1;
  set_annotation(annotations, ANNOTATION_HISTORY, from);
}

static bool annotate(json_t *annotations, const Object *deployment, int64_t revision)
{
  bool changed = copy_annotations(annotations, deployment);
  const char *known = json_str(annotations, DEPLOYMENT_REVISION, NULL);
  if (known && g_ascii_strtoll(known, NULL, 10) >= revision)
    return changed;
  if (known) {
    g_autofree char *before = g_strdup(known);
    remember_revision(annotations, before);
  }
  return set_annotation_int(annotations, DEPLOYMENT_REVISION, revision) || changed;
}

typedef struct SetChange {
  const Rollout *rollout;
  const char *uid;
  int64_t revision; /* -1: leave */
  int64_t size;     /* -1: leave */
} SetChange;

static bool change_set(json_t *value, void *data)
{
  const SetChange *change = data;
  const json_t *wanted = change->rollout->spec;
  json_t *metadata = json_object_get(value, "metadata");
  json_t *spec = json_object_get(value, "spec");
  if (strcmp(json_str(metadata, "uid", ""), change->uid) != 0)
    return false;
  json_t *annotations = json_ensure_object(metadata, "annotations", NULL);
  bool changed = false;
  if (change->revision >= 0) {
    changed |= annotate(annotations, change->rollout->deployment, change->revision);
    if (json_int(spec, "minReadySeconds", 0) != json_int(wanted, "minReadySeconds", 0)) {
      json_object_set_new(spec, "minReadySeconds", json_integer(json_int(wanted, "minReadySeconds", 0)));
      changed = true;
    }
  }
  if (change->size >= 0) {
    int64_t replicas = json_int(wanted, "replicas", 1);
    changed |= set_annotation_int(annotations, ANNOTATION_DESIRED, replicas);
    changed |= set_annotation_int(annotations, ANNOTATION_MAX, replicas + deployment_max_surge(wanted));
    changed |= json_int(spec, "replicas", 1) != change->size;
    json_object_set_new(spec, "replicas", json_integer(change->size));
  }
  return changed;
}

static bool write_set(Rollout *rollout, Object **slot, SetChange *change, GError **error)
{
  change->rollout = rollout;
  change->uid = object_uid(*slot);
  Object *stored = client_modify(rollout->client, "apps/v1", "replicasets", object_namespace(*slot), object_name(*slot),
                                 NULL, change_set, change, error);
  if (!stored)
    return false;
  informer_wait_revision(rollout->sets, object_revision(stored));
  object_unref(*slot);
  *slot = stored;
  return true;
}

bool rollout_scale(Rollout *rollout, Object **slot, int64_t size, bool *changed, GError **error)
{
  int64_t before = rollout_size(*slot).replicas;
  SetChange change = { .revision = -1, .size = size };
  if (!write_set(rollout, slot, &change, error))
    return false;
  if (before == size)
    return true;
  if (changed)
    *changed = true;
  recorder_event(rollout->recorder, object_json(rollout->deployment), NULL, "Normal", "ScalingReplicaSet",
                 "Scaled %s replica set %s from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                 before < size ? "up" : "down", object_name(*slot), before, size);
  return true;
}

static bool change_revision(json_t *value, void *data)
{
  const char *revision = data;
  return set_annotation(json_ensure_object(value, "metadata", "annotations", NULL), DEPLOYMENT_REVISION, revision);
}

/* The deployment carries the revision of its new set. */
static bool write_revision(Rollout *rollout, GError **error)
{
  const char *revision = json_str(annotations_of(rollout->new_set), DEPLOYMENT_REVISION, "1");
  if (strcmp(json_str(annotations_of(rollout->deployment), DEPLOYMENT_REVISION, ""), revision) == 0)
    return true;
  g_autoptr(Object) stored =
      client_modify(rollout->client, "apps/v1", "deployments", object_namespace(rollout->deployment),
                    object_name(rollout->deployment), NULL, change_revision, (void *)(uintptr_t)revision, error);
  if (!stored)
    return false;
  informer_wait_revision(rollout->deployments, object_revision(stored));
  return true;
}

static json_t *make_set(const Rollout *rollout, const char *name, const char *hash, int64_t revision, int64_t size)
{
  json_t *set = json_object();
  json_t *metadata = json_ensure_object(set, "metadata", NULL);
  json_t *spec = json_ensure_object(set, "spec", NULL);
  json_t *template = json_deep_copy(json_object_get(rollout->spec, "template"));
  json_object_set_new(json_ensure_object(template, "metadata", "labels", NULL), DEPLOYMENT_HASH_LABEL,
                      json_string(hash));
  json_t *selector = json_deep_copy(json_object_get(rollout->spec, "selector"));
  json_object_set_new(json_ensure_object(selector, "matchLabels", NULL), DEPLOYMENT_HASH_LABEL, json_string(hash));

  json_object_set_new(metadata, "name", json_string(name));
  json_object_set_new(metadata, "labels", json_deep_copy(json_at(template, "metadata", "labels", NULL)));
  json_object_set_new(metadata, "ownerReferences",
                      json_pack("[o]", owner_reference_new(object_json(rollout->deployment))));
  json_t *annotations = json_ensure_object(metadata, "annotations", NULL);
  annotate(annotations, rollout->deployment, revision);
  int64_t replicas = json_int(rollout->spec, "replicas", 1);
  set_annotation_int(annotations, ANNOTATION_DESIRED, replicas);
  set_annotation_int(annotations, ANNOTATION_MAX, replicas + deployment_max_surge(rollout->spec));
  json_object_set_new(spec, "replicas", json_integer(size));
  json_object_set_new(spec, "minReadySeconds", json_integer(json_int(rollout->spec, "minReadySeconds", 0)));
  json_object_set_new(spec, "selector", selector);
  json_object_set_new(spec, "template", template);
  return set;
}

/* The name is taken: by the very set we want (an earlier pass made it), or by another template with the same hash, and
 * then the deployment counts a collision and tries again. */
static bool resolve_collision(Rollout *rollout, const char *name, GError **error)
{
  g_autoptr(Object) other =
      client_get(rollout->client, "apps/v1", "replicasets", object_namespace(rollout->deployment), name, error);
  if (!other)
    return false;
  const json_t *owner = owner_of(object_json(other));
  if (owner && strcmp(json_str(owner, "uid", ""), object_uid(rollout->deployment)) == 0 &&
      deployment_same_template(json_at(object_json(other), "spec", "template", NULL),
                               json_object_get(rollout->spec, "template"))) {
    rollout->new_set = g_steal_pointer(&other);
    return true;
  }
  json_object_set_new(rollout->status, "collisionCount",
                      json_integer(json_int(rollout->status, "collisionCount", 0) + 1));
  if (status_write(rollout->client, "apps/v1", "deployments", rollout->deployment, rollout->status, NULL, error))
    reason_set(error, REASON_CONFLICT, "the hash of the pod template is taken by replica set %s", name);
  return false;
}

static bool report_creation_failure(Rollout *rollout, const char *name, GError *problem, GError **error)
{
  if (pod_control_is_moot(problem)) {
    g_propagate_error(error, problem);
    return false;
  }
  g_autofree char *message = g_strdup_printf("Failed to create new replica set \"%s\": %s", name, problem->message);
  if (rollout_has_deadline(rollout)) {
    condition_set_updated(rollout->status, "Progressing", "False", "ReplicaSetCreateError", message);
    status_write(rollout->client, "apps/v1", "deployments", rollout->deployment, rollout->status, NULL, NULL);
  }
  recorder_event(rollout->recorder, object_json(rollout->deployment), NULL, "Warning", "ReplicaSetCreateError", "%s",
                 message);
  g_propagate_error(error, problem);
  return false;
}

static bool create_new_set(Rollout *rollout, int64_t revision, GError **error)
{
  int64_t total = 0;
  for (unsigned i = 0; i < rollout->old_sets->len; i++)
    total += rollout_size(g_ptr_array_index(rollout->old_sets, i)).replicas;
  int64_t size = deployment_new_set_size(rollout->spec, 0, total);
  g_autofree char *hash = deployment_template_hash(json_object_get(rollout->spec, "template"),
                                                   json_int(rollout->status, "collisionCount", 0));
  g_autofree char *name = g_strconcat(object_name(rollout->deployment), "-", hash, NULL);
  g_autoptr(json_t) set = make_set(rollout, name, hash, revision, size);
  GError *problem = NULL;
  rollout->new_set =
      client_create(rollout->client, "apps/v1", "replicasets", object_namespace(rollout->deployment), set, &problem);
  if (reason_is(problem, REASON_ALREADY_EXISTS)) {
    g_error_free(problem);
    return resolve_collision(rollout, name, error);
  }
  if (problem)
    return report_creation_failure(rollout, name, problem, error);
  informer_wait_revision(rollout->sets, object_revision(rollout->new_set));
  if (size > 0)
    recorder_event(rollout->recorder, object_json(rollout->deployment), NULL, "Normal", "ScalingReplicaSet",
                   "Scaled up replica set %s from 0 to %" G_GINT64_FORMAT, name, size);
  if (rollout_has_deadline(rollout)) {
    g_autofree char *message = g_strdup_printf("Created new replica set \"%s\"", name);
    condition_set_updated(rollout->status, "Progressing", "True", "NewReplicaSetCreated", message);
  }
  return true;
}

/* True when there is no word yet about the progress of the new set: none at all, or of a set before it. So it is when
 * an old set comes back, and when whoever made this one ended before it could tell. */
static bool is_unheard_of(const Rollout *rollout)
{
  const json_t *progressing = condition_get(rollout->status, "Progressing");
  const char *message = json_str(progressing, "message", "");
  g_autofree char *name = g_strdup_printf("\"%s\"", object_name(rollout->new_set));
  bool of_set = strstr(message, "ReplicaSet \"") || strstr(message, "replica set \"");
  return !progressing || (of_set && !strstr(message, name));
}

bool rollout_sync_new_set(Rollout *rollout, bool create, GError **error)
{
  int64_t revision = 0;
  for (unsigned i = 0; i < rollout->old_sets->len; i++)
    revision = MAX(revision, annotation_int(g_ptr_array_index(rollout->old_sets, i), DEPLOYMENT_REVISION));
  revision++;
  if (!rollout->new_set)
    return !create || (create_new_set(rollout, revision, error) && write_revision(rollout, error));
  SetChange change = { .revision = revision, .size = -1 };
  if (!write_set(rollout, &rollout->new_set, &change, error))
    return false;
  if (rollout_has_deadline(rollout) && is_unheard_of(rollout)) {
    g_autofree char *message = g_strdup_printf("Found new replica set \"%s\"", object_name(rollout->new_set));
    condition_set(rollout->status, "Progressing", "True", "FoundNewReplicaSet", message);
    condition_touch(rollout->status, "Progressing");
  }
  return write_revision(rollout, error);
}

static int by_revision(const void *left, const void *right)
{
  int64_t a = annotation_int(*(Object *const *)left, DEPLOYMENT_REVISION);
  int64_t b = annotation_int(*(Object *const *)right, DEPLOYMENT_REVISION);
  return a == b ? older_first(left, right) : (a < b ? -1 : 1);
}

static bool is_empty(const Object *set)
{
  const json_t *value = object_json(set);
  const json_t *status = json_object_get(value, "status");
  return json_int(json_object_get(value, "spec"), "replicas", 1) == 0 && json_int(status, "replicas", 0) == 0 &&
         json_int(json_object_get(value, "metadata"), "generation", 0) <= json_int(status, "observedGeneration", 0) &&
         !json_at(value, "metadata", "deletionTimestamp", NULL);
}

bool rollout_clean_up(Rollout *rollout, GError **error)
{
  int64_t limit = json_int(rollout->spec, "revisionHistoryLimit", 10);
  int64_t surplus = (int64_t)rollout->old_sets->len - limit;
  if (surplus <= 0)
    return true;
  g_autoptr(GPtrArray) sets = g_ptr_array_copy(rollout->old_sets, NULL, NULL);
  g_ptr_array_set_free_func(sets, NULL);
  g_ptr_array_sort(sets, by_revision);
  for (int64_t i = 0; i < surplus; i++) {
    const Object *set = g_ptr_array_index(sets, i);
    g_autoptr(GError) problem = NULL;
    DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(set) };
    if (!is_empty(set))
      continue;
    if (client_delete(rollout->client, "apps/v1", "replicasets", object_namespace(set), object_name(set), &options,
                      &problem))
      informer_wait_deleted(rollout->sets, set);
    else if (!reason_is(problem, REASON_NOT_FOUND)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
  }
  return true;
}

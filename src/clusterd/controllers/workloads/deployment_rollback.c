/* What old clients ask a deployment by spec.rollbackTo, which apps/v1 keeps as an annotation: to take the template of
 * an earlier revision again. Source: pkg/controller/deployment/rollback.go. */
#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/workloads/deployment_rollout.h"

#define ROLLBACK_TO "deprecated.deployment.rollback.to"

static const char *annotation_of(const Object *object, const char *key)
{
  return json_str(json_at(object_json(object), "metadata", "annotations", NULL), key, "");
}

static int64_t revision_of(const Object *set)
{
  return g_ascii_strtoll(annotation_of(set, DEPLOYMENT_REVISION), NULL, 10);
}

/* The set of REVISION; for 0 the one before the newest. NULL when there is none. */
static const Object *find_set(const Rollout *rollout, int64_t revision)
{
  const Object *newest = NULL, *before = NULL;
  for (unsigned i = 0; i <= rollout->old_sets->len; i++) {
    const Object *set = i < rollout->old_sets->len ? rollout->old_sets->pdata[i] : rollout->new_set;
    if (!set)
      continue;
    if (revision > 0 && revision_of(set) == revision)
      return set;
    if (!newest || revision_of(set) > revision_of(newest)) {
      before = newest;
      newest = set;
    } else if (!before || revision_of(set) > revision_of(before)) {
      before = set;
    }
  }
  return revision == 0 ? before : NULL;
}

/* DATA is the template to take; NULL: none. */
static bool take_template(json_t *deployment, void *data)
{
  json_t *metadata = json_object_get(deployment, "metadata");
  if (data) {
    json_t *template = json_deep_copy(data);
    json_object_del(json_at(template, "metadata", "labels", NULL), DEPLOYMENT_HASH_LABEL);
    json_object_set_new(json_object_get(deployment, "spec"), "template", template);
  }
  json_object_del(json_object_get(metadata, "annotations"), ROLLBACK_TO);
  return true;
}

static void tell(Rollout *rollout, const char *type, const char *reason, const char *text)
{
  recorder_event(rollout->recorder, object_json(rollout->deployment), NULL, type, reason, "%s", text);
}

bool rollout_roll_back(Rollout *rollout, bool *asked, GError **error)
{
  const Object *deployment = rollout->deployment;
  gint64 revision;
  *asked = g_ascii_string_to_signed(annotation_of(deployment, ROLLBACK_TO), 10, 0, G_MAXINT64, &revision, NULL);
  if (!*asked)
    return true;
  const Object *set = find_set(rollout, revision);
  json_t *template = set ? json_at(object_json(set), "spec", "template", NULL) : NULL;
  bool same = template && deployment_same_template(template, json_object_get(rollout->spec, "template"));
  g_autoptr(Object) stored = client_modify(rollout->client, "apps/v1", "deployments", object_namespace(deployment),
                                           object_name(deployment), NULL, take_template, same ? NULL : template, error);
  if (!stored)
    return false;
  g_autofree char *text = NULL;
  if (!set)
    tell(rollout, "Warning", "DeploymentRollbackRevisionNotFound",
         revision ? "Unable to find the revision to rollback to." : "Unable to find last revision.");
  else if (same)
    tell(rollout, "Warning", "DeploymentRollbackTemplateUnchanged",
         text = g_strdup_printf("The rollback revision contains the same template as current deployment \"%s\"",
                                object_name(deployment)));
  else
    tell(rollout, "Normal", "DeploymentRollback",
         text = g_strdup_printf("Rolled back deployment \"%s\" to revision %" G_GINT64_FORMAT, object_name(deployment),
                                revision_of(set)));
  informer_wait_revision(rollout->deployments, object_revision(stored));
  return true;
}

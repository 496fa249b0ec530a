#include "clusterd/controllers/pods/revision_history.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/workloads/deployment_math.h"

#define HISTORY_LIMIT 10

static int64_t number_of(const Object *revision)
{
  return json_int(object_json(revision), "revision", 0);
}

static int by_number(const void *left, const void *right)
{
  int64_t a = number_of(*(Object *const *)left), b = number_of(*(Object *const *)right);
  return a < b ? -1 : a > b;
}

static GPtrArray *list_revisions(const RevisionHistory *history, const Object *owner)
{
  GPtrArray *revisions = informer_by_index(history->revisions, OWNER_INDEX_UID, object_uid(owner));
  g_ptr_array_sort(revisions, by_number);
  return revisions;
}

const json_t *revision_history_template(const Object *revision)
{
  return json_at(object_json(revision), "data", "spec", "template", NULL);
}

const char *revision_history_hash(const Object *revision, const Object *owner)
{
  gsize length = strlen(object_name(owner)) + 1;
  const char *name = object_name(revision);
  return strlen(name) > length ? name + length : name;
}

/* What a revision holds is a patch that replaces the template as a whole. */
static json_t *make_data(const Object *owner)
{
  json_t *template = json_deep_copy(json_at(object_json(owner), "spec", "template", NULL));
  json_object_set_new(template, "$patch", json_string("replace"));
  return json_pack("{s:{s:o}}", "spec", "template", template);
}

static bool set_number(json_t *value, void *data)
{
  json_object_set_new(value, "revision", json_integer(*(const int64_t *)data));
  return true;
}

static Object *create_revision(const RevisionHistory *history, const Object *owner, const json_t *data, int64_t number,
                               GError **error)
{
  const json_t *template = json_at(object_json(owner), "spec", "template", NULL);
  for (int64_t collisions = 0;; collisions++) {
    g_autofree char *hash = deployment_template_hash(template, collisions);
    g_autofree char *name = g_strconcat(object_name(owner), "-", hash, NULL);
    const json_t *known_labels = json_at(template, "metadata", "labels", NULL);
    json_t *labels = known_labels ? json_deep_copy(known_labels) : json_object();
    json_object_set_new(labels, REVISION_LABEL, json_string(hash));
    const json_t *notes = json_at(object_json(owner), "metadata", "annotations", NULL);
    g_autoptr(json_t) value =
        json_pack("{s:{s:s, s:o, s:[o]}, s:O, s:I}", "metadata", "name", name, "labels", labels, "ownerReferences",
                  owner_reference_new(object_json(owner)), "data", data, "revision", (json_int_t)number);
    const char *cause = json_str(notes, "kubernetes.io/change-cause", NULL);
    if (cause)
      json_object_set_new(json_ensure_object(value, "metadata", "annotations", NULL), "kubernetes.io/change-cause",
                          json_string(cause));
    GError *problem = NULL;
    Object *stored =
        client_create(history->client, "apps/v1", "controllerrevisions", object_namespace(owner), value, &problem);
    if (stored || !reason_is(problem, REASON_ALREADY_EXISTS) || collisions > 10) {
      if (problem)
        g_propagate_error(error, problem);
      return stored;
    }
    g_error_free(problem);
  }
}

Object *revision_history_sync(const RevisionHistory *history, const Object *owner, GError **error)
{
  g_autoptr(json_t) data = make_data(owner);
  g_autoptr(GPtrArray) revisions = list_revisions(history, owner);
  const Object *newest = revisions->len ? g_ptr_array_index(revisions, revisions->len - 1) : NULL;
  int64_t next = newest ? number_of(newest) + 1 : 1;
  Object *stored = NULL;
  for (unsigned i = revisions->len; i-- > 0;) {
    Object *revision = g_ptr_array_index(revisions, i);
    if (!json_equal(json_object_get(object_json(revision), "data"), data))
      continue;
    if (revision == newest)
      return object_ref(revision);
    stored = client_modify(history->client, "apps/v1", "controllerrevisions", object_namespace(revision),
                           object_name(revision), NULL, set_number, &next, error);
    if (stored)
      informer_wait_revision(history->revisions, object_revision(stored));
    return stored;
  }
  stored = create_revision(history, owner, data, next, error);
  if (stored)
    informer_wait_revision(history->revisions, object_revision(stored));
  return stored;
}

void revision_history_trim(const RevisionHistory *history, const Object *owner, GHashTable *in_use)
{
  g_autoptr(GPtrArray) revisions = list_revisions(history, owner);
  int64_t limit = json_int(json_object_get(object_json(owner), "spec"), "revisionHistoryLimit", HISTORY_LIMIT);
  int64_t surplus = (int64_t)revisions->len - limit - 1;
  for (unsigned i = 0; surplus > 0 && i < revisions->len; i++) {
    const Object *revision = g_ptr_array_index(revisions, i);
    if (g_hash_table_contains(in_use, revision_history_hash(revision, owner)))
      continue;
    g_autoptr(GError) error = NULL;
    if (client_delete(history->client, "apps/v1", "controllerrevisions", object_namespace(revision),
                      object_name(revision), NULL, &error))
      informer_wait_deleted(history->revisions, revision);
    surplus--;
  }
}

#include "clusterd/controllers/pods/revision_history.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/workloads/deployment_math.h"

#define HISTORY_LIMIT 10
#define COLLISIONS_MAX 10 /* names tried in one go */

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

const char *revision_history_label(const RevisionHistory *history, const Object *revision, const Object *owner)
{
  if (history->kind->pods_have_name)
    return object_name(revision);
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

static json_t *make_revision(const RevisionHistory *history, const Object *owner, const json_t *data, const char *hash,
                             int64_t number)
{
  const json_t *template_labels = json_at(object_json(owner), "spec", "template", "metadata", "labels", NULL);
  const json_t *notes = json_at(object_json(owner), "metadata", "annotations", NULL);
  g_autofree char *name = g_strconcat(object_name(owner), "-", hash, NULL);
  json_t *labels = template_labels ? json_deep_copy(template_labels) : json_object();
  json_object_set_new(labels, history->kind->hash_label, json_string(hash));
  json_t *value =
      json_pack("{s:{s:s, s:o, s:[o]}, s:O, s:I}", "metadata", "name", name, "labels", labels, "ownerReferences",
                owner_reference_new(object_json(owner)), "data", data, "revision", (json_int_t)number);
  if (notes)
    json_object_set_new(json_object_get(value, "metadata"), "annotations", json_deep_copy(notes));
  return value;
}

/* What has the name we wanted, when it is the very revision we wanted: an earlier pass made it. */
static Object *find_same(const RevisionHistory *history, const Object *owner, const json_t *value)
{
  const char *name = json_str(json_object_get(value, "metadata"), "name", "");
  g_autoptr(Object) known =
      client_get(history->client, "apps/v1", "controllerrevisions", object_namespace(owner), name, NULL);
  const json_t *known_owner = known ? owner_of(object_json(known)) : NULL;
  if (!known || strcmp(json_str(known_owner, "uid", ""), object_uid(owner)) != 0 ||
      !json_same(json_object_get(object_json(known), "data"), json_object_get(value, "data")))
    return NULL;
  return g_steal_pointer(&known);
}

static Object *create_revision(const RevisionHistory *history, const Object *owner, const json_t *data, int64_t number,
                               int64_t *collisions, GError **error)
{
  const json_t *template = json_at(object_json(owner), "spec", "template", NULL);
  for (int tries = 1;; tries++) {
    g_autofree char *hash = deployment_template_hash(template, *collisions);
    g_autoptr(json_t) value = make_revision(history, owner, data, hash, number);
    g_autoptr(GError) problem = NULL;
    Object *stored =
        client_create(history->client, "apps/v1", "controllerrevisions", object_namespace(owner), value, &problem);
    bool taken = reason_is(problem, REASON_ALREADY_EXISTS);
    if (taken)
      stored = find_same(history, owner, value);
    if (stored)
      return stored;
    if (!taken || tries == COLLISIONS_MAX) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return NULL;
    }
    ++*collisions;
  }
}

static bool adopt_orphans(const RevisionHistory *history, const Object *owner, GError **error)
{
  g_autoptr(LabelSelector) selector =
      label_selector_from_json(json_at(object_json(owner), "spec", "selector", NULL), NULL);
  if (!selector)
    return true;
  OwnerClaim claim = { .client = history->client,
                       .owner_api_version = history->kind->owner_api_version,
                       .owner_plural = history->kind->owner_plural,
                       .api_version = "apps/v1",
                       .plural = "controllerrevisions",
                       .informer = history->revisions };
  g_autoptr(GPtrArray) claimed = owner_claim(&claim, owner, selector, error);
  return claimed != NULL;
}

static Object *renumber(const RevisionHistory *history, const Object *revision, int64_t number, GError **error)
{
  return client_modify(history->client, "apps/v1", "controllerrevisions", object_namespace(revision),
                       object_name(revision), NULL, set_number, &number, error);
}

Object *revision_history_sync(const RevisionHistory *history, const Object *owner, int64_t *collisions, GError **error)
{
  if (!adopt_orphans(history, owner, error))
    return NULL;
  g_autoptr(json_t) data = make_data(owner);
  g_autoptr(GPtrArray) revisions = list_revisions(history, owner);
  Object *newest = revisions->len ? g_ptr_array_index(revisions, revisions->len - 1) : NULL;
  Object *same = NULL;
  for (unsigned i = revisions->len; !same && i-- > 0;)
    if (json_equal(json_object_get(object_json(g_ptr_array_index(revisions, i)), "data"), data))
      same = g_ptr_array_index(revisions, i);
  if (same && same == newest)
    return object_ref(same);
  int64_t next = newest ? number_of(newest) + 1 : 1;
  Object *stored =
      same ? renumber(history, same, next, error) : create_revision(history, owner, data, next, collisions, error);
  if (stored)
    informer_wait_revision(history->revisions, object_revision(stored));
  return stored;
}

void revision_history_trim(const RevisionHistory *history, const Object *owner, GHashTable *in_use)
{
  g_autoptr(GPtrArray) revisions = list_revisions(history, owner);
  int64_t limit = json_int(json_object_get(object_json(owner), "spec"), "revisionHistoryLimit", HISTORY_LIMIT);
  g_autoptr(GPtrArray) unused = g_ptr_array_new();
  for (unsigned i = 0; i + 1 < revisions->len; i++) {
    Object *revision = g_ptr_array_index(revisions, i);
    if (!g_hash_table_contains(in_use, revision_history_label(history, revision, owner)))
      g_ptr_array_add(unused, revision);
  }
  int64_t counted = history->kind->limit_spares_used ? unused->len : (int64_t)revisions->len - 1;
  for (int64_t i = 0; i < MIN(counted - limit, (int64_t)unused->len); i++) {
    const Object *revision = g_ptr_array_index(unused, i);
    if (client_delete(history->client, "apps/v1", "controllerrevisions", object_namespace(revision),
                      object_name(revision), NULL, NULL))
      informer_wait_deleted(history->revisions, revision);
  }
}

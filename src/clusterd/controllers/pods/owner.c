#include "clusterd/controllers/pods/owner.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"

const json_t *owner_of(const json_t *object)
{
  size_t i;
  json_t *reference;
  json_array_foreach (json_at(object, "metadata", "ownerReferences", NULL), i, reference)
    if (json_flag(reference, "controller", false))
      return reference;
  return NULL;
}

bool owner_is(const json_t *owner, const char *group, const char *kind)
{
  const char *api_version = json_str(owner, "apiVersion", "");
  const char *slash = strchr(api_version, '/');
  size_t length = slash ? (size_t)(slash - api_version) : 0;
  return strcmp(json_str(owner, "kind", ""), kind) == 0 && strlen(group) == length &&
         strncmp(api_version, group, length) == 0;
}

json_t *owner_reference_new(const json_t *owner)
{
  const json_t *metadata = json_object_get(owner, "metadata");
  return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "apiVersion", json_str(owner, "apiVersion", ""), "kind",
                   json_str(owner, "kind", ""), "name", json_str(metadata, "name", ""), "uid",
                   json_str(metadata, "uid", ""), "controller", 1, "blockOwnerDeletion", 1);
}

char **owner_index_orphans(const Object *object)
{
  return owner_of(object_json(object)) ? NULL : informer_index_by_namespace(object);
}

void owner_add_indexes(Informer *informer)
{
  informer_add_index(informer, OWNER_INDEX_UID, informer_index_by_owner_uid);
  informer_add_index(informer, OWNER_INDEX_ORPHANS, owner_index_orphans);
}

static bool is_deleting(const json_t *object)
{
  return json_is_string(json_at(object, "metadata", "deletionTimestamp", NULL));
}

typedef struct Change {
  const char *uid;       /* of the object to change */
  const json_t *owner;   /* adopt: the owner's value */
  const char *owner_uid; /* release */
  const char *finalizer; /* both; may be NULL */
  bool refused;          /* adopt: somebody was faster */
} Change;

static bool adopt(json_t *value, void *data)
{
  Change *change = data;
  json_t *metadata = json_object_get(value, "metadata");
  change->refused = strcmp(json_str(metadata, "uid", ""), change->uid) != 0 || owner_of(value) || is_deleting(value);
  if (change->refused)
    return false;
  json_t *references = json_object_get(metadata, "ownerReferences");
  if (!references) {
    references = json_array();
    json_object_set_new(metadata, "ownerReferences", references);
  }
  json_array_append_new(references, owner_reference_new(change->owner));
  if (change->finalizer && !json_has_text(json_object_get(metadata, "finalizers"), change->finalizer)) {
    if (!json_object_get(metadata, "finalizers"))
      json_object_set_new(metadata, "finalizers", json_array());
    json_array_append_new(json_object_get(metadata, "finalizers"), json_string(change->finalizer));
  }
  return true;
}

bool owner_drop_finalizer(json_t *value, const char *finalizer)
{
  json_t *metadata = json_object_get(value, "metadata"), *list = json_object_get(metadata, "finalizers"), *each;
  size_t i;
  json_array_foreach (list, i, each) {
    if (strcmp(json_string_value(each), finalizer) != 0)
      continue;
    json_array_remove(list, i);
    if (json_array_size(list) == 0)
      json_object_del(metadata, "finalizers");
    return true;
  }
  return false;
}

static bool release(json_t *value, void *data)
{
  const Change *change = data;
  json_t *metadata = json_object_get(value, "metadata");
  json_t *references = json_object_get(metadata, "ownerReferences");
  if (strcmp(json_str(metadata, "uid", ""), change->uid) != 0)
    return false;
  size_t i;
  json_t *reference;
  json_array_foreach (references, i, reference) {
    if (strcmp(json_str(reference, "uid", ""), change->owner_uid) != 0)
      continue;
    json_array_remove(references, i);
    if (json_array_size(references) == 0)
      json_object_del(metadata, "ownerReferences");
    if (change->finalizer)
      owner_drop_finalizer(value, change->finalizer);
    return true;
  }
  return false;
}

/* Writes one change and waits until the informer shows it. NULL without an error when the object is gone. */
static Object *write_change(const OwnerClaim *claim, const Object *object, RegistryChange change, Change *data,
                            GError **error)
{
  g_autoptr(GError) problem = NULL;
  Object *stored = client_modify(claim->client, claim->api_version, claim->plural, object_namespace(object),
                                 object_name(object), NULL, change, data, &problem);
  if (stored)
    informer_wait_revision(claim->informer, object_revision(stored));
  else if (!reason_is(problem, REASON_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&problem));
  return stored;
}

/* An owner that is being deleted must not adopt; its informer may not know yet. */
static bool may_adopt(const OwnerClaim *claim, const Object *owner)
{
  g_autoptr(Object) live = client_get(claim->client, claim->owner_api_version, claim->owner_plural,
                                      object_namespace(owner), object_name(owner), NULL);
  return live && strcmp(object_uid(live), object_uid(owner)) == 0 && !is_deleting(object_json(live));
}

static bool is_match(const OwnerClaim *claim, const Object *owner, const LabelSelector *selector, const Object *object)
{
  return label_selector_matches(selector, json_at(object_json(object), "metadata", "labels", NULL)) &&
         (!claim->belongs || claim->belongs(owner, object));
}

static bool release_others(const OwnerClaim *claim, const Object *owner, const LabelSelector *selector,
                           GPtrArray *claimed, GError **error)
{
  g_autoptr(GPtrArray) owned = informer_by_index(claim->informer, OWNER_INDEX_UID, object_uid(owner));
  for (unsigned i = 0; i < owned->len; i++) {
    Object *object = g_ptr_array_index(owned, i);
    const json_t *value = object_json(object);
    if (is_match(claim, owner, selector, object)) {
      g_ptr_array_add(claimed, object_ref(object));
    } else if (!is_deleting(value) && !is_deleting(object_json(owner))) {
      GError *problem = NULL;
      Change change = { .uid = object_uid(object), .owner_uid = object_uid(owner), .finalizer = claim->finalizer };
      g_autoptr(Object) stored = write_change(claim, object, release, &change, &problem);
      if (problem) {
        g_propagate_error(error, problem);
        return false;
      }
    }
  }
  return true;
}

static bool adopt_orphans(const OwnerClaim *claim, const Object *owner, const LabelSelector *selector,
                          GPtrArray *claimed, GError **error)
{
  g_autoptr(GPtrArray) orphans = informer_by_index(claim->informer, OWNER_INDEX_ORPHANS, object_namespace(owner));
  bool checked = false;
  for (unsigned i = 0; i < orphans->len; i++) {
    Object *object = g_ptr_array_index(orphans, i);
    if (is_deleting(object_json(object)) || !is_match(claim, owner, selector, object))
      continue;
    if (!checked && !may_adopt(claim, owner))
      return true;
    checked = true;
    GError *problem = NULL;
    Change change = { .uid = object_uid(object), .owner = object_json(owner), .finalizer = claim->finalizer };
    g_autoptr(Object) stored = write_change(claim, object, adopt, &change, &problem);
    if (problem) {
      g_propagate_error(error, problem);
      return false;
    }
    if (stored && !change.refused)
      g_ptr_array_add(claimed, g_steal_pointer(&stored));
  }
  return true;
}

static void unref_object(void *object)
{
  object_unref(object);
}

GPtrArray *owner_claim(const OwnerClaim *claim, const Object *owner, const LabelSelector *selector, GError **error)
{
  g_autoptr(GPtrArray) claimed = g_ptr_array_new_with_free_func(unref_object);
  if (!release_others(claim, owner, selector, claimed, error))
    return NULL;
  if (!is_deleting(object_json(owner)) && !adopt_orphans(claim, owner, selector, claimed, error))
    return NULL;
  return g_steal_pointer(&claimed);
}

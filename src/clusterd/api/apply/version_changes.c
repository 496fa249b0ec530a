#include "clusterd/api/apply/version_changes.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/apply/field_set.h"
#include "clusterd/api/custom/custom_definition.h"

struct VersionChanges {
  const ApiKind *kind;
  const ApiScheme *scheme;
  const char *subresource;
  const json_t *old, *new_value;
  GHashTable *by_kind; /* ApiKind* → VersionChange* */
};

static void version_change_free(void *data)
{
  VersionChange *change = data;
  json_decref(change->changed);
  json_decref(change->removed);
  g_free(change);
}

VersionChanges *version_changes_new(const ApiKind *kind, const ApiScheme *scheme, const char *subresource,
                                    const json_t *old, const json_t *new_value)
{
  VersionChanges *changes = g_new0(VersionChanges, 1);
  *changes = (VersionChanges){ kind, scheme, subresource, old, new_value, NULL };
  changes->by_kind = g_hash_table_new_full(NULL, NULL, NULL, version_change_free);
  return changes;
}

void version_changes_free(VersionChanges *changes)
{
  if (!changes)
    return;
  g_hash_table_unref(changes->by_kind);
  g_free(changes);
}

json_t *version_changes_strip(const ApiKind *kind, const char *subresource, json_t *set)
{
  static const char *const unmanaged[] = {
    "f:name",       "f:namespace",     "f:creationTimestamp", "f:selfLink",    "f:uid",
    "f:generation", "f:managedFields", "f:resourceVersion",   "f:clusterName", "."
  };
  json_t *metadata = json_object_get(set, "f:metadata");
  json_object_del(set, "f:apiVersion");
  json_object_del(set, "f:kind");
  for (gsize i = 0; i < G_N_ELEMENTS(unmanaged); i++)
    json_object_del(metadata, unmanaged[i]);
  if (json_object_size(metadata) == 0)
    json_object_del(set, "f:metadata");
  if (!*subresource && api_kind_subresource(kind, "status"))
    json_object_del(set, "f:status");
  return set;
}

const ApiKind *version_of_kind(const ApiKind *kind, const ApiScheme *scheme, const char *api_version)
{
  g_autofree char *own = api_group_version(kind);
  if (!scheme || strcmp(own, api_version) == 0)
    return kind;
  const char *slash = strchr(api_version, '/');
  g_autofree char *group = slash ? g_strndup(api_version, (gsize)(slash - api_version)) : g_strdup("");
  const ApiKind *found = api_scheme_kind(scheme, group, slash ? slash + 1 : api_version, kind->kind);
  return found && found->storage == kind->storage ? found : kind;
}

/* The same of custom resources, whose definition may have a webhook. */
static json_t *convert_custom(const ApiKind *to, const json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *api_version = api_group_version(to);
  if (custom_definition_webhook(to->custom->definition)) {
    json_t *converted = custom_definition_convert(to->custom->definition, api_version, value, &error);
    if (!converted)
      g_debug("fields of %s: %s", api_version, error->message);
    return converted;
  }
  json_t *copy = json_copy((json_t *)(uintptr_t)value);
  json_object_set_new(copy, "apiVersion", json_string(api_version));
  return copy;
}

json_t *version_convert(const ApiKind *from, const ApiKind *to, const json_t *value)
{
  if (!value)
    return NULL;
  if (to->custom)
    return convert_custom(to, value);
  g_autoptr(json_t) stored =
      from->convert_to_storage ? from->convert_to_storage(value) : json_incref((json_t *)(uintptr_t)value);
  if (!stored || !to->convert_from_storage)
    return g_steal_pointer(&stored);
  return to->convert_from_storage(stored);
}

static VersionChange *compare(const VersionChanges *changes, const ApiKind *kind)
{
  VersionChange *change = g_new0(VersionChange, 1);
  json_t *changed = NULL;
  bool own = kind == changes->kind;
  g_autoptr(json_t) old = own ? NULL : version_convert(changes->kind, kind, changes->old);
  g_autoptr(json_t) new_value = own ? NULL : version_convert(changes->kind, kind, changes->new_value);
  if (new_value)
    field_set_compare(kind->message, old, new_value, &changed, &change->removed);
  else
    field_set_compare(changes->kind->message, changes->old, changes->new_value, &changed, &change->removed);
  change->changed = version_changes_strip(kind, changes->subresource, changed);
  return change;
}

const VersionChange *version_changes_in(VersionChanges *changes, const char *api_version)
{
  const ApiKind *kind = version_of_kind(changes->kind, changes->scheme, api_version);
  VersionChange *change = g_hash_table_lookup(changes->by_kind, kind);
  if (!change) {
    change = compare(changes, kind);
    g_hash_table_insert(changes->by_kind, (gpointer)(uintptr_t)kind, change);
  }
  return change;
}

#include "clusterd/api/apply/managed_fields.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/apply/field_set.h"
#include "clusterd/api/apply/version_changes.h"
#include "clusterd/api/apply/version_prune.h"
#include "clusterd/api/last_applied.h"

#define UPDATE "Update"
#define APPLY "Apply"
#define ANCIENT "ancient-changes"
#define BEFORE_FIRST_APPLY "before-first-apply"

enum { UPDATE_MANAGERS_MAX = 10 }; /* older ones are put together, as upstream does */

typedef struct Manager {
  char *name, *operation, *api_version, *subresource, *time; /* TIME: NULL when unknown */
  json_t *fields; /* as stored (FieldsV1), while nothing has changed; else NULL */
  json_t *set;    /* made from FIELDS when it is looked into */
} Manager;

static void manager_free(gpointer data)
{
  Manager *manager = data;
  g_free(manager->name);
  g_free(manager->operation);
  g_free(manager->api_version);
  g_free(manager->subresource);
  g_free(manager->time);
  json_decref(manager->fields);
  json_decref(manager->set);
  g_free(manager);
}

static const json_t *manager_set(Manager *manager)
{
  if (!manager->set)
    manager->set = field_set_from_json(manager->fields);
  return manager->set;
}

/* Takes SET. */
static Manager *manager_new(const char *name, const char *operation, const char *api_version, const char *subresource,
                            const char *time, json_t *set)
{
  Manager *manager = g_new0(Manager, 1);
  manager->name = g_strdup(name);
  manager->operation = g_strdup(operation);
  manager->api_version = g_strdup(api_version);
  manager->subresource = g_strdup(subresource);
  manager->time = g_strdup(time);
  manager->set = set;
  return manager;
}

/* Takes SET. */
static void manager_change(Manager *manager, json_t *set)
{
  json_decref(manager->fields);
  manager->fields = NULL;
  json_decref(manager->set);
  manager->set = set;
}

static bool owns_nothing(const Manager *manager)
{
  return json_object_size(manager->fields ? manager->fields : manager->set) == 0;
}

/* The entries of OBJECT's metadata.managedFields. */
static GPtrArray *read_managers(const json_t *object)
{
  GPtrArray *managers = g_ptr_array_new_with_free_func(manager_free);
  size_t i;
  json_t *entry;
  json_array_foreach (json_at(object, "metadata", "managedFields", NULL), i, entry) {
    const char *operation = json_str(entry, "operation", "");
    if (!*operation)
      continue;
    Manager *manager = manager_new(json_str(entry, "manager", ""), operation, json_str(entry, "apiVersion", ""),
                                   json_str(entry, "subresource", ""), json_str(entry, "time", NULL), NULL);
    json_t *fields = json_object_get(entry, "fieldsV1");
    manager->fields = json_is_object(fields) ? json_incref(fields) : json_object();
    g_ptr_array_add(managers, manager);
  }
  return managers;
}

static int compare_managers(gconstpointer a, gconstpointer b)
{
  const Manager *first = *(const Manager *const *)a, *second = *(const Manager *const *)b;
  const char *const pairs[][2] = {
    { first->operation, second->operation },
    { first->time ? first->time : "", second->time ? second->time : "" },
    { first->name, second->name },
    { first->api_version, second->api_version },
    { first->subresource, second->subresource },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
    int order = strcmp(pairs[i][0], pairs[i][1]);
    if (order != 0)
      return order;
  }
  return 0;
}

static json_t *manager_entry(const Manager *manager)
{
  json_t *entry =
      json_pack("{s:s, s:s, s:s, s:s*, s:s, s:o}", "manager", manager->name, "operation", manager->operation,
                "apiVersion", manager->api_version, "time", manager->time, "fieldsType", "FieldsV1", "fieldsV1",
                manager->fields ? json_incref(manager->fields) : field_set_to_json(manager->set));
  if (*manager->subresource)
    json_object_set_new(entry, "subresource", json_string(manager->subresource));
  return entry;
}

/* Writes MANAGERS to OBJECT in upstream's order, those that own nothing left out. */
static void write_managers(json_t *object, GPtrArray *managers)
{
  json_t *entries = json_array();
  g_ptr_array_sort(managers, compare_managers);
  for (guint i = 0; i < managers->len; i++) {
    const Manager *manager = managers->pdata[i];
    if (!owns_nothing(manager))
      json_array_append_new(entries, manager_entry(manager));
  }
  json_t *metadata = json_ensure_object(object, "metadata", NULL);
  if (json_array_size(entries) > 0)
    json_object_set(metadata, "managedFields", entries);
  else
    json_object_del(metadata, "managedFields");
  json_decref(entries);
}

static bool is_update(const Manager *manager)
{
  return strcmp(manager->operation, UPDATE) == 0;
}

/* An applier is the same one in every version of the API. */
static Manager *find_manager(GPtrArray *managers, const char *name, const char *operation, const char *api_version,
                             const char *subresource)
{
  for (guint i = 0; i < managers->len; i++) {
    Manager *manager = managers->pdata[i];
    if (strcmp(manager->name, name) == 0 && strcmp(manager->operation, operation) == 0 &&
        strcmp(manager->subresource, subresource) == 0 &&
        (!is_update(manager) || strcmp(manager->api_version, api_version) == 0))
      return manager;
  }
  return NULL;
}

/* Puts the oldest updaters together while there are too many. */
static void cap_managers(GPtrArray *managers, const char *api_version)
{
  guint updaters = 0;
  for (guint i = 0; i < managers->len; i++)
    updaters += is_update(managers->pdata[i]);
  if (updaters <= UPDATE_MANAGERS_MAX)
    return;
  g_ptr_array_sort(managers, compare_managers);
  Manager *ancient = find_manager(managers, ANCIENT, UPDATE, api_version, "");
  for (guint i = 0; i < managers->len && updaters > UPDATE_MANAGERS_MAX;) {
    Manager *manager = managers->pdata[i];
    if (manager == ancient || !is_update(manager) || strcmp(manager->api_version, api_version) != 0 ||
        *manager->subresource) {
      i++;
    } else if (!ancient) {
      g_free(manager->name);
      manager->name = g_strdup(ANCIENT);
      ancient = manager;
      i++;
    } else {
      manager_change(ancient, field_set_union(manager_set(ancient), manager_set(manager)));
      g_free(ancient->time);
      ancient->time = g_strdup(manager->time);
      g_ptr_array_remove_index(managers, i);
      updaters--;
    }
  }
}

/* [] or [{}] given on purpose clears all ownership. */
static bool is_reset(const json_t *fields)
{
  return json_is_array(fields) && (json_array_size(fields) == 0 ||
                                   (json_array_size(fields) == 1 && json_object_size(json_array_get(fields, 0)) == 0));
}

/* Who owned what before an update: what the writer says of it, else what is stored. */
static GPtrArray *managers_before(const json_t *old, const json_t *new_value)
{
  const json_t *given = json_at(new_value, "metadata", "managedFields", NULL);
  return read_managers(json_is_array(given) && (json_array_size(given) > 0 || is_reset(given)) ? new_value : old);
}

/* Takes from every manager but EXCEPT what was changed by somebody else, and what is gone, in the manager's version. */
static void take_from_others(GPtrArray *managers, const Manager *except, VersionChanges *changes)
{
  for (guint i = 0; i < managers->len; i++) {
    Manager *manager = managers->pdata[i];
    if (manager == except)
      continue;
    const VersionChange *change = version_changes_in(changes, manager->api_version);
    if (manager->fields && !field_set_touches(manager->fields, change->changed) &&
        !field_set_touches(manager->fields, change->removed))
      continue;
    g_autoptr(json_t) kept = field_set_minus(manager_set(manager), change->changed);
    manager_change(manager, field_set_minus(kept, change->removed));
  }
}

void managed_fields_update(const ApiKind *kind, const json_t *old, json_t *new_value, const FieldManager *writer)
{
  g_autoptr(GPtrArray) managers = managers_before(old, new_value);
  g_autofree char *api_version = api_group_version(writer->kind ? writer->kind : kind);
  g_autofree char *time = timestamp_text(writer->now_us);
  const char *subresource = writer->subresource ? writer->subresource : "";
  g_autoptr(VersionChanges) changes = version_changes_new(kind, writer->scheme, subresource, old, new_value);
  const json_t *mine = version_changes_in(changes, api_version)->changed;
  take_from_others(managers, NULL, changes);
  if (!field_set_is_empty(mine)) {
    Manager *manager = find_manager(managers, writer->name, UPDATE, api_version, subresource);
    if (!manager) {
      manager = manager_new(writer->name, UPDATE, api_version, subresource, NULL, json_object());
      g_ptr_array_add(managers, manager);
    }
    manager_change(manager, field_set_union(manager_set(manager), mine));
    g_free(manager->time);
    manager->time = g_steal_pointer(&time);
  }
  cap_managers(managers, api_version);
  write_managers(new_value, managers);
}

/* `"m" using v1`, `"m" with subresource "status" using v1`, `"m"` for an applier. */
static char *manager_text(const Manager *manager)
{
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "\"%s\"", manager->name);
  if (*manager->subresource)
    g_string_append_printf(text, " with subresource \"%s\"", manager->subresource);
  if (is_update(manager))
    g_string_append_printf(text, " using %s", manager->api_version);
  return g_string_free(text, FALSE);
}

typedef struct Conflicts {
  unsigned count;
  json_t *causes;
  GString *text; /* of several */
  char *only;    /* of one */
} Conflicts;

static void add_conflicts(Conflicts *conflicts, const Manager *manager, const json_t *shared)
{
  g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *who = manager_text(manager);
  field_set_paths(shared, paths);
  g_string_append_printf(conflicts->text, "%sconflicts with %s:", conflicts->text->len ? "\n" : "", who);
  for (guint i = 0; i < paths->len; i++) {
    const char *path = paths->pdata[i];
    g_string_append_printf(conflicts->text, "\n- %s", path);
    json_array_append_new(conflicts->causes, json_pack("{s:s, s:s+, s:s}", "reason", "FieldManagerConflict", "message",
                                                       "conflict with ", who, "field", path));
    g_free(conflicts->only);
    conflicts->only = g_strdup_printf("conflict with %s: %s", who, path);
    conflicts->count++;
  }
}

/* False with REASON_CONFLICT when others than EXCEPT own anything that CHANGES, in their version, and that is not
 * ALLOWED (may be NULL). */
static bool check_conflicts(GPtrArray *managers, const Manager *except, VersionChanges *changes, const json_t *allowed,
                            GError **error)
{
  Conflicts conflicts = { .causes = json_array(), .text = g_string_new(NULL) };
  for (guint i = 0; i < managers->len; i++) {
    Manager *manager = managers->pdata[i];
    if (manager == except)
      continue;
    const VersionChange *change = version_changes_in(changes, manager->api_version);
    g_autoptr(json_t) both = field_set_both(manager_set(manager), change->changed);
    g_autoptr(json_t) shared = allowed ? field_set_minus(both, allowed) : json_incref(both);
    if (!field_set_is_empty(shared))
      add_conflicts(&conflicts, manager, shared);
  }
  bool ok = conflicts.count == 0;
  if (!ok)
    reason_set_details(error, REASON_CONFLICT, json_pack("{s:O}", "causes", conflicts.causes),
                       "Apply failed with %u conflict%s: %s", conflicts.count, conflicts.count == 1 ? "" : "s",
                       conflicts.count == 1 ? conflicts.only : conflicts.text->str);
  json_decref(conflicts.causes);
  g_string_free(conflicts.text, TRUE);
  g_free(conflicts.only);
  return ok;
}

/* The owners before an apply. What an object of unknown history holds belongs to nobody in particular, but not to the
 * applier alone. */
static GPtrArray *managers_before_apply(const ApiKind *kind, const json_t *old, const char *api_version)
{
  GPtrArray *managers = read_managers(old);
  if (old && managers->len == 0)
    g_ptr_array_add(managers, manager_new(BEFORE_FIRST_APPLY, UPDATE, api_version, "", NULL,
                                          version_changes_strip(kind, "", field_set_of_value(kind->message, old))));
  return managers;
}

/* VALUE without what APPLIER wanted and no longer does, CONFIGURED being its new set, unless somebody else owns it. New
 * reference. */
static json_t *prune_abandoned(const ApiKind *kind, const ApiScheme *scheme, const json_t *value, GPtrArray *managers,
                               Manager *applier, const char *api_version, const json_t *configured)
{
  g_autofree OwnedFields *owned = g_new(OwnedFields, managers->len + 1);
  gsize n_owned = 0;
  owned[n_owned++] = (OwnedFields){ api_version, configured };
  for (guint i = 0; i < managers->len; i++) {
    Manager *manager = managers->pdata[i];
    if (manager != applier)
      owned[n_owned++] = (OwnedFields){ manager->api_version, manager_set(manager) };
  }
  return version_prune(kind, scheme, value, (OwnedFields){ applier->api_version, manager_set(applier) }, owned,
                       n_owned);
}

/* Gives the applier its new set; the time moves when anything did. */
static void claim(Manager *applier, const char *api_version, json_t *set, bool object_changed, const char *now)
{
  if (object_changed || !applier->time || !json_equal(manager_set(applier), set)) {
    g_free(applier->time);
    applier->time = g_strdup(now);
  }
  g_free(applier->api_version);
  applier->api_version = g_strdup(api_version);
  manager_change(applier, set);
}

json_t *managed_fields_apply(const ApiKind *kind, const json_t *old, const json_t *config, const FieldManager *writer,
                             bool force, GError **error)
{
  const char *subresource = writer->subresource ? writer->subresource : "";
  if (json_array_size(json_at(config, "metadata", "managedFields", NULL)) > 0) {
    reason_set(error, REASON_BAD_REQUEST, "metadata.managedFields must be nil");
    return NULL;
  }
  g_autofree char *api_version = api_group_version(kind);
  g_autofree char *now = timestamp_text(writer->now_us);
  g_autoptr(GPtrArray) managers = managers_before_apply(kind, old, api_version);
  Manager *applier = find_manager(managers, writer->name, APPLY, api_version, subresource);
  if (!applier) {
    applier = manager_new(writer->name, APPLY, api_version, subresource, NULL, json_object());
    g_ptr_array_add(managers, applier);
  }
  g_autoptr(json_t) merged = old ? json_deep_copy(old) : json_object();
  field_set_merge(kind->message, merged, config);
  g_autoptr(json_t) configured = field_set_of_value(kind->message, config);
  g_autoptr(json_t) result = prune_abandoned(kind, writer->scheme, merged, managers, applier, api_version, configured);
  g_autoptr(json_t) set = version_changes_strip(kind, subresource, json_deep_copy(configured));

  g_autoptr(VersionChanges) changes = version_changes_new(kind, writer->scheme, subresource, old, result);
  bool takes_over = strcmp(writer->name, LAST_APPLIED_MANAGER) == 0;
  g_autoptr(json_t) allowed = takes_over && old ? last_applied_fields(kind, old) : NULL;
  if (!force && !check_conflicts(managers, applier, changes, allowed, error))
    return NULL;
  take_from_others(managers, applier, changes);
  const VersionChange *change = version_changes_in(changes, api_version);
  bool object_changed = !field_set_is_empty(change->changed) || !field_set_is_empty(change->removed);
  claim(applier, api_version, json_incref(set), object_changed, now);
  write_managers(result, managers);
  if (takes_over)
    last_applied_follow(result, config);
  return g_steal_pointer(&result);
}

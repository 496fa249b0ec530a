#include "clusterd/server/custom/definition_status.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/custom/definition_approval.h"

DefinitionNames *definition_names_new(void)
{
  DefinitionNames *names = g_new0(DefinitionNames, 1);
  names->resources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  names->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return names;
}

void definition_names_free(DefinitionNames *names)
{
  if (!names)
    return;
  g_hash_table_unref(names->resources);
  g_hash_table_unref(names->kinds);
  g_free(names);
}

static const json_t *accepted_names(const json_t *definition)
{
  return json_at(definition, "status", "acceptedNames", NULL);
}

static void add_name(GHashTable *set, const char *name)
{
  if (name && *name)
    g_hash_table_add(set, g_strdup(name));
}

void definition_names_add(DefinitionNames *names, const json_t *definition)
{
  const json_t *accepted = accepted_names(definition);
  size_t i;
  json_t *short_name;
  add_name(names->resources, json_str(accepted, "plural", ""));
  add_name(names->resources, json_str(accepted, "singular", ""));
  json_array_foreach (json_object_get(accepted, "shortNames"), i, short_name)
    add_name(names->resources, json_string_value(short_name));
  add_name(names->kinds, json_str(accepted, "kind", ""));
  add_name(names->kinds, json_str(accepted, "listKind", ""));
}

/* --- conditions ----------------------------------------------------------------------------------------------------
 */

static json_t *find_condition(const json_t *definition, const char *type)
{
  return json_find(json_at(definition, "status", "conditions", NULL), "type", type);
}

static bool has_condition(const json_t *definition, const char *type, const char *status)
{
  return strcmp(json_str(find_condition(definition, type), "status", ""), status) == 0;
}

static json_t *conditions_of(json_t *definition)
{
  json_t *status = json_ensure_object(definition, "status", NULL);
  json_t *conditions = json_object_get(status, "conditions");
  if (json_is_array(conditions))
    return conditions;
  json_object_set_new(status, "conditions", json_array());
  return json_object_get(status, "conditions");
}

bool definition_set_condition(json_t *definition, const char *type, const char *status, const char *reason,
                              const char *message)
{
  json_t *condition = find_condition(definition, type);
  if (condition && has_condition(definition, type, status) && strcmp(json_str(condition, "reason", ""), reason) == 0 &&
      strcmp(json_str(condition, "message", ""), message) == 0)
    return false;
  if (!condition) {
    json_array_append_new(conditions_of(definition), json_pack("{s:s}", "type", type));
    condition = find_condition(definition, type);
  }
  if (!has_condition(definition, type, status)) {
    g_autofree char *now = timestamp_now();
    json_object_set_new(condition, "lastTransitionTime", json_string(now));
  }
  json_object_set_new(condition, "status", json_string(status));
  json_object_set_new(condition, "reason", json_string(reason));
  json_object_set_new(condition, "message", json_string(message));
  return true;
}

bool definition_is_established(const json_t *definition)
{
  return has_condition(definition, "Established", "True");
}

bool definition_is_terminating(const json_t *definition)
{
  return json_at(definition, "metadata", "deletionTimestamp", NULL) != NULL;
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

typedef struct Grant {
  const json_t *wanted;
  json_t *accepted; /* becomes the new acceptedNames */
  const char *reason;
  char *message;
} Grant;

static void refuse(Grant *grant, const char *reason, const char *name)
{
  grant->reason = reason;
  g_free(grant->message);
  grant->message = g_strdup_printf("\"%s\" is already in use", name);
}

static void grant_name(Grant *grant, const char *member, const char *reason, GHashTable *taken)
{
  const char *wanted = json_str(grant->wanted, member, ""), *accepted = json_str(grant->accepted, member, "");
  if (strcmp(wanted, accepted) != 0 && g_hash_table_contains(taken, wanted))
    refuse(grant, reason, wanted);
  else
    json_object_set_new(grant->accepted, member, json_string(wanted));
}

/* All short names or none of the new ones. What is the definition's own already is no conflict. */
static void grant_short_names(Grant *grant, const json_t *before, GHashTable *taken)
{
  json_t *wanted = json_object_get(grant->wanted, "shortNames"), *name;
  bool refused = false;
  size_t i;
  json_array_foreach (wanted, i, name) {
    const char *text = json_string_value(name);
    bool own = json_has_text(json_object_get(before, "shortNames"), text) ||
               g_strcmp0(text, json_str(before, "plural", "")) == 0 ||
               g_strcmp0(text, json_str(before, "singular", "")) == 0;
    if (own || !text || !g_hash_table_contains(taken, text))
      continue;
    refuse(grant, "ShortNamesConflict", text);
    refused = true;
  }
  if (refused)
    return;
  if (json_array_size(wanted) > 0)
    json_object_set(grant->accepted, "shortNames", wanted);
  else
    json_object_del(grant->accepted, "shortNames");
}

static bool update_names(json_t *definition, const DefinitionNames *taken)
{
  const json_t *before = accepted_names(definition);
  Grant grant = { .wanted = json_at(definition, "spec", "names", NULL), .accepted = json_object() };
  json_object_update(grant.accepted, (json_t *)(uintptr_t)before);
  grant_name(&grant, "plural", "PluralConflict", taken->resources);
  grant_name(&grant, "singular", "SingularConflict", taken->resources);
  grant_short_names(&grant, before, taken->resources);
  grant_name(&grant, "kind", "KindConflict", taken->kinds);
  grant_name(&grant, "listKind", "ListKindConflict", taken->kinds);
  json_t *categories = json_object_get(grant.wanted, "categories");
  if (json_array_size(categories) > 0)
    json_object_set(grant.accepted, "categories", categories);
  else
    json_object_del(grant.accepted, "categories");
  bool changed = !json_same(before, grant.accepted);
  json_object_set_new(json_ensure_object(definition, "status", NULL), "acceptedNames", grant.accepted);
  changed |= grant.reason
                 ? definition_set_condition(definition, "NamesAccepted", "False", grant.reason, grant.message)
                 : definition_set_condition(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found");
  g_free(grant.message);
  return changed;
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

static bool update_approval(json_t *definition)
{
  static const struct {
    const char *status, *reason;
  } states[] = {
    [DEFINITION_APPROVAL_NOT_NEEDED] = { NULL, NULL },
    [DEFINITION_APPROVAL_MISSING] = { "False", "MissingAnnotation" },
    [DEFINITION_APPROVAL_INVALID] = { "False", "InvalidAnnotation" },
    [DEFINITION_APPROVAL_BYPASSED] = { "False", "UnapprovedAnnotation" },
    [DEFINITION_APPROVAL_GIVEN] = { "True", "ApprovedAnnotation" },
  };
  g_autofree char *message = NULL;
  DefinitionApproval approval = definition_approval(definition, &message);
  return states[approval].status && definition_set_condition(definition, "KubernetesAPIApprovalPolicyConformant",
                                                             states[approval].status, states[approval].reason, message);
}

bool definition_update_status(json_t *definition, const DefinitionNames *taken)
{
  bool changed = update_names(definition, taken);
  if (has_condition(definition, "NamesAccepted", "True")) {
    if (!definition_is_established(definition))
      changed |= definition_set_condition(definition, "Established", "True", "InitialNamesAccepted",
                                          "the initial names have been accepted");
  } else if (!definition_is_established(definition)) {
    changed |=
        definition_set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted");
  }
  return update_approval(definition) || changed;
}

void definition_begin_deletion(json_t *definition)
{
  json_t *metadata = json_ensure_object(definition, "metadata", NULL);
  json_t *finalizers = json_deep_copy(json_object_get(metadata, "finalizers"));
  if (!json_is_array(finalizers)) {
    json_decref(finalizers);
    finalizers = json_array();
  }
  if (!json_has_text(finalizers, DEFINITION_FINALIZER))
    json_array_append_new(finalizers, json_string(DEFINITION_FINALIZER));
  json_object_set_new(metadata, "finalizers", finalizers);
  definition_set_condition(definition, "Terminating", "True", "InstanceDeletionPending",
                           "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon");
}

bool definition_drop_finalizer(json_t *definition)
{
  json_t *metadata = json_object_get(definition, "metadata"), *finalizers = json_object_get(metadata, "finalizers");
  bool dropped = false;
  for (size_t i = json_array_size(finalizers); i-- > 0;) {
    if (g_strcmp0(json_string_value(json_array_get(finalizers, i)), DEFINITION_FINALIZER) != 0)
      continue;
    json_array_remove(finalizers, i);
    dropped = true;
  }
  return dropped;
}

#include "clusterd/api/validation_metadata.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/validation.h"

#define ANNOTATIONS_BYTES_MAX (256 * 1024)

static const char *const standard_finalizers[] = { "kubernetes", "orphan", "foregroundDeletion", NULL };

/* The rule of NAME with PREFIX of generateName: what is appended later makes a trailing dash legal. */
static void check_name(const ApiKind *kind, const json_t *metadata, FieldErrors *errors)
{
  const char *format = kind->name_format ? kind->name_format : "dns1123subdomain";
  const json_t *name = json_object_get(metadata, "name"), *prefix = json_object_get(metadata, "generateName");
  if (json_string_length(prefix) > 0) {
    g_autofree char *text = g_strdup(json_string_value(prefix));
    size_t length = strlen(text);
    if (length > 1 && text[length - 1] == '-')
      text[length - 1] = 'a';
    g_autoptr(json_t) masked = json_string(text);
    unsigned before = field_errors_count(errors);
    g_autoptr(FieldErrors) probe = field_errors_new();
    api_validate_format(format, masked, "metadata.generateName", probe);
    if (field_errors_count(probe) > 0 && before == field_errors_count(errors))
      api_validate_format(format, prefix, "metadata.generateName", errors);
  }
  if (json_string_length(name) == 0)
    field_errors_add(errors, FIELD_REQUIRED, "metadata.name", NULL, "name or generateName is required");
  else
    api_validate_format(format, name, "metadata.name", errors);
}

static void check_namespace(const ApiKind *kind, const json_t *metadata, FieldErrors *errors)
{
  const json_t *namespace_ = json_object_get(metadata, "namespace");
  bool given = json_string_length(namespace_) > 0;
  if (kind->namespaced && !given)
    field_errors_add(errors, FIELD_REQUIRED, "metadata.namespace", NULL, NULL);
  else if (kind->namespaced)
    api_validate_format("dns1123label", namespace_, "metadata.namespace", errors);
  else if (given)
    field_errors_add(errors, FIELD_FORBIDDEN, "metadata.namespace", NULL, "not allowed on this type");
}

void validate_labels(const json_t *labels, const char *path, FieldErrors *errors)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)labels, key, value) {
    g_autoptr(json_t) name = json_string(key);
    api_validate_format("qualifiedName", name, path, errors);
    api_validate_format("labelValue", value, path, errors);
  }
}

static void check_annotations(const json_t *annotations, const char *path, FieldErrors *errors)
{
  const char *key;
  json_t *value;
  size_t total = 0;
  json_object_foreach ((json_t *)(uintptr_t)annotations, key, value) {
    /* Keys are judged as if they were lower case: an old leniency of upstream. */
    g_autofree char *lower = g_ascii_strdown(key, -1);
    g_autoptr(json_t) name = json_string(lower);
    api_validate_format("qualifiedName", name, path, errors);
    total += strlen(key) + json_string_length(value);
  }
  if (total > ANNOTATIONS_BYTES_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, path, NULL, "may not be more than %d bytes", ANNOTATIONS_BYTES_MAX);
}

static void check_owner(const json_t *owner, const char *path, FieldErrors *errors)
{
  static const struct {
    const char *member, *text;
  } required[] = {
    { "apiVersion", "version must not be empty" },
    { "kind", "must not be empty" },
    { "name", "must not be empty" },
    { "uid", "must not be empty" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(required); i++) {
    if (*json_str(owner, required[i].member, ""))
      continue;
    g_autofree char *member_path = field_path_child(path, required[i].member);
    g_autoptr(json_t) empty = json_string("");
    field_errors_add(errors, FIELD_INVALID, member_path, empty, "%s", required[i].text);
  }
}

static void check_owners(const json_t *owners, FieldErrors *errors)
{
  size_t index;
  json_t *owner;
  const json_t *controller = NULL;
  json_array_foreach ((json_t *)(uintptr_t)owners, index, owner) {
    g_autofree char *path = field_path_index("metadata.ownerReferences", index);
    check_owner(owner, path, errors);
    if (!json_flag(owner, "controller", false))
      continue;
    if (controller)
      field_errors_add(errors, FIELD_INVALID, "metadata.ownerReferences", owners,
                       "Only one reference can have Controller set to true. Found \"true\" in references for %s and %s",
                       json_str(controller, "name", ""), json_str(owner, "name", ""));
    controller = owner;
  }
}

/* Kinds of the apiextensions server and their objects need no more than a qualified name. */
static bool takes_any_finalizer(const ApiKind *kind)
{
  return kind->custom || strcmp(kind->group, "apiextensions.k8s.io") == 0;
}

static void check_finalizers(const ApiKind *kind, const json_t *finalizers, FieldErrors *errors)
{
  size_t index;
  json_t *finalizer;
  json_array_foreach ((json_t *)(uintptr_t)finalizers, index, finalizer) {
    const char *text = json_string_value(finalizer);
    g_autofree char *path = field_path_index("metadata.finalizers", index);
    api_validate_format("qualifiedName", finalizer, path, errors);
    if (text && !takes_any_finalizer(kind) && !strchr(text, '/') && !g_strv_contains(standard_finalizers, text))
      field_errors_add(errors, FIELD_INVALID, path, finalizer,
                       "name is neither a standard finalizer name nor is it fully qualified");
  }
}

static bool array_has(const json_t *array, const json_t *wanted)
{
  size_t index;
  json_t *item;
  json_array_foreach ((json_t *)(uintptr_t)array, index, item) {
    if (json_equal(item, wanted))
      return true;
  }
  return false;
}

/* While an object is being deleted finalizers may only go. */
static void check_new_finalizers(const json_t *metadata, const json_t *old, FieldErrors *errors)
{
  size_t index;
  json_t *finalizer;
  if (!*json_str(old, "deletionTimestamp", ""))
    return;
  g_autoptr(GString) found = g_string_new(NULL);
  json_array_foreach (json_object_get(metadata, "finalizers"), index, finalizer) {
    if (!array_has(json_object_get(old, "finalizers"), finalizer))
      g_string_append_printf(found, "%s\"%s\"", found->len ? ", " : "", json_string_value(finalizer));
  }
  if (found->len > 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "metadata.finalizers", NULL,
                     "no new finalizers can be added if the object is being deleted, found new finalizers []string{%s}",
                     found->str);
}

static void check_immutable(const json_t *metadata, const json_t *old, FieldErrors *errors)
{
  static const char *const members[] = { "name", "namespace", "uid", "creationTimestamp" };
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    const json_t *value = json_object_get(metadata, members[i]), *before = json_object_get(old, members[i]);
    if (json_same(value, before))
      continue;
    g_autofree char *path = field_path_child("metadata", members[i]);
    field_errors_add(errors, FIELD_INVALID, path, value, "field is immutable");
  }
}

void validate_template_metadata(const json_t *metadata, const char *path, FieldErrors *errors)
{
  g_autofree char *labels = field_path_child(path, "labels"), *annotations = field_path_child(path, "annotations");
  validate_labels(json_object_get(metadata, "labels"), labels, errors);
  check_annotations(json_object_get(metadata, "annotations"), annotations, errors);
}

void validate_metadata(const ApiKind *kind, const json_t *value, const json_t *old, FieldErrors *errors)
{
  const json_t *metadata = json_object_get(value, "metadata"), *old_metadata = json_object_get(old, "metadata");
  if (old) {
    check_immutable(metadata, old_metadata, errors);
    check_new_finalizers(metadata, old_metadata, errors);
  } else {
    check_name(kind, metadata, errors);
    check_namespace(kind, metadata, errors);
  }
  validate_template_metadata(metadata, "metadata", errors);
  check_owners(json_object_get(metadata, "ownerReferences"), errors);
  check_finalizers(kind, json_object_get(metadata, "finalizers"), errors);
}

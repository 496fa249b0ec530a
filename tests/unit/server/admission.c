#include "admission.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"

json_t *admission_json(const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
  json_t *value = json_parse(quoted, strlen(quoted), true, &error);
  g_assert_no_error(error);
  return value;
}

static Target target_of(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *name)
{
  g_auto(GStrv) parts = g_strsplit(resource, ".", 3);
  const char *version = parts[1] ? parts[1] : "v1", *group = parts[1] && parts[2] ? parts[2] : "";
  const ApiKind *kind = api_scheme_resource(fixture->scheme, group, version, parts[0]);
  g_assert_nonnull(kind);
  return (Target){ kind, kind->namespaced ? (namespace_ ? namespace_ : "default") : NULL, name, NULL };
}

/* Starts a new array of warnings for a write. */
static Caller caller_of(AdmissionFixture *fixture)
{
  json_decref(fixture->warnings);
  fixture->warnings = json_array();
  return (Caller){ .identity = fixture->identity, .field_manager = "test", .warnings = fixture->warnings };
}

Object *admission_create(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *text,
                         GError **error)
{
  g_autoptr(json_t) value = admission_json(text);
  Target target = target_of(fixture, resource, namespace_, NULL);
  Caller caller = caller_of(fixture);
  return registry_create(fixture->registry, &caller, &target, value, error);
}

Object *admission_update(AdmissionFixture *fixture, const char *resource, const char *namespace_,
                         const char *subresource, const char *name, const char *text, GError **error)
{
  g_autoptr(json_t) patch = admission_json(text);
  Target target = target_of(fixture, resource, namespace_, name);
  target.subresource = subresource;
  Caller caller = caller_of(fixture);
  return registry_patch(fixture->registry, &caller, &target, PATCH_MERGE, patch, false, NULL, error);
}

Object *admission_get(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *name)
{
  g_autoptr(GError) error = NULL;
  Target target = target_of(fixture, resource, namespace_, name);
  Object *object = registry_get(fixture->registry, NULL, &target, &error);
  g_assert_no_error(error);
  return object;
}

bool admission_delete(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *name,
                      GError **error)
{
  Target target = target_of(fixture, resource, namespace_, name);
  Caller caller = caller_of(fixture);
  g_autoptr(Object) last = registry_delete(fixture->registry, &caller, &target, NULL, NULL, error);
  return last != NULL;
}

void admission_must_create(AdmissionFixture *fixture, const char *resource, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = admission_create(fixture, resource, NULL, text, &error);
  g_assert_no_error(error);
}

void admission_must_refuse(AdmissionFixture *fixture, const char *resource, const char *text, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = admission_create(fixture, resource, NULL, text, &error);
  g_assert_null(made);
  g_assert_cmpstr(error->message, ==, message);
}

void admission_set_up(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("admission-XXXXXX", NULL);
  fixture->scheme = api_scheme_new();
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  admission_must_create(fixture, "namespaces", "{'metadata':{'name':'default'}}");
  admission_must_create(fixture, "serviceaccounts", "{'metadata':{'name':'default'}}");
}

void admission_tear_down(AdmissionFixture *fixture, gconstpointer data)
{
  registry_free(fixture->registry);
  store_close(fixture->store);
  api_scheme_free(fixture->scheme);
  json_decref(fixture->warnings);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

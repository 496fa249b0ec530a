/* Server-side apply: who owns what after each write, as a real server recorded it, and what apply keeps and removes. */
#include <glib.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/apply/managed_fields.h"
#include "clusterd/api/scheme.h"

static ApiScheme *scheme;
static int64_t now_us;

/* Parses JSON written with ' for ". */
static json_t *parse(const char *text)
{
  g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(quoted, strlen(quoted), true, &error);
  g_assert_no_error(error);
  return value;
}

static const ApiKind *kind_of(const char *group, const char *version, const char *kind)
{
  const ApiKind *found = api_scheme_kind(scheme, group, version, kind);
  g_assert_nonnull(found);
  return found;
}

static FieldManager writer(const char *name)
{
  return (FieldManager){ .name = name, .subresource = "", .now_us = now_us, .scheme = scheme };
}

/* The fields MANAGER owns by OPERATION, as text; NULL when it is no manager. */
static char *owned_by(const json_t *object, const char *manager, const char *operation)
{
  size_t i;
  json_t *entry;
  json_array_foreach (json_at(object, "metadata", "managedFields", NULL), i, entry)
    if (g_strcmp0(json_str(entry, "manager", ""), manager) == 0 &&
        g_strcmp0(json_str(entry, "operation", ""), operation) == 0)
      return json_text(json_object_get(entry, "fieldsV1"));
  return NULL;
}

static void assert_owned(const json_t *object, const char *manager, const char *operation, const char *expected)
{
  g_autofree char *have = owned_by(object, manager, operation);
  g_autofree char *want = expected ? g_strdelimit(g_strdup(expected), "'", '"') : NULL;
  g_assert_cmpstr(have, ==, want);
}

static json_t *update(const ApiKind *kind, const json_t *old, const char *text, const char *manager)
{
  json_t *value = parse(text);
  FieldManager by = writer(manager);
  managed_fields_update(kind, old, value, &by);
  return value;
}

static json_t *apply(const ApiKind *kind, const json_t *old, const char *text, const char *manager, bool force,
                     GError **error)
{
  g_autoptr(json_t) config = parse(text);
  FieldManager by = writer(manager);
  return managed_fields_apply(kind, old, config, &by, force, error);
}

static void test_create_config_map(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) made =
      update(kind, NULL,
             "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'a','uid':'u','labels':{'l':'1'}},"
             "'data':{'k':'v'}}",
             "m");
  g_autofree char *text = json_text(json_at(made, "metadata", "managedFields", NULL));
  g_assert_cmpstr(text, ==,
                  "[{\"manager\":\"m\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"time\":\"2026-01-01T00:00:"
                  "00Z\",\"fieldsType\":"
                  "\"FieldsV1\",\"fieldsV1\":{\"f:data\":{\".\":{},\"f:k\":{}},\"f:metadata\":{\"f:labels\":{\".\":{},"
                  "\"f:l\":{}}}}}]");
}

static void test_create_service(void)
{
  g_autoptr(json_t) made =
      update(kind_of("", "v1", "Service"), NULL,
             "{'kind':'Service','apiVersion':'v1','metadata':{'name':'s'},'spec':{'ports':[{'protocol':'TCP',"
             "'port':80,'targetPort':80}],'selector':{'a':'b'},'type':'ClusterIP','sessionAffinity':'None'}}",
             "m");
  g_autofree char *text = owned_by(made, "m", "Update");
  g_assert_cmpstr(
      text, ==,
      "{\"f:spec\":{\"f:ports\":{\".\":{},\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:port\":{},"
      "\"f:protocol\":{},\"f:targetPort\":{}}},\"f:selector\":{},\"f:sessionAffinity\":{},\"f:type\":{}}}");
}

static void test_create_deployment(void)
{
  g_autoptr(json_t) made = update(kind_of("apps", "v1", "Deployment"), NULL,
                                  "{'kind':'Deployment','apiVersion':'apps/"
                                  "v1','metadata':{'name':'d'},'spec':{'replicas':1,'selector':{'matchLabels':"
                                  "{'a':'b'}},'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':'25%'}},'"
                                  "template':{'metadata':{'labels':"
                                  "{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i','resources':{}}],'"
                                  "restartPolicy':'Always'}}},'status':{}}",
                                  "m");
  g_autofree char *text = owned_by(made, "m", "Update");
  g_assert_cmpstr(text, ==,
                  "{\"f:spec\":{\"f:replicas\":{},\"f:selector\":{},\"f:strategy\":{\"f:rollingUpdate\":{\".\":{},\"f:"
                  "maxSurge\":{}},"
                  "\"f:type\":{}},\"f:template\":{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:a\":{}}},\"f:spec\":{\"f:"
                  "containers\":{"
                  "\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:image\":{},\"f:name\":{},\"f:resources\":{}}},"
                  "\"f:restartPolicy\":{}}}}}");
}

#define MAP(data) "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'a'},'data':" data "}"

static void test_updates(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) first = update(kind, NULL, MAP("{'x':'1','y':'1'}"), "one");
  g_autoptr(json_t) second = update(kind, first, MAP("{'x':'1','y':'2'}"), "two");
  assert_owned(second, "one", "Update", "{'f:data':{'.':{},'f:x':{}}}");
  assert_owned(second, "two", "Update", "{'f:data':{'f:y':{}}}");
  /* writing what is there already changes nothing, not even a time */
  now_us += G_USEC_PER_SEC;
  g_autoptr(json_t) third = update(kind, second, MAP("{'x':'1','y':'2'}"), "three");
  g_assert_true(json_equal(json_at(second, "metadata", "managedFields", NULL),
                           json_at(third, "metadata", "managedFields", NULL)));
  g_autoptr(json_t) fourth = update(kind, third, MAP("{'x':'1'}"), "three");
  assert_owned(fourth, "two", "Update", NULL);
  assert_owned(fourth, "three", "Update", NULL);
}

static void test_apply_create(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) made = apply(kind, NULL, MAP("{'k':'ssa'}"), "m2", false, NULL);
  assert_owned(made, "m2", "Apply", "{'f:data':{'f:k':{}}}");
  g_assert_cmpstr(json_str(json_object_get(made, "data"), "k", ""), ==, "ssa");
}

static void test_apply_conflict(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) made = update(kind, NULL, MAP("{'k':'v','l':'v'}"), "Python-urllib");
  g_autoptr(GError) error = NULL;
  g_assert_null(apply(kind, made, MAP("{'k':'w'}"), "m2", false, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_assert_cmpstr(error->message, ==,
                  "Apply failed with 1 conflict: conflict with \"Python-urllib\" using v1: .data.k");
  g_autofree char *details = json_text(reason_details(error));
  g_assert_cmpstr(
      details, ==,
      "{\"causes\":[{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with \\\"Python-urllib\\\" using v1\","
      "\"field\":\".data.k\"}]}");
  g_clear_error(&error);
  g_assert_null(apply(kind, made, MAP("{'k':'w','l':'w'}"), "m2", false, &error));
  g_assert_cmpstr(error->message, ==,
                  "Apply failed with 2 conflicts: conflicts with \"Python-urllib\" using v1:\n- .data.k\n- .data.l");
  g_autoptr(json_t) forced = apply(kind, made, MAP("{'k':'w'}"), "m2", true, NULL);
  assert_owned(forced, "m2", "Apply", "{'f:data':{'f:k':{}}}");
  assert_owned(forced, "Python-urllib", "Update", "{'f:data':{'.':{},'f:l':{}}}");
  /* the same value is no conflict: both own it */
  g_autoptr(json_t) shared = apply(kind, made, MAP("{'k':'v'}"), "m2", false, NULL);
  assert_owned(shared, "m2", "Apply", "{'f:data':{'f:k':{}}}");
  assert_owned(shared, "Python-urllib", "Update", "{'f:data':{'.':{},'f:k':{},'f:l':{}}}");
}

static void test_apply_removes(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) made = apply(kind, NULL, MAP("{'x':'1','y':'1'}"), "m", false, NULL);
  g_autoptr(json_t) other = apply(kind, made, MAP("{'y':'1','z':'1'}"), "n", false, NULL);
  g_autoptr(json_t) less = apply(kind, other, MAP("{}"), "m", false, NULL);
  g_autofree char *data = json_text(json_object_get(less, "data"));
  g_assert_cmpstr(data, ==, "{\"y\":\"1\",\"z\":\"1\"}"); /* x was m's alone, y is n's as well */
  assert_owned(less, "n", "Apply", "{'f:data':{'f:y':{},'f:z':{}}}");
  g_assert_cmpstr(json_str(json_object_get(less, "metadata"), "name", ""), ==, "a");
}

#define DEPLOY(containers)                                                                                             \
  "{'kind':'Deployment','apiVersion':'apps/"                                                                           \
  "v1','metadata':{'name':'d'},'spec':{'template':{'spec':{'containers':" containers "}}}}"

static void test_apply_keyed_list(void)
{
  const ApiKind *kind = kind_of("apps", "v1", "Deployment");
  g_autoptr(json_t) made =
      apply(kind, NULL, DEPLOY("[{'name':'c','image':'i','ports':[{'containerPort':80}]}]"), "m", false, NULL);
  g_autoptr(json_t) more = apply(kind, made, DEPLOY("[{'name':'s','image':'j'}]"), "n", false, NULL);
  g_assert_cmpuint(json_array_size(json_at(more, "spec", "template", "spec", "containers", NULL)), ==, 2);
  assert_owned(
      more, "m", "Apply",
      "{'f:spec':{'f:template':{'f:spec':{'f:containers':{'k:{\\'name\\':\\'c\\'}':{'.':{},'f:image':{},'f:name':{},"
      "'f:ports':{'k:{\\'containerPort\\':80,\\'protocol\\':\\'TCP\\'}':{'.':{},'f:containerPort':{}}}}}}}}}");
  g_autoptr(GError) error = NULL;
  g_assert_null(apply(kind, more, DEPLOY("[{'name':'c','image':'k'}]"), "n", false, &error));
  g_assert_cmpstr(
      error->message, ==,
      "Apply failed with 1 conflict: conflict with \"m\": .spec.template.spec.containers[name=\"c\"].image");
  g_autoptr(json_t) gone = apply(kind, more, DEPLOY("[{'name':'c','image':'i'}]"), "m", false, NULL);
  const json_t *first = json_array_get(json_at(gone, "spec", "template", "spec", "containers", NULL), 0);
  g_assert_null(json_object_get(first, "ports"));
}

static void test_before_first_apply(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) old = parse(MAP("{'k':'v'}"));
  g_autoptr(json_t) applied = apply(kind, old, MAP("{'k':'v'}"), "m", false, NULL);
  assert_owned(applied, "before-first-apply", "Update", "{'f:data':{'f:k':{}}}");
  g_autoptr(GError) error = NULL;
  g_assert_null(apply(kind, old, MAP("{'k':'w'}"), "m", false, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
}

static void test_given_managed_fields(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(GError) error = NULL;
  g_assert_null(apply(
      kind, NULL, "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'a','managedFields':[{'manager':'x'}]}}",
      "m", false, &error));
  g_assert_cmpstr(error->message, ==, "metadata.managedFields must be nil");
  /* an update may rewrite or clear them */
  g_autoptr(json_t) made = update(kind, NULL, MAP("{'k':'v'}"), "m");
  g_autoptr(json_t) renamed = json_deep_copy(made);
  json_object_set_new(json_array_get(json_at(renamed, "metadata", "managedFields", NULL), 0), "manager",
                      json_string("q"));
  managed_fields_update(kind, made, renamed, &(FieldManager){ .name = "w", .subresource = "", .now_us = now_us });
  assert_owned(renamed, "q", "Update", "{'f:data':{'.':{},'f:k':{}}}");
  assert_owned(renamed, "m", "Update", NULL);
  g_autoptr(json_t) cleared =
      update(kind, made,
             "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'a','managedFields':[{}]},'data':{"
             "'k':'v'}}",
             "w");
  g_assert_null(json_at(cleared, "metadata", "managedFields", NULL));
}

static void test_many_managers(void)
{
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  g_autoptr(json_t) object = parse(MAP("{}"));
  for (int i = 0; i < 15; i++) {
    g_autofree char *name = g_strdup_printf("m%02d", i);
    json_t *next = json_deep_copy(object);
    json_object_set_new(json_object_get(next, "data"), name, json_string("v"));
    managed_fields_update(kind, object, next,
                          &(FieldManager){ .name = name, .subresource = "", .now_us = now_us + i * G_USEC_PER_SEC });
    json_decref(object);
    object = next;
  }
  g_assert_cmpuint(json_array_size(json_at(object, "metadata", "managedFields", NULL)), ==, 10);
  g_autofree char *ancient = owned_by(object, "ancient-changes", "Update");
  g_assert_true(strstr(ancient, "f:m00") && strstr(ancient, "f:m05") && !strstr(ancient, "f:m06"));
}

/* Every manager's fields have the names of the version it speaks, and lose what others change in theirs. */
static void test_versions(void)
{
  const ApiKind *v1 = kind_of("networking.k8s.io", "v1", "Ingress");
  const ApiKind *old_version = kind_of("extensions", "v1beta1", "Ingress");
  FieldManager old_writer = writer("old"), new_writer = writer("new");
  old_writer.kind = old_version;
  g_autoptr(json_t) made = parse("{'metadata':{'name':'i'},'spec':{'ingressClassName':'c','defaultBackend':{'service':{"
                                 "'name':'a','port':{'number':80}}}}}");
  managed_fields_update(v1, NULL, made, &old_writer);
  assert_owned(made, "old", "Update",
               "{'f:spec':{'f:backend':{'.':{},'f:serviceName':{},'f:servicePort':{}},'f:ingressClassName':{}}}");
  g_assert_cmpstr(json_str(json_array_get(json_at(made, "metadata", "managedFields", NULL), 0), "apiVersion", ""), ==,
                  "extensions/v1beta1");
  g_autoptr(json_t) changed = json_deep_copy(made);
  json_object_set_new(json_at(changed, "spec", "defaultBackend", "service", NULL), "name", json_string("b"));
  managed_fields_update(v1, made, changed, &new_writer);
  assert_owned(changed, "old", "Update",
               "{'f:spec':{'f:backend':{'.':{},'f:servicePort':{}},'f:ingressClassName':{}}}");
  assert_owned(changed, "new", "Update", "{'f:spec':{'f:defaultBackend':{'f:service':{'f:name':{}}}}}");
}

/* Who applies in one version conflicts with who wrote in another, by the names of that one. */
static void test_apply_versions(void)
{
  const ApiKind *v1 = kind_of("networking.k8s.io", "v1", "Ingress");
  FieldManager old_writer = writer("old");
  old_writer.kind = kind_of("networking.k8s.io", "v1beta1", "Ingress");
  g_autoptr(json_t) made =
      parse("{'metadata':{'name':'i'},'spec':{'defaultBackend':{'service':{'name':'a','port':{'number':80}}}}}");
  managed_fields_update(v1, NULL, made, &old_writer);
  g_autoptr(GError) error = NULL;
  const char *config =
      "{'metadata':{'name':'i'},'spec':{'defaultBackend':{'service':{'name':'b','port':{'number':80}}}}}";
  g_autoptr(json_t) refused = apply(v1, made, config, "applier", false, &error);
  g_assert_null(refused);
  g_assert_cmpstr(error->message, ==,
                  "Apply failed with 1 conflict: conflict with \"old\" using networking.k8s.io/v1beta1: "
                  ".spec.backend.serviceName");
  g_autoptr(json_t) forced = apply(v1, made, config, "applier", true, NULL);
  assert_owned(forced, "old", "Update", "{'f:spec':{'f:backend':{'.':{},'f:servicePort':{}}}}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_assert_true(timestamp_parse("2026-01-01T00:00:00Z", &now_us));
  g_test_add_func("/managed-fields/create-config-map", test_create_config_map);
  g_test_add_func("/managed-fields/create-service", test_create_service);
  g_test_add_func("/managed-fields/create-deployment", test_create_deployment);
  g_test_add_func("/managed-fields/updates", test_updates);
  g_test_add_func("/managed-fields/apply/create", test_apply_create);
  g_test_add_func("/managed-fields/apply/conflict", test_apply_conflict);
  g_test_add_func("/managed-fields/apply/removes", test_apply_removes);
  g_test_add_func("/managed-fields/apply/keyed-list", test_apply_keyed_list);
  g_test_add_func("/managed-fields/apply/before-first", test_before_first_apply);
  g_test_add_func("/managed-fields/given", test_given_managed_fields);
  g_test_add_func("/managed-fields/many", test_many_managers);
  g_test_add_func("/managed-fields/versions", test_versions);
  g_test_add_func("/managed-fields/apply/versions", test_apply_versions);
  int result = g_test_run();
  api_scheme_free(scheme);
  return result;
}

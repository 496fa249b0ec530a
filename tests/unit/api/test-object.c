/* Objects, the scheme, fields and field errors. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/conversion/conversion.h"
#include "clusterd/api/field_errors.h"
#include "clusterd/api/object.h"
#include "clusterd/api/scheme.h"

static ApiScheme *scheme;

static const ApiKind *kind_of(const char *group, const char *version, const char *name)
{
  const ApiKind *kind = api_scheme_kind(scheme, group, version, name);
  g_assert_nonnull(kind);
  return kind;
}

static json_t *config_map(void)
{
  return json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:s, s:s}", "data", "k", "v", "\"", "\n", "metadata",
                   "creationTimestamp", "2026-01-01T00:00:00Z", "uid", "u-1", "namespace", "x", "name", "a",
                   "apiVersion", "v1", "kind", "ConfigMap");
}

static char *text_of(const Object *object)
{
  gsize length;
  const char *text = g_bytes_get_data(object_bytes(object), &length);
  return g_strndup(text, length);
}

#define BYTES(version)                                                                                                 \
  "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{" version                                               \
  "\"name\":\"a\",\"namespace\":\"x\",\"uid\":\"u-1\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},"                \
  "\"data\":{\"k\":\"v\",\"\\\"\":\"\\n\"}}"

static void assert_identity(const Object *object, int64_t revision)
{
  g_assert_cmpstr(object_name(object), ==, "a");
  g_assert_cmpstr(object_namespace(object), ==, "x");
  g_assert_cmpstr(object_uid(object), ==, "u-1");
  g_assert_cmpint(object_revision(object), ==, revision);
  g_autofree char *version = g_strdup_printf("%d", (int)revision);
  g_assert_cmpstr(json_str(json_object_get(object_json(object), "metadata"), "resourceVersion", "0"), ==, version);
}

/* What is read of an object that nobody parsed, and that a twin keeps nothing of what was. */
static void test_compact(void)
{
  g_autoptr(json_t) value = config_map();
  json_t *metadata = json_object_get(value, "metadata");
  json_object_set_new(metadata, "labels", json_pack("{s:s}", "app", "web"));
  json_object_set_new(metadata, "annotations", json_pack("{s:s}", "labels", "{\"app\": \"no\"}"));
  g_autoptr(Object) parsed = object_new(kind_of("", "v1", "ConfigMap"), json_incref(value));
  g_autoptr(Object) twin = object_twin(parsed);
  assert_identity(twin, 0);
  g_assert_true(object_bytes(twin) == object_bytes(parsed));
  g_autoptr(Object) unread = object_twin(parsed);
  g_assert_cmpstr(json_str(object_labels(unread), "app", ""), ==, "web");
  g_assert_true(object_labels(unread) == object_labels(unread));
  g_assert_cmpstr(json_str(object_labels(parsed), "app", ""), ==, "web");
  g_autoptr(json_t) annotations = object_metadata(unread, "annotations");
  g_assert_cmpstr(json_str(annotations, "labels", ""), ==, "{\"app\": \"no\"}");
  g_assert_null(object_metadata(unread, "ownerReferences"));
  g_autoptr(json_t) once = object_value(unread), again = object_value(unread);
  g_assert_true(once != again && json_equal(once, again) && json_equal(once, value));
  g_autoptr(Object) bare = object_new(kind_of("", "v1", "ConfigMap"), config_map());
  g_autoptr(Object) unlabelled = object_twin(bare);
  g_assert_null(object_labels(unlabelled));
  g_assert_null(object_labels(unlabelled));
}

/* A twin of a kind whose objects are otherwise kept parsed. */
static void test_twin(void)
{
  g_autoptr(json_t) value =
      json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Pod", "metadata", "name", "web", "uid", "u-1");
  g_autoptr(Object) pod = object_new(kind_of("", "v1", "Pod"), json_incref(value));
  g_autoptr(json_t) kept = object_value(pod), kept_too = object_value(pod);
  g_assert_true(kept == kept_too);
  g_autoptr(Object) twin = object_twin(pod);
  g_assert_true(object_bytes(twin) == object_bytes(pod));
  g_assert_cmpint(object_item_offset(twin), ==, object_item_offset(pod));
  g_assert_cmpstr(object_name(twin), ==, "web");
  g_assert_cmpstr(object_namespace(twin), ==, "");
  g_assert_cmpstr(object_uid(twin), ==, "u-1");
  g_autoptr(json_t) once = object_value(twin), again = object_value(twin);
  g_assert_true(once != again && json_equal(once, again));
}

static void test_bytes(void)
{
  g_autoptr(Object) object = object_new(kind_of("", "v1", "ConfigMap"), config_map());
  g_autofree char *text = text_of(object);
  g_assert_cmpstr(text, ==, BYTES(""));
  assert_identity(object, 0);
  g_assert_true(g_str_has_prefix(text + object_item_offset(object), "\"metadata\":{"));
  g_autoptr(Object) lease = object_new(kind_of("coordination.k8s.io", "v1", "Lease"), json_object());
  g_autofree char *lease_text = text_of(lease);
  g_assert_cmpstr(lease_text, ==, "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{}}");
  g_assert_cmpstr(lease_text + object_item_offset(lease), ==, "\"metadata\":{}}");
}

static void test_revision_is_spliced(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) object = object_new(kind_of("", "v1", "ConfigMap"), config_map());
  g_autoptr(Object) stored = object_from_bytes(object_kind(object), object_bytes(object), 41, &error);
  g_assert_no_error(error);
  g_autofree char *text = text_of(stored);
  g_assert_cmpstr(text, ==, BYTES("\"resourceVersion\":\"41\","));
  assert_identity(stored, 41);
  /* bytes that have a revision get the new one in its place */
  g_autoptr(Object) newer = object_from_bytes(object_kind(object), object_bytes(stored), 1234, &error);
  g_autofree char *newer_text = text_of(newer);
  g_assert_cmpstr(newer_text, ==, BYTES("\"resourceVersion\":\"1234\","));
  assert_identity(newer, 1234);
  g_autoptr(Object) revised = object_with_revision(object, 77);
  g_autofree char *revised_text = text_of(revised);
  g_assert_cmpstr(revised_text, ==, BYTES("\"resourceVersion\":\"77\","));
  assert_identity(revised, 77);
  assert_identity(object, 0);
}

static void test_foreign_bytes(void)
{
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = kind_of("", "v1", "ConfigMap");
  const char *text = "{ \"metadata\": {\"uid\": \"u-1\", \"name\": \"\\u0061\", \"namespace\": \"x\"}, \"data\": {} }";
  g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
  g_autoptr(Object) object = object_from_bytes(kind, bytes, 5, &error);
  g_assert_no_error(error);
  assert_identity(object, 5);
  const char *empty = "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{}}";
  g_autoptr(GBytes) empty_bytes = g_bytes_new_static(empty, strlen(empty));
  g_autoptr(Object) bare = object_from_bytes(kind, empty_bytes, 6, &error);
  g_autofree char *bare_text = text_of(bare);
  g_assert_cmpstr(bare_text, ==,
                  "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"6\"}}");
  g_assert_cmpstr(object_name(bare), ==, "");
  g_autoptr(GBytes) garbage = g_bytes_new_static("nonsense", 8);
  g_assert_null(object_from_bytes(kind, garbage, 7, &error));
  g_assert_true(reason_is(error, REASON_INTERNAL));
}

static void test_damaged_bytes(void)
{
  g_autoptr(GError) error = NULL;
  const char *text =
      "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"x\",\"uid\":"
      "\"u-1\",??}}";
  g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
  g_autoptr(Object) object = object_from_bytes(kind_of("", "v1", "ConfigMap"), bytes, 9, &error);
  g_assert_no_error(error);
  g_test_expect_message("api", G_LOG_LEVEL_CRITICAL, "stored ConfigMap x/a cannot be read*");
  assert_identity(object, 9);
  g_test_assert_expected_messages();
}

static gpointer read_value(gpointer object)
{
  return object_json(object);
}

/* All threads get the one value that is made. */
static void test_threads(void)
{
  g_autoptr(Object) object = object_new(kind_of("", "v1", "ConfigMap"), config_map());
  for (unsigned round = 0; round < 50; round++) {
    g_autoptr(Object) stored = object_from_bytes(object_kind(object), object_bytes(object), round, NULL);
    GThread *threads[4];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
      threads[i] = g_thread_new("reader", read_value, stored);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
      g_assert_true(g_thread_join(threads[i]) == object_json(stored));
  }
}

static void test_scheme(void)
{
  const ApiKind *pod = kind_of("", "v1", "Pod");
  g_assert_true(api_scheme_resource(scheme, "", "v1", "pods") == pod);
  g_assert_null(api_scheme_resource(scheme, "", "v1", "pod"));
  g_assert_null(api_scheme_kind(scheme, "apps", "v1", "Pod"));
  g_autoptr(json_t) value = json_pack("{s:s, s:s}", "apiVersion", "apps/v1", "kind", "Deployment");
  g_assert_true(api_scheme_kind_of(scheme, value) == kind_of("apps", "v1", "Deployment"));
  g_autoptr(GPtrArray) list = api_scheme_list(scheme);
  g_assert_cmpstr(((const ApiKind *)list->pdata[0])->plural, ==, "bindings");
  g_autofree char *long_name = g_strnfill(5000, 'a');
  g_assert_null(api_scheme_kind(scheme, "", "v1", long_name));
}

static void test_messages(void)
{
  g_assert_nonnull(api_builtin_message_of("autoscaling", "v1", "Scale"));
  g_assert_nonnull(api_builtin_message_of("policy", "v1", "Eviction"));
  g_assert_nonnull(api_builtin_message_of("", "v1", "DeleteOptions"));
  g_assert_nonnull(api_builtin_message_of("policy", "v1", "DeleteOptions"));
  g_assert_null(api_builtin_message_of("", "v1", "Nonsense"));
}

/* Every field of every message is found by name and by number, inlined ones by name through their parents. */
static void test_fields(void)
{
  size_t n_messages;
  const ApiMessage *const *messages = api_builtin_messages(&n_messages);
  g_assert_cmpuint(n_messages, >, 300);
  for (size_t i = 0; i < n_messages; i++) {
    for (unsigned j = 0; j < messages[i]->n_fields; j++) {
      const ApiField *field = &messages[i]->fields[j];
      g_assert_true(api_message_field_by_number(messages[i], field->number) == field);
      if (field->flags & API_FIELD_INLINE)
        g_assert_null(api_message_field(messages[i], field->name));
      else
        g_assert_true(api_message_field(messages[i], field->name) == field);
    }
    g_assert_null(api_message_field(messages[i], "noSuchMember"));
    g_assert_null(api_message_field_by_number(messages[i], 9999));
  }
  const ApiMessage *volume = api_builtin_message("io.k8s.api.core.v1.Volume");
  g_assert_cmpstr(api_message_field(volume, "emptyDir")->message->name, ==, "io.k8s.api.core.v1.EmptyDirVolumeSource");
  /* without the index, as messages made at run time are */
  ApiMessage plain = *volume;
  plain.by_name = NULL;
  g_assert_true(api_message_field(&plain, "emptyDir") == api_message_field(volume, "emptyDir"));
}

/* Each default is JSON of its field's type, and each column knows where its cell comes from. */
static void test_tables(void)
{
  size_t n;
  const ApiMessage *const *messages = api_builtin_messages(&n);
  for (size_t i = 0; i < n; i++) {
    for (unsigned j = 0; j < messages[i]->n_fields; j++) {
      const ApiField *field = &messages[i]->fields[j];
      if (!field->default_json)
        continue;
      g_autoptr(json_t) value = json_loads(field->default_json, JSON_DECODE_ANY, NULL);
      g_assert_nonnull(value);
      g_assert_true(!json_is_string(value) || field->type == API_STRING || field->type == API_QUANTITY ||
                    field->type == API_INT_OR_STRING);
    }
  }
  const ApiKind *const *kinds = api_builtin_kinds(&n);
  for (size_t i = 0; i < n; i++) {
    g_assert_cmpuint(kinds[i]->n_columns, >, 0);
    for (unsigned j = 0; j < kinds[i]->n_columns; j++)
      g_assert_true((kinds[i]->columns[j].path != NULL) != (kinds[i]->columns[j].cell != NULL));
    g_assert_nonnull(kinds[i]->storage);
    g_assert_cmpuint(kinds[i]->verbs, !=, 0);
  }
}

static void test_names(void)
{
  const ApiKind *deployment = kind_of("apps", "v1", "Deployment");
  g_autofree char *version = api_group_version(deployment), *resource = api_qualified_resource(deployment);
  g_assert_cmpstr(version, ==, "apps/v1");
  g_assert_cmpstr(resource, ==, "deployments.apps");
  g_assert_cmpstr(api_verb_name(API_VERB_DELETECOLLECTION), ==, "deletecollection");
  g_assert_cmpstr(api_kind_subresource(deployment, "scale")->kind, ==, "Scale");
  g_assert_null(api_kind_subresource(deployment, "log"));
  g_assert_cmpstr(deployment->short_names[0], ==, "deploy");
}

static void test_field_errors(void)
{
  g_autoptr(FieldErrors) errors = field_errors_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) number = json_integer(7), text = json_string("a\"b"),
                    labels = json_pack("{s:s, s:s}", "z", "1", "a", "2");
  static const char *const supported[] = { "A", "B", NULL };
  g_assert_true(field_errors_finish(errors, "Pod", "", "p", &error));
  field_errors_add(errors, FIELD_REQUIRED, "spec.a", number, NULL);
  field_errors_add(errors, FIELD_INVALID, "spec.b", number, "must be %d", 5);
  field_errors_add(errors, FIELD_INVALID, "spec.b", number, "must be %d", 5);
  field_errors_add_unsupported(errors, "spec.c", text, supported);
  field_errors_add(errors, FIELD_INVALID, "spec.d", labels, "bad");
  g_assert_cmpuint(field_errors_count(errors), ==, 4);
  g_assert_false(field_errors_finish(errors, "Deployment", "apps", "d", &error));
  g_assert_cmpstr(error->message, ==,
                  "Deployment.apps \"d\" is invalid: [spec.a: Required value, spec.b: Invalid value: 7: must be 5, "
                  "spec.c: Unsupported value: \"a\\\"b\": supported values: \"A\", \"B\", spec.d: Invalid value: "
                  "map[string]string{\"a\":\"2\", \"z\":\"1\"}: bad]");
  const json_t *cause = json_array_get(json_object_get(reason_details(error), "causes"), 1);
  g_assert_cmpstr(json_str(cause, "reason", ""), ==, "FieldValueInvalid");
  g_assert_cmpstr(json_str(cause, "message", ""), ==, "Invalid value: 7: must be 5");
  g_assert_cmpstr(json_str(cause, "field", ""), ==, "spec.b");
}

static void test_event_conversion(void)
{
  g_autoptr(json_t) event = json_pack("{s:s, s:s, s:{s:s}, s:s, s:s}", "kind", "Event", "apiVersion",
                                      "events.k8s.io/v1", "regarding", "kind", "Pod", "note", "n", "reason", "r");
  g_autoptr(json_t) stored = convert_events_v1_to_storage(event);
  g_assert_cmpstr(json_str(stored, "apiVersion", ""), ==, "v1");
  g_assert_cmpstr(json_str(stored, "message", ""), ==, "n");
  g_assert_cmpstr(json_str(json_object_get(stored, "involvedObject"), "kind", ""), ==, "Pod");
  g_autoptr(json_t) back = convert_events_v1_from_storage(stored);
  g_assert_true(json_equal(back, event));
}

/* What a v1 client reads and writes back loses nothing, and CPU is the number v1 knows. */
static void test_autoscaler_conversion(void)
{
  g_autoptr(GError) error = NULL;
  const char *text =
      "{\"kind\":\"HorizontalPodAutoscaler\",\"apiVersion\":\"autoscaling/v2\",\"metadata\":{\"name\":\"h\"},"
      "\"spec\":{\"maxReplicas\":3,\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\","
      "\"target\":{\"type\":\"Utilization\",\"averageUtilization\":50}}},{\"type\":\"Resource\","
      "\"resource\":{\"name\":\"memory\",\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"1Gi\"}}}],"
      "\"behavior\":{\"scaleDown\":{\"selectPolicy\":\"Disabled\"}}},\"status\":{\"currentReplicas\":1}}";
  g_autoptr(json_t) stored = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  g_autoptr(json_t) served = convert_autoscaling_v1_from_storage(stored);
  g_assert_cmpint(json_int(json_object_get(served, "spec"), "targetCPUUtilizationPercentage", 0), ==, 50);
  g_assert_null(json_at(served, "spec", "behavior", NULL));
  g_autoptr(json_t) back = convert_autoscaling_v1_to_storage(served);
  g_assert_true(json_equal(back, stored));
  /* an annotation that does not fit is no metric */
  json_object_set_new(json_at(served, "metadata", "annotations", NULL), "autoscaling.alpha.kubernetes.io/metrics",
                      json_string("{\"a\":1}"));
  g_autoptr(json_t) odd = convert_autoscaling_v1_to_storage(served);
  g_assert_cmpuint(json_array_size(json_at(odd, "spec", "metrics", NULL)), ==, 1);
  g_assert_nonnull(json_at(odd, "metadata", "annotations", "autoscaling.alpha.kubernetes.io/metrics", NULL));
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "plural.group" of the kinds that HAS, sorted, with blanks. */
static char *kinds_that(bool (*has)(const ApiKind *kind))
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme), names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    char *name = api_qualified_resource(kind);
    if (has(kind) && !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
      g_ptr_array_add(names, name);
    else
      g_free(name);
  }
  g_ptr_array_sort(names, compare_names);
  g_ptr_array_add(names, NULL);
  return g_strjoinv(" ", (char **)names->pdata);
}

static bool is_made_by_put(const ApiKind *kind)
{
  return kind->allow_create_on_update;
}

static bool needs_version(const ApiKind *kind)
{
  return kind->require_version_on_update;
}

static bool orphans(const ApiKind *kind)
{
  return kind->orphan_by_default;
}

/* Which kinds a PUT makes, which it only takes with a version, and which leave their dependents behind. */
static void test_updates(void)
{
  g_autofree char *made = kinds_that(is_made_by_put), *versioned = kinds_that(needs_version);
  g_autofree char *orphaning = kinds_that(orphans);
  g_assert_cmpstr(
      made, ==,
      "clusterrolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io endpoints events "
      "events.events.k8s.io leases.coordination.k8s.io limitranges rolebindings.rbac.authorization.k8s.io "
      "roles.rbac.authorization.k8s.io runtimeclasses.node.k8s.io services");
  g_assert_cmpstr(versioned, ==,
                  "apiservices.apiregistration.k8s.io csidrivers.storage.k8s.io csinodes.storage.k8s.io "
                  "csistoragecapacities.storage.k8s.io customresourcedefinitions.apiextensions.k8s.io "
                  "leases.coordination.k8s.io mutatingwebhookconfigurations.admissionregistration.k8s.io "
                  "poddisruptionbudgets.policy runtimeclasses.node.k8s.io "
                  "validatingadmissionpolicies.admissionregistration.k8s.io "
                  "validatingadmissionpolicybindings.admissionregistration.k8s.io "
                  "validatingwebhookconfigurations.admissionregistration.k8s.io volumeattachments.storage.k8s.io");
  g_assert_cmpstr(orphaning, ==, "jobs.batch replicationcontrollers");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/object/bytes", test_bytes);
  g_test_add_func("/object/revision", test_revision_is_spliced);
  g_test_add_func("/object/foreign-bytes", test_foreign_bytes);
  g_test_add_func("/object/damaged-bytes", test_damaged_bytes);
  g_test_add_func("/object/threads", test_threads);
  g_test_add_func("/scheme/kinds", test_scheme);
  g_test_add_func("/scheme/messages", test_messages);
  g_test_add_func("/scheme/fields", test_fields);
  g_test_add_func("/object/compact", test_compact);
  g_test_add_func("/object/twin", test_twin);
  g_test_add_func("/scheme/tables", test_tables);
  g_test_add_func("/scheme/names", test_names);
  g_test_add_func("/scheme/updates", test_updates);
  g_test_add_func("/field-errors", test_field_errors);
  g_test_add_func("/conversion/events", test_event_conversion);
  g_test_add_func("/conversion/autoscaler", test_autoscaler_conversion);
  int result = g_test_run();
  api_scheme_free(scheme);
  return result;
}

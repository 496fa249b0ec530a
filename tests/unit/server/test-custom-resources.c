/* CustomResourceDefinitions in the registry, without HTTP: from definition to objects and back to nothing. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/server/registry/registry.h"

#define GROUP "apiextensions.k8s.io"
#define PLURAL "customresourcedefinitions"
#define NAME "tabs.a.example.com"
#define WAIT_SECONDS 20
#define OBJECTS 60 /* each writer makes, while the schema changes */

typedef struct Fixture {
  char *folder;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
} Fixture;

/* What a watch has told, for those who wait for it. */
typedef struct Seen {
  GMutex lock;
  GCond changed;
  bool established, closed;
  unsigned events;
} Seen;

static void open_registry(Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->scheme = api_scheme_new();
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
}

static void close_registry(Fixture *fixture)
{
  registry_free(fixture->registry);
  store_close(fixture->store);
  api_scheme_free(fixture->scheme);
}

static const ApiKind *kind_of(const Fixture *fixture, const char *group, const char *plural)
{
  return api_scheme_resource(fixture->scheme, group, "v1", plural);
}

static Object *create(const Fixture *fixture, const ApiKind *kind, const char *namespace_, const char *text,
                      GError **error)
{
  g_autoptr(json_t) value = json_loads(text, 0, NULL);
  Target target = { .kind = kind, .namespace_ = namespace_ };
  g_assert_nonnull(value);
  return registry_create(fixture->registry, NULL, &target, value, error);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("custom-XXXXXX", NULL);
  open_registry(fixture);
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made =
      create(fixture, kind_of(fixture, "", "namespaces"), NULL, "{\"metadata\":{\"name\":\"default\"}}", &error);
  g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  close_registry(fixture);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

static void on_event(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  Seen *seen = data;
  size_t i;
  json_t *condition;
  g_mutex_lock(&seen->lock);
  json_array_foreach (object ? json_at(object_json(object), "status", "conditions", NULL) : NULL, i, condition)
    seen->established |= g_str_equal(json_str(condition, "type", ""), "Established") &&
                         g_str_equal(json_str(condition, "status", ""), "True");
  seen->closed |= type == WATCH_CLOSED;
  seen->events += type != WATCH_BOOKMARK && type != WATCH_CLOSED;
  g_cond_broadcast(&seen->changed);
  g_mutex_unlock(&seen->lock);
}

static Watch *watch(const Fixture *fixture, const ApiKind *kind, Seen *seen)
{
  g_autoptr(GError) error = NULL;
  Target target = { .kind = kind };
  Watch *made = registry_watch(fixture->registry, NULL, &target, NULL, 0, on_event, seen, &error);
  g_assert_no_error(error);
  return made;
}

static void wait_for(Seen *seen, const bool *what)
{
  int64_t until = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;
  g_mutex_lock(&seen->lock);
  while (!*what && g_cond_wait_until(&seen->changed, &seen->lock, until))
    ;
  g_assert_true(*what);
  g_mutex_unlock(&seen->lock);
}

#define DEFINITION(properties)                                                                                         \
  "{\"metadata\":{\"name\":\"" NAME "\"},\"spec\":{\"group\":\"a.example.com\",\"scope\":\"Namespaced\",\"names\":{"   \
  "\"plural\":\"tabs\",\"kind\":\"Tab\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{" \
  "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{" properties \
  "}}}}}}]}}"
#define NUMBER "\"n\":{\"type\":\"integer\",\"maximum\":1000}"

/* Makes the definition and waits until everybody may know that it is established: from then on it is served. */
static const ApiKind *establish(const Fixture *fixture)
{
  Seen seen = { 0 };
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = create(fixture, kind_of(fixture, GROUP, PLURAL), NULL, DEFINITION(NUMBER), &error);
  g_assert_no_error(error);
  Watch *definitions = watch(fixture, kind_of(fixture, GROUP, PLURAL), &seen);
  wait_for(&seen, &seen.established);
  const ApiKind *kind = kind_of(fixture, "a.example.com", "tabs");
  g_assert_nonnull(kind);
  registry_unwatch(definitions);
  return kind;
}

static bool set_properties(json_t *value, void *data)
{
  g_autofree char *text = g_strdup_printf("{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","
                                          "\"properties\":{%s}}}}",
                                          (const char *)data);
  json_t *version = json_array_get(json_at(value, "spec", "versions", NULL), 0);
  json_object_set_new(json_object_get(version, "schema"), "openAPIV3Schema", json_loads(text, 0, NULL));
  return true;
}

static void change_schema(const Fixture *fixture, const char *properties)
{
  g_autoptr(GError) error = NULL;
  Target target = { .kind = kind_of(fixture, GROUP, PLURAL), .name = NAME };
  g_autoptr(Object) stored =
      registry_modify(fixture->registry, NULL, &target, set_properties, (void *)(uintptr_t)properties, &error);
  g_assert_no_error(error);
}

/* What the writer of a definition has been answered holds for its next request. */
static void test_schema_at_once(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = establish(fixture);
  g_autoptr(Object) first =
      create(fixture, kind, "default", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"n\":1}}", &error);
  g_assert_no_error(error);
  g_autoptr(Object) refused =
      create(fixture, kind, "default", "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"n\":5000}}", &error);
  g_assert_null(refused);
  g_assert_cmpint(reason_of(error), ==, REASON_INVALID);
  g_clear_error(&error);
  for (int i = 0; i < 20; i++) {
    change_schema(fixture, i % 2 ? NUMBER : NUMBER ",\"d\":{\"type\":\"string\",\"default\":\"x\"}");
    const ApiKind *now = kind_of(fixture, "a.example.com", "tabs");
    Target target = { .kind = now, .namespace_ = "default", .name = "a" };
    g_autoptr(Object) read = registry_get(fixture->registry, NULL, &target, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(json_str(json_object_get(object_json(read), "spec"), "d", "-"), ==, i % 2 ? "-" : "x");
  }
}

typedef struct Writer {
  const Fixture *fixture;
  int number;
} Writer;

static void *write_objects(void *data)
{
  const Writer *writer = data;
  for (int i = 0; i < OBJECTS; i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *text =
        g_strdup_printf("{\"metadata\":{\"name\":\"w%d-%d\"},\"spec\":{\"n\":%d}}", writer->number, i, i);
    g_autoptr(Object) made =
        create(writer->fixture, kind_of(writer->fixture, "a.example.com", "tabs"), "default", text, &error);
    g_assert_no_error(error);
  }
  return NULL;
}

/* Writers, a watch and changes of the schema all at once: nothing is lost, nothing refused. */
static void test_change_under_load(Fixture *fixture, gconstpointer data)
{
  Seen seen = { 0 };
  GThread *threads[2];
  Writer writers[G_N_ELEMENTS(threads)];
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = establish(fixture);
  Watch *objects = watch(fixture, kind, &seen);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++) {
    writers[i] = (Writer){ fixture, (int)i };
    threads[i] = g_thread_new("writer", write_objects, &writers[i]);
  }
  for (int i = 0; i < 20; i++)
    change_schema(fixture, i % 2 ? NUMBER : NUMBER ",\"d\":{\"type\":\"string\",\"default\":\"x\"}");
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  int64_t until = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;
  g_mutex_lock(&seen.lock);
  while (seen.events < OBJECTS * G_N_ELEMENTS(threads) && g_cond_wait_until(&seen.changed, &seen.lock, until))
    ;
  g_assert_cmpuint(seen.events, ==, OBJECTS * G_N_ELEMENTS(threads));
  g_assert_false(seen.closed);
  g_mutex_unlock(&seen.lock);
  Target target = { .kind = kind_of(fixture, "a.example.com", "tabs"), .namespace_ = "default" };
  g_autoptr(ObjectList) list = registry_list(fixture->registry, NULL, &target, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(list->objects->len, ==, OBJECTS * G_N_ELEMENTS(threads));
  registry_unwatch(objects);
}

/* The deletion of a definition takes its objects along, and ends what watches them; after that the name is free. */
static void test_deletion(Fixture *fixture, gconstpointer data)
{
  Seen seen = { 0 };
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = establish(fixture);
  g_autoptr(Object) made =
      create(fixture, kind, "default", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"n\":1}}", &error);
  g_assert_no_error(error);
  Watch *objects = watch(fixture, kind, &seen);
  Target target = { .kind = kind_of(fixture, GROUP, PLURAL), .name = NAME };
  bool gone = true;
  g_autoptr(Object) last = registry_delete(fixture->registry, NULL, &target, NULL, &gone, &error);
  g_assert_no_error(error);
  g_assert_false(gone);
  wait_for(&seen, &seen.closed);
  registry_unwatch(objects);
  g_assert_cmpuint(seen.events, ==, 2);
  g_assert_null(kind_of(fixture, "a.example.com", "tabs"));
  g_assert_nonnull(establish(fixture));
}

/* What was established is served as soon as the registry is there again. */
static void test_restart(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = establish(fixture);
  object_unref(create(fixture, kind, "default", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"n\":1}}", &error));
  g_assert_no_error(error);
  close_registry(fixture);
  open_registry(fixture);
  Target target = { .kind = kind_of(fixture, "a.example.com", "tabs"), .namespace_ = "default", .name = "a" };
  g_assert_nonnull(target.kind);
  g_autoptr(Object) read = registry_get(fixture->registry, NULL, &target, &error);
  g_assert_no_error(error);
  g_assert_cmpint(json_int(json_object_get(object_json(read), "spec"), "n", 0), ==, 1);
}

#define ADD(name, function) g_test_add("/custom-resources/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("schema-at-once", test_schema_at_once);
  ADD("change-under-load", test_change_under_load);
  ADD("deletion", test_deletion);
  ADD("restart", test_restart);
  return g_test_run();
}

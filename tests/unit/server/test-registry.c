/* The registry: what reads, writes, deletions and watches promise, without HTTP around them. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/registry/registry.h"

typedef struct Fixture {
  char *folder;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
} Fixture;

static const ApiKind *kind_of(Fixture *fixture, const char *group, const char *version, const char *plural)
{
  const ApiKind *kind = api_scheme_resource(fixture->scheme, group, version, plural);
  g_assert_nonnull(kind);
  return kind;
}

static Target target_of(Fixture *fixture, const char *plural, const char *name)
{
  const ApiKind *kind = kind_of(fixture, "", "v1", plural);
  return (Target){ kind, kind->namespaced ? "default" : NULL, name, NULL };
}

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

static Object *create(Fixture *fixture, const Target *target, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = parse(text);
  Target collection = { target->kind, target->namespace_, NULL, NULL };
  Object *object = registry_create(fixture->registry, NULL, &collection, value, &error);
  g_assert_no_error(error);
  return object;
}

static Object *create_map(Fixture *fixture, const char *name)
{
  Target target = target_of(fixture, "configmaps", NULL);
  g_autofree char *text = g_strdup_printf("{\"metadata\":{\"name\":\"%s\"},\"data\":{\"k\":\"v\"}}", name);
  return create(fixture, &target, text);
}

static void open_registry(Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
}

static void close_registry(Fixture *fixture)
{
  registry_free(fixture->registry);
  store_close(fixture->store);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("registry-XXXXXX", NULL);
  fixture->scheme = api_scheme_new();
  open_registry(fixture);
  Target namespaces = target_of(fixture, "namespaces", NULL);
  g_autoptr(Object) made = create(fixture, &namespaces, "{\"metadata\":{\"name\":\"default\"}}");
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  close_registry(fixture);
  api_scheme_free(fixture->scheme);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

/* --- writes --------------------------------------------------------------------------------------------------------
 */

static void test_create(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = create_map(fixture, "a");
  const json_t *metadata = json_object_get(object_json(made), "metadata");
  g_assert_cmpuint(strlen(object_uid(made)), ==, 36);
  g_assert_cmpstr(json_str(metadata, "namespace", ""), ==, "default");
  g_assert_cmpint(object_revision(made), ==, registry_revision(fixture->registry));
  g_assert_nonnull(json_object_get(metadata, "creationTimestamp"));

  Target target = target_of(fixture, "configmaps", "a");
  g_autoptr(Object) read = registry_get(fixture->registry, NULL, &target, &error);
  g_assert_true(g_bytes_equal(object_bytes(read), object_bytes(made)));

  g_autoptr(json_t) again = parse("{\"metadata\":{\"name\":\"a\"}}");
  Target collection = target_of(fixture, "configmaps", NULL);
  g_assert_null(registry_create(fixture->registry, NULL, &collection, again, &error));
  g_assert_true(reason_is(error, REASON_ALREADY_EXISTS));
  g_assert_cmpstr(error->message, ==, "configmaps \"a\" already exists");
  g_clear_error(&error);

  g_autoptr(json_t) versioned = parse("{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"7\"}}");
  g_assert_null(registry_create(fixture->registry, NULL, &collection, versioned, &error));
  g_assert_cmpstr(error->message, ==, "resourceVersion should not be set on objects to be created");
  g_clear_error(&error);

  g_autoptr(json_t) generated = parse("{\"metadata\":{\"generateName\":\"g-\"}}");
  g_autoptr(Object) named = registry_create(fixture->registry, NULL, &collection, generated, &error);
  g_assert_cmpuint(strlen(object_name(named)), ==, 7);
  g_assert_true(g_str_has_prefix(object_name(named), "g-"));

  Target elsewhere = { collection.kind, "nowhere", NULL, NULL };
  g_assert_null(registry_create(fixture->registry, NULL, &elsewhere, again, &error));
  g_assert_cmpstr(error->message, ==, "namespaces \"nowhere\" not found");
}

static void test_dry_run(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  Caller caller = { .dry_run = true };
  Target collection = target_of(fixture, "configmaps", NULL);
  int64_t before = registry_revision(fixture->registry);
  g_autoptr(json_t) value = parse("{\"metadata\":{\"name\":\"a\"}}");
  g_autoptr(Object) made = registry_create(fixture->registry, &caller, &collection, value, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(object_uid(made), !=, "");
  g_assert_cmpint(registry_revision(fixture->registry), ==, before);
  Target target = target_of(fixture, "configmaps", "a");
  g_assert_null(registry_get(fixture->registry, NULL, &target, &error));
}

static void test_update(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = create_map(fixture, "a");
  Target target = target_of(fixture, "configmaps", "a");

  g_autoptr(json_t) same = json_deep_copy(object_json(made));
  g_autoptr(Object) unchanged = registry_update(fixture->registry, NULL, &target, same, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpint(object_revision(unchanged), ==, object_revision(made));
  g_assert_cmpint(registry_revision(fixture->registry), ==, object_revision(made));

  json_object_set_new(json_object_get(same, "data"), "k", json_string("w"));
  g_autoptr(Object) changed = registry_update(fixture->registry, NULL, &target, same, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpint(object_revision(changed), >, object_revision(made));
  g_assert_cmpstr(object_uid(changed), ==, object_uid(made));

  json_object_set_new(json_object_get(same, "data"), "k", json_string("x"));
  g_assert_null(registry_update(fixture->registry, NULL, &target, same, NULL, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_assert_true(g_str_has_prefix(error->message,
                                 "Operation cannot be fulfilled on configmaps \"a\": the object has been "
                                 "modified"));
  g_clear_error(&error);

  json_object_del(json_object_get(same, "metadata"), "resourceVersion");
  g_autoptr(Object) forced = registry_update(fixture->registry, NULL, &target, same, NULL, &error);
  g_assert_no_error(error);

  Target absent = target_of(fixture, "configmaps", "zz");
  g_autoptr(json_t) other = parse("{\"metadata\":{\"name\":\"zz\"}}");
  g_assert_null(registry_update(fixture->registry, NULL, &absent, other, NULL, &error));
  g_assert_cmpstr(error->message, ==, "configmaps \"zz\" not found");
}

static bool add_one(json_t *value, void *data)
{
  json_t *map = json_object_get(value, "data");
  g_autofree char *next = g_strdup_printf("%d", (int)g_ascii_strtoll(json_str(map, "count", "0"), NULL, 10) + 1);
  json_object_set_new(map, "count", json_string(next));
  return true;
}

/* No more than a modifier may lose against all others together: on a busy machine one may lose every time. */
enum { MODIFIERS = 8, MODIFICATIONS = 14 };

static void *modify_many(void *data)
{
  Fixture *fixture = data;
  Target target = target_of(fixture, "configmaps", "a");
  for (int i = 0; i < MODIFICATIONS; i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Object) stored = registry_modify(fixture->registry, NULL, &target, add_one, NULL, &error);
    g_assert_no_error(error);
  }
  return NULL;
}

/* How often its change ran at most, for one call. */
typedef struct FairWriter {
  Fixture *fixture;
  unsigned runs, most;
} FairWriter;

static bool add_one_counted(json_t *value, void *data)
{
  FairWriter *writer = data;
  writer->runs++;
  return add_one(value, NULL);
}

enum { FAIR_WRITERS = 24, FAIR_WRITES = 20, FAIR_ATTEMPTS_MAX = 12 };

static void *modify_fairly(void *data)
{
  FairWriter *writer = data;
  Target target = target_of(writer->fixture, "configmaps", "a");
  for (int i = 0; i < FAIR_WRITES; i++) {
    g_autoptr(GError) error = NULL;
    writer->runs = 0;
    g_autoptr(Object) stored =
        registry_modify(writer->fixture->registry, NULL, &target, add_one_counted, writer, &error);
    g_assert_no_error(error);
    writer->most = MAX(writer->most, writer->runs);
  }
  return NULL;
}

/* Among many writers of one object nobody loses again and again. */
static void test_modify_fairness(Fixture *fixture, gconstpointer data)
{
  FairWriter writers[FAIR_WRITERS] = { 0 };
  GThread *threads[FAIR_WRITERS];
  g_autoptr(Object) made = create_map(fixture, "a");
  for (int i = 0; i < FAIR_WRITERS; i++) {
    writers[i].fixture = fixture;
    threads[i] = g_thread_new("fair", modify_fairly, &writers[i]);
  }
  unsigned most = 0;
  for (int i = 0; i < FAIR_WRITERS; i++) {
    g_thread_join(threads[i]);
    most = MAX(most, writers[i].most);
  }
  g_test_message("%u attempts at most", most);
  g_assert_cmpuint(most, <=, FAIR_ATTEMPTS_MAX);
  Target target = target_of(fixture, "configmaps", "a");
  g_autoptr(Object) stored = registry_get(fixture->registry, NULL, &target, NULL);
  g_assert_cmpstr(json_str(json_object_get(object_json(stored), "data"), "count", ""), ==, "480"); /* 24 times 20 */
}

static void test_modify_loses_nothing(Fixture *fixture, gconstpointer data)
{
  GThread *threads[MODIFIERS];
  g_autoptr(Object) made = create_map(fixture, "a");
  for (int i = 0; i < MODIFIERS; i++)
    threads[i] = g_thread_new("modify", modify_many, fixture);
  for (int i = 0; i < MODIFIERS; i++)
    g_thread_join(threads[i]);
  Target target = target_of(fixture, "configmaps", "a");
  g_autoptr(Object) read = registry_get(fixture->registry, NULL, &target, NULL);
  g_autofree char *expected = g_strdup_printf("%d", MODIFIERS * MODIFICATIONS);
  g_assert_cmpstr(json_str(json_object_get(object_json(read), "data"), "count", ""), ==, expected);
}

static void test_patch(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = create_map(fixture, "a");
  Target target = target_of(fixture, "configmaps", "a");
  g_autoptr(json_t) merge = parse("{\"data\":{\"k\":null,\"n\":\"1\"}}");
  g_autoptr(Object) merged = registry_patch(fixture->registry, NULL, &target, PATCH_MERGE, merge, false, NULL, &error);
  g_assert_no_error(error);
  g_assert_null(json_at(object_json(merged), "data", "k", NULL));
  g_autoptr(json_t) stale = parse("{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"n\":\"2\"}}");
  g_assert_null(registry_patch(fixture->registry, NULL, &target, PATCH_MERGE, stale, false, NULL, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_clear_error(&error);
  g_autoptr(json_t) operations = parse("[{\"op\":\"replace\",\"path\":\"/data/n\",\"value\":\"3\"}]");
  g_autoptr(Object) replaced =
      registry_patch(fixture->registry, NULL, &target, PATCH_JSON, operations, false, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(json_str(json_object_get(object_json(replaced), "data"), "n", ""), ==, "3");
}

static void test_reopen(Fixture *fixture, gconstpointer data)
{
  g_autoptr(Object) made = create_map(fixture, "a");
  close_registry(fixture);
  open_registry(fixture);
  Target target = target_of(fixture, "configmaps", "a");
  g_autoptr(Object) read = registry_get(fixture->registry, NULL, &target, NULL);
  g_assert_nonnull(read);
  g_assert_true(g_bytes_equal(object_bytes(read), object_bytes(made)));
}

/* --- deletion ------------------------------------------------------------------------------------------------------
 */

static void test_delete(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  bool gone = false;
  g_autoptr(Object) made = create_map(fixture, "a");
  Target target = target_of(fixture, "configmaps", "a");
  DeleteOptions wrong = { .grace_period_seconds = -1, .precondition_uid = "1" };
  g_assert_null(registry_delete(fixture->registry, NULL, &target, &wrong, &gone, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_clear_error(&error);
  g_autoptr(Object) last = registry_delete(fixture->registry, NULL, &target, NULL, &gone, &error);
  g_assert_true(gone);
  g_assert_null(registry_get(fixture->registry, NULL, &target, &error));
  g_clear_error(&error);

  /* a finalizer holds it; taking it away lets it go */
  g_autoptr(Object) held = create(fixture, &target, "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"x.io/y\"]}}");
  g_autoptr(Object) marked = registry_delete(fixture->registry, NULL, &target, NULL, &gone, &error);
  g_assert_false(gone);
  g_assert_nonnull(json_at(object_json(marked), "metadata", "deletionTimestamp", NULL));
  g_autoptr(json_t) more = parse("{\"metadata\":{\"finalizers\":[\"x.io/y\",\"x.io/z\"]}}");
  g_assert_null(registry_patch(fixture->registry, NULL, &target, PATCH_MERGE, more, false, NULL, &error));
  g_assert_true(reason_is(error, REASON_INVALID));
  g_clear_error(&error);
  g_autoptr(json_t) none = parse("{\"metadata\":{\"finalizers\":null}}");
  g_autoptr(Object) freed = registry_patch(fixture->registry, NULL, &target, PATCH_MERGE, none, false, NULL, &error);
  g_assert_no_error(error);
  g_assert_null(registry_get(fixture->registry, NULL, &target, NULL));
}

static const char *finalizer_of(const Object *object)
{
  const json_t *finalizers = json_at(object_json(object), "metadata", "finalizers", NULL);
  return json_string_value(json_array_get(finalizers, 0));
}

static void test_propagation(Fixture *fixture, gconstpointer data)
{
  bool gone = true;
  g_autoptr(Object) made = create_map(fixture, "a");
  Target target = target_of(fixture, "configmaps", "a");
  DeleteOptions foreground = { .grace_period_seconds = -1, .propagation = "Foreground" };
  g_autoptr(Object) waiting = registry_delete(fixture->registry, NULL, &target, &foreground, &gone, NULL);
  g_assert_false(gone);
  g_assert_cmpstr(finalizer_of(waiting), ==, "foregroundDeletion");
  DeleteOptions background = { .grace_period_seconds = -1, .propagation = "Background" };
  g_autoptr(Object) last = registry_delete(fixture->registry, NULL, &target, &background, &gone, NULL);
  g_assert_true(gone);
}

static void test_namespace(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  bool gone = true;
  Target protected = target_of(fixture, "namespaces", "default");
  g_assert_null(registry_delete(fixture->registry, NULL, &protected, NULL, NULL, &error));
  g_assert_cmpstr(error->message, ==, "namespaces \"default\" is forbidden: this namespace may not be deleted");
  g_clear_error(&error);

  Target target = target_of(fixture, "namespaces", "n");
  g_autoptr(Object) made =
      create(fixture, &target, "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
  g_autoptr(Object) ending = registry_delete(fixture->registry, NULL, &target, NULL, &gone, &error);
  g_assert_false(gone);
  g_assert_cmpstr(json_str(json_object_get(object_json(ending), "status"), "phase", ""), ==, "Terminating");

  Target inside = { kind_of(fixture, "", "v1", "configmaps"), "n", NULL, NULL };
  g_autoptr(json_t) map = parse("{\"metadata\":{\"name\":\"late\"}}");
  g_assert_null(registry_create(fixture->registry, NULL, &inside, map, &error));
  g_assert_true(reason_is(error, REASON_FORBIDDEN));
  g_clear_error(&error);

  Target finalize = target;
  finalize.subresource = "finalize";
  g_autoptr(json_t) done = parse("{\"metadata\":{\"name\":\"n\"},\"spec\":{}}");
  g_autoptr(Object) last = registry_update(fixture->registry, NULL, &finalize, done, NULL, &error);
  g_assert_no_error(error);
  g_assert_null(registry_get(fixture->registry, NULL, &target, NULL));
}

/* --- lists ---------------------------------------------------------------------------------------------------------
 */

static char *names_of(const ObjectList *list)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < list->objects->len; i++)
    g_string_append_printf(text, "%s%s", i ? " " : "", object_name(list->objects->pdata[i]));
  return g_string_free(text, FALSE);
}

static ObjectList *list(Fixture *fixture, const ListOptions *options)
{
  g_autoptr(GError) error = NULL;
  Target target = target_of(fixture, "configmaps", NULL);
  ObjectList *result = registry_list(fixture->registry, NULL, &target, options, &error);
  g_assert_no_error(error);
  return result;
}

static void test_paging(Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "c", "a", "e", "b", "d" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    object_unref(create_map(fixture, names[i]));
  g_autoptr(ObjectList) first = list(fixture, &(ListOptions){ .limit = 2 });
  g_autofree char *first_names = names_of(first);
  g_assert_cmpstr(first_names, ==, "a b");
  g_assert_cmpint(first->remaining, ==, 3);

  /* what happens between the pages does not show on them */
  Target doomed = target_of(fixture, "configmaps", "d");
  object_unref(registry_delete(fixture->registry, NULL, &doomed, NULL, NULL, NULL));
  object_unref(create_map(fixture, "f"));
  g_autoptr(ObjectList) rest = list(fixture, &(ListOptions){ .continue_token = first->continue_token });
  g_autofree char *rest_names = names_of(rest);
  g_assert_cmpstr(rest_names, ==, "c d e");
  g_assert_cmpint(rest->revision, ==, first->revision);
  g_assert_null(rest->continue_token);

  g_autofree char *version = g_strdup_printf("%d", (int)first->revision);
  g_autoptr(ObjectList) exact =
      list(fixture, &(ListOptions){ .resource_version = version, .match = VERSION_MATCH_EXACT });
  g_autofree char *exact_names = names_of(exact);
  g_assert_cmpstr(exact_names, ==, "a b c d e");

  g_autoptr(GError) error = NULL;
  Target target = target_of(fixture, "configmaps", NULL);
  g_assert_null(registry_list(fixture->registry, NULL, &target, &(ListOptions){ .continue_token = "abc" }, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_clear_error(&error);

  g_assert_true(store_compact(fixture->store, registry_revision(fixture->registry), NULL));
  g_assert_null(registry_list(fixture->registry, NULL, &target,
                              &(ListOptions){ .resource_version = version, .match = VERSION_MATCH_EXACT }, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_assert_cmpstr(error->message, ==, "The resourceVersion for the provided list is too old.");
  g_clear_error(&error);
  g_assert_null(registry_list(fixture->registry, NULL, &target,
                              &(ListOptions){ .continue_token = first->continue_token }, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_autofree char *token = g_strdup(json_str(reason_details(error), "_continue", ""));
  g_autoptr(ObjectList) inconsistent = list(fixture, &(ListOptions){ .continue_token = token });
  g_autofree char *inconsistent_names = names_of(inconsistent);
  g_assert_cmpstr(inconsistent_names, ==, "c e f");
}

static void test_future_revision(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  Target target = target_of(fixture, "configmaps", NULL);
  g_assert_null(registry_list(fixture->registry, NULL, &target, &(ListOptions){ .resource_version = "99999" }, &error));
  g_assert_true(reason_is(error, REASON_TIMEOUT));
}

/* --- watches -------------------------------------------------------------------------------------------------------
 */

typedef struct Seen {
  GMutex lock;
  GCond grown;
  GString *text;
} Seen;

static void see(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  Seen *seen = data;
  g_mutex_lock(&seen->lock);
  g_string_append_printf(seen->text, "%c%s%s ", "AMDB"[type], object ? object_name(object) : "", old ? "+" : "");
  g_cond_broadcast(&seen->grown);
  g_mutex_unlock(&seen->lock);
}

static void assert_seen(Seen *seen, const char *text)
{
  int64_t until = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
  g_mutex_lock(&seen->lock);
  while (strlen(seen->text->str) < strlen(text) && g_cond_wait_until(&seen->grown, &seen->lock, until))
    ;
  g_assert_cmpstr(seen->text->str, ==, text);
  g_mutex_unlock(&seen->lock);
}

static void test_watch(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  Seen seen = { .text = g_string_new(NULL) };
  g_autoptr(Object) made = create_map(fixture, "a");
  Target target = target_of(fixture, "configmaps", NULL), a = target_of(fixture, "configmaps", "a");
  g_autoptr(LabelSelector) labels = label_selector_parse("x=1", NULL);
  ListOptions selective = { .labels = labels };
  Seen selected = { .text = g_string_new(NULL) };
  Watch *all = registry_watch(fixture->registry, NULL, &target, NULL, 0, see, &seen, &error);
  Watch *some = registry_watch(fixture->registry, NULL, &target, &selective, 0, see, &selected, &error);
  assert_seen(&seen, "Aa B ");
  g_autoptr(json_t) enter = parse("{\"metadata\":{\"labels\":{\"x\":\"1\"}}}");
  g_autoptr(json_t) leave = parse("{\"metadata\":{\"labels\":null}}");
  object_unref(registry_patch(fixture->registry, NULL, &a, PATCH_MERGE, enter, false, NULL, NULL));
  object_unref(registry_patch(fixture->registry, NULL, &a, PATCH_MERGE, leave, false, NULL, NULL));
  object_unref(registry_delete(fixture->registry, NULL, &a, NULL, NULL, NULL));
  assert_seen(&seen, "Aa B Ma+ Ma+ Da+ ");
  assert_seen(&selected, "B Aa Da+ ");
  registry_unwatch(all);
  registry_unwatch(some);

  Seen late = { .text = g_string_new(NULL) };
  Watch *history = registry_watch(fixture->registry, NULL, &target, NULL, object_revision(made), see, &late, &error);
  assert_seen(&late, "Ma+ Ma+ Da+ B ");
  registry_unwatch(history);
  object_unref(create_map(fixture, "b"));
  assert_seen(&late, "Ma+ Ma+ Da+ B ");
  g_string_free(seen.text, TRUE);
  g_string_free(selected.text, TRUE);
  g_string_free(late.text, TRUE);
}

static void test_watch_too_old(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = create_map(fixture, "a");
  close_registry(fixture);
  open_registry(fixture);
  Target target = target_of(fixture, "configmaps", NULL);
  g_assert_null(registry_watch(fixture->registry, NULL, &target, NULL, 1, see, NULL, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_assert_true(g_str_has_prefix(error->message, "too old resource version: 1 ("));
}

/* Large objects that change often are forgotten earlier. */
static void test_history_bytes(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = create_map(fixture, "a");
  Target target = target_of(fixture, "configmaps", NULL), a = target_of(fixture, "configmaps", "a");
  enum { SIZE = 900 << 10, CHANGES = (16 << 20) / SIZE + 2 };
  g_autofree char *filling = g_strnfill(SIZE, 'x');
  int64_t middle = 0, last = 0;
  for (int i = 0; i < CHANGES; i++) {
    g_autoptr(json_t) patch = json_pack("{s:{s:s, s:o}}", "data", "filling", filling, "round", json_sprintf("%d", i));
    g_autoptr(Object) stored = registry_patch(fixture->registry, NULL, &a, PATCH_MERGE, patch, false, NULL, &error);
    g_assert_no_error(error);
    last = object_revision(stored);
    if (i == CHANGES / 2)
      middle = last;
  }
  g_assert_null(registry_watch(fixture->registry, NULL, &target, NULL, object_revision(made), see, NULL, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  Seen seen = { .text = g_string_new(NULL) };
  Watch *watch = registry_watch(fixture->registry, NULL, &target, NULL, middle, see, &seen, NULL);
  g_assert_nonnull(watch);
  registry_unwatch(watch);
  g_assert_cmpint(last, >, middle);
  g_string_free(seen.text, TRUE);
}

/* --- bookmarks -----------------------------------------------------------------------------------------------------
 */

typedef struct Marks {
  GMutex lock;
  GCond grown;
  int64_t newest; /* revision of the newest bookmark */
  unsigned count;
} Marks;

static void note_mark(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  Marks *marks = data;
  if (type != WATCH_BOOKMARK)
    return;
  g_assert_null(object);
  g_mutex_lock(&marks->lock);
  g_assert_cmpint(revision, >=, marks->newest);
  marks->newest = revision;
  marks->count++;
  g_cond_broadcast(&marks->grown);
  g_mutex_unlock(&marks->lock);
}

static void await_marks(Marks *marks, unsigned count, int64_t revision)
{
  int64_t until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  g_mutex_lock(&marks->lock);
  while (marks->count < count || marks->newest < revision)
    g_assert_true(g_cond_wait_until(&marks->grown, &marks->lock, until));
  g_mutex_unlock(&marks->lock);
}

/* They come again and again, also when nothing happens, and tell of what happens to other kinds. */
static void test_bookmarks(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  Marks marks = { 0 };
  Target secrets = target_of(fixture, "secrets", NULL);
  registry_pace_bookmarks(fixture->registry, 5000);
  Watch *watch = registry_watch(fixture->registry, NULL, &secrets, NULL, 0, note_mark, &marks, &error);
  g_assert_no_error(error);
  await_marks(&marks, 4, registry_revision(fixture->registry));
  g_autoptr(Object) made = create_map(fixture, "a");
  await_marks(&marks, 5, object_revision(made));
  registry_unwatch(watch);
}

/* --- generated names -----------------------------------------------------------------------------------------------
 */

static Object *generate(Fixture *fixture, guint32 seed, GError **error)
{
  Target collection = target_of(fixture, "configmaps", NULL);
  g_autoptr(json_t) value = parse("{\"metadata\":{\"generateName\":\"g-\"}}");
  g_random_set_seed(seed); /* names come from GLib's generator */
  return registry_create(fixture->registry, NULL, &collection, value, error);
}

/* A name that is taken is made anew, but not for ever. */
static void test_generated_name(Fixture *fixture, gconstpointer data)
{
  enum { ATTEMPTS = 8, SEED = 7 };
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(Object) first = generate(fixture, SEED, &error);
  g_assert_no_error(error);
  Target target = target_of(fixture, "configmaps", object_name(first));
  object_unref(registry_delete(fixture->registry, NULL, &target, NULL, NULL, NULL));
  for (int i = 0; i < ATTEMPTS; i++) {
    g_autoptr(Object) made = generate(fixture, SEED, &error);
    g_assert_no_error(error);
    if (i == 0) /* the same seed is the same first name */
      g_assert_cmpstr(object_name(made), ==, object_name(first));
    g_assert_true(g_hash_table_add(names, g_strdup(object_name(made))));
  }
  g_assert_null(generate(fixture, SEED, &error));
  g_assert_true(reason_is(error, REASON_ALREADY_EXISTS));
  g_assert_true(g_str_has_prefix(error->message, "configmaps \"g-"));
  g_assert_true(g_str_has_suffix(error->message,
                                 "already exists, the server was not able to generate a unique name for the object"));
  g_assert_cmpint(json_int(reason_details(error), "retryAfterSeconds", 0), ==, 1);
}

/* --- what was stored before ----------------------------------------------------------------------------------------
 */

/* Puts a Deployment in the store as a version that knew fewer defaults would have. */
static void store_old(Fixture *fixture, const char *name)
{
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = kind_of(fixture, "apps", "v1", "deployments");
  json_t *value = parse(
      "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/"
      "v1\",\"metadata\":{\"resourceVersion\":\"0\",\"name\":\"old\",\"namespace\":"
      "\"default\",\"uid\":\"u\",\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},\"spec\":{\"replicas\":3,\"selector\":"
      "{"
      "\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
      "\"name\":\"c\",\"image\":\"i:1\"}]}}}}");
  json_object_set_new(json_object_get(value, "metadata"), "name", json_string(name));
  g_autoptr(Object) object = object_new(kind, value);
  g_autofree char *key = g_strdup_printf("/registry/deployments/default/%s", name);
  int64_t revision;
  store_put(fixture->store, key, 0, object_bytes(object), &revision, &error);
  g_assert_no_error(error);
}

static void assert_defaults(const Object *object)
{
  const json_t *spec = json_object_get(object_json(object), "spec");
  const json_t *pod = json_at(spec, "template", "spec", NULL);
  g_assert_cmpint(json_int(spec, "replicas", 0), ==, 3);
  g_assert_cmpint(json_int(spec, "progressDeadlineSeconds", 0), ==, 600);
  g_assert_cmpstr(json_str(json_object_get(spec, "strategy"), "type", ""), ==, "RollingUpdate");
  g_assert_cmpstr(json_str(pod, "restartPolicy", ""), ==, "Always");
  g_assert_cmpstr(json_str(json_array_get(json_object_get(pod, "containers"), 0), "imagePullPolicy", ""), ==,
                  "IfNotPresent");
}

static void see_defaults(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  if (object)
    assert_defaults(object);
  see(type, object, old, revision, data);
}

/* It has the defaults of today however it is read, and is not written for their sake. */
static void test_old_objects(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = kind_of(fixture, "apps", "v1", "deployments");
  Target all = { kind, "default", NULL, NULL }, one = { kind, "default", "old", NULL };
  Seen seen = { .text = g_string_new(NULL) };
  Watch *watch = registry_watch(fixture->registry, NULL, &all, NULL, 0, see_defaults, &seen, &error);
  store_old(fixture, "old"); /* as another server on the same store does */
  assert_seen(&seen, "B Aold ");
  registry_unwatch(watch);
  for (int i = 0; i < 2; i++) {
    int64_t revision = store_revision(fixture->store);
    g_autoptr(Object) read = registry_get(fixture->registry, NULL, &one, &error);
    g_assert_no_error(error);
    assert_defaults(read);
    g_autoptr(ObjectList) list = registry_list(fixture->registry, NULL, &all, NULL, &error);
    g_assert_no_error(error);
    assert_defaults(list->objects->pdata[0]);
    g_assert_cmpint(store_revision(fixture->store), ==, revision);
    close_registry(fixture); /* and after a start */
    open_registry(fixture);
  }
  g_autoptr(json_t) patch = parse("{\"spec\":{\"paused\":true}}");
  g_autoptr(Object) patched = registry_patch(fixture->registry, NULL, &one, PATCH_MERGE, patch, false, NULL, &error);
  g_assert_no_error(error);
  assert_defaults(patched);
  g_string_free(seen.text, TRUE);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/registry/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("create", test_create);
  ADD("dry-run", test_dry_run);
  ADD("update", test_update);
  ADD("modify-loses-nothing", test_modify_loses_nothing);
  ADD("modify-fairness", test_modify_fairness);
  ADD("patch", test_patch);
  ADD("reopen", test_reopen);
  ADD("delete", test_delete);
  ADD("propagation", test_propagation);
  ADD("namespace", test_namespace);
  ADD("paging", test_paging);
  ADD("future-revision", test_future_revision);
  ADD("watch", test_watch);
  ADD("watch-too-old", test_watch_too_old);
  ADD("history-bytes", test_history_bytes);
  ADD("bookmarks", test_bookmarks);
  ADD("generated-name", test_generated_name);
  ADD("old-objects", test_old_objects);
  return g_test_run();
}

/* Events go when their time is over, which every write begins anew, and after a restart too. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/server/event_expiry.h"

#define LONG_US ((int64_t)3600 * G_USEC_PER_SEC)
#define SHORT_US (G_USEC_PER_SEC / 20)

typedef struct Fixture {
  char *folder, *path;
  ApiScheme *scheme;
  Store *store;
  Registry *registry;
  GMutex lock;
  GCond deleted;
  GHashTable *gone; /* names of events seen deleted */
  Watch *watch;
} Fixture;

static void on_change(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  Fixture *fixture = data;
  if (type != WATCH_DELETED)
    return;
  g_mutex_lock(&fixture->lock);
  g_hash_table_add(fixture->gone, g_strdup(object_name(object)));
  g_cond_broadcast(&fixture->deleted);
  g_mutex_unlock(&fixture->lock);
}

static void open_registry(Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  fixture->store = store_open_sqlite(fixture->path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  Target events = { api_scheme_resource(fixture->scheme, "", "v1", "events"), NULL, NULL, NULL };
  fixture->watch = registry_watch(fixture->registry, NULL, &events, NULL, 0, on_change, fixture, &error);
  g_assert_no_error(error);
}

static void close_registry(Fixture *fixture)
{
  registry_unwatch(fixture->watch);
  registry_free(fixture->registry);
  store_close(fixture->store);
}

static void create(Fixture *fixture, const char *group, const char *plural, const char *namespace_, json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) owned = value;
  Target target = { api_scheme_resource(fixture->scheme, group, "v1", plural), namespace_, NULL, NULL };
  g_autoptr(Object) made = registry_create(fixture->registry, NULL, &target, owned, &error);
  g_assert_no_error(error);
}

static void create_event(Fixture *fixture, const char *name, int64_t age_us)
{
  g_autofree char *time = timestamp_text(timestamp_now_us() - age_us);
  create(fixture, "", "events", "default",
         json_pack("{s:{s:s}, s:{s:s, s:s, s:s}, s:s, s:s, s:s}", "metadata", "name", name, "involvedObject", "kind",
                   "Pod", "namespace", "default", "name", "p", "reason", "R", "type", "Normal", "lastTimestamp", time));
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("event-expiry-XXXXXX", NULL);
  fixture->path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->scheme = api_scheme_new();
  fixture->gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_init(&fixture->lock);
  g_cond_init(&fixture->deleted);
  open_registry(fixture);
  create(fixture, "", "namespaces", NULL, json_pack("{s:{s:s}}", "metadata", "name", "default"));
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  close_registry(fixture);
  g_hash_table_unref(fixture->gone);
  g_cond_clear(&fixture->deleted);
  g_mutex_clear(&fixture->lock);
  api_scheme_free(fixture->scheme);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->path);
  g_free(fixture->folder);
}

static void wait_gone(Fixture *fixture, const char *name)
{
  int64_t until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  g_mutex_lock(&fixture->lock);
  while (!g_hash_table_contains(fixture->gone, name))
    g_assert_true(g_cond_wait_until(&fixture->deleted, &fixture->lock, until));
  g_mutex_unlock(&fixture->lock);
}

static bool is_there(Fixture *fixture, const char *name)
{
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", "events"), "default", name, NULL };
  g_autoptr(Object) event = registry_get(fixture->registry, NULL, &target, NULL);
  return event != NULL;
}

static void test_new(Fixture *fixture, gconstpointer data)
{
  g_autoptr(EventExpiry) expiry = event_expiry_new(fixture->registry, SHORT_US);
  create_event(fixture, "a", 0);
  create_event(fixture, "b", 0);
  wait_gone(fixture, "a");
  wait_gone(fixture, "b");
  g_assert_false(is_there(fixture, "a"));
}

static bool count(json_t *value, void *data)
{
  json_object_set_new(value, "count", json_integer(json_int(value, "count", 0) + 1));
  return true;
}

/* What is written again and again outlives what is not, though it is older. */
static void test_written_again(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(EventExpiry) expiry = event_expiry_new(fixture->registry, 10 * SHORT_US);
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", "events"), "default", "busy", NULL };
  create_event(fixture, "busy", 0);
  create_event(fixture, "idle", 0);
  int64_t until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  bool gone = false;
  while (!gone) {
    g_assert_cmpint(g_get_monotonic_time(), <, until);
    g_autoptr(Object) written = registry_modify(fixture->registry, NULL, &target, count, NULL, &error);
    g_assert_no_error(error);
    g_mutex_lock(&fixture->lock);
    gone = g_hash_table_contains(fixture->gone, "idle");
    g_assert_false(g_hash_table_contains(fixture->gone, "busy"));
    g_mutex_unlock(&fixture->lock);
  }
  wait_gone(fixture, "busy");
}

/* At a start the event's own times say how old it is. */
static void test_restart(Fixture *fixture, gconstpointer data)
{
  create_event(fixture, "new", 0);
  create_event(fixture, "older", LONG_US + G_USEC_PER_SEC);
  create_event(fixture, "old", LONG_US / 2);
  close_registry(fixture);
  open_registry(fixture);
  g_autoptr(EventExpiry) expiry = event_expiry_new(fixture->registry, LONG_US);
  /* made just now, whatever lastTimestamp says: nothing goes */
  g_assert_true(is_there(fixture, "older") && is_there(fixture, "old") && is_there(fixture, "new"));
  g_clear_pointer(&expiry, event_expiry_free);
  expiry = event_expiry_new(fixture->registry, 0);
  wait_gone(fixture, "older");
  wait_gone(fixture, "old");
  wait_gone(fixture, "new");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
  ADD("/event-expiry/new", test_new);
  ADD("/event-expiry/written-again", test_written_again);
  ADD("/event-expiry/restart", test_restart);
  return g_test_run();
}

/* The etcd engine against a real etcd on loopback: the promises of store.h, and what it does when etcd goes away, comes
 * back elsewhere, or has forgotten what a watch needs. */
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/store/store_etcd.h"
#include "store_calls.h"

enum { PORTS = 4, READY_SECONDS = 30, FIRST_PORT = 12000, LAST_PORT = 32000 };

typedef struct Fixture {
  char *folder;
  GPid pid;
  int ports[PORTS]; /* the last one is etcd's own, for peers */
  char *urls[PORTS];
  Store *store;
} Fixture;

/* A port nobody listens on, another one at every call. It is below those that the kernel gives to whoever connects
 * while etcd starts. */
static int free_port(void)
{
  static int port;
  if (port == 0)
    port = g_random_int_range(FIRST_PORT, LAST_PORT);
  for (;; port++) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = bind(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0;
    close(fd);
    if (is_free)
      return port++;
  }
}

static Store *open_at(const char *const *urls)
{
  g_autoptr(GError) error = NULL;
  EtcdConfig config = { .servers = urls };
  Store *store = store_open_etcd(&config, &error);
  g_assert_no_error(error);
  return store;
}

static void start_etcd(Fixture *fixture, int port)
{
  const char *peer = fixture->urls[PORTS - 1];
  g_autofree char *cluster = g_strconcat("default=", peer, NULL);
  g_autofree char *data = g_build_filename(fixture->folder, "data", NULL);
  const char *const argv[] = { "etcd",
                               "--data-dir",
                               data,
                               "--listen-client-urls",
                               fixture->urls[port],
                               "--advertise-client-urls",
                               fixture->urls[port],
                               "--listen-peer-urls",
                               peer,
                               "--initial-advertise-peer-urls",
                               peer,
                               "--initial-cluster",
                               cluster,
                               "--heartbeat-interval",
                               "20",
                               "--election-timeout",
                               "100",
                               "--log-level",
                               "error",
                               NULL };
  g_autoptr(GError) error = NULL;
  g_spawn_async(NULL, (char **)(uintptr_t)argv, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                    G_SPAWN_STDERR_TO_DEV_NULL,
                NULL, NULL, &fixture->pid, &error);
  g_assert_no_error(error);
}

static void kill_etcd(Fixture *fixture)
{
  kill(fixture->pid, SIGKILL);
  while (waitpid(fixture->pid, NULL, 0) < 0)
    ;
  g_spawn_close_pid(fixture->pid);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("etcd-XXXXXX", NULL);
  for (int i = 0; i < PORTS; i++) {
    fixture->ports[i] = free_port();
    fixture->urls[i] = g_strdup_printf("http://127.0.0.1:%d", fixture->ports[i]);
  }
  start_etcd(fixture, 0);
  const char *const urls[] = { fixture->urls[0], fixture->urls[1], NULL };
  fixture->store = open_at(urls); /* waits until it answers */
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  store_close(fixture->store);
  kill_etcd(fixture);
  for (int i = 0; i < PORTS; i++)
    g_free(fixture->urls[i]);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

/* --- what a watch has seen -----------------------------------------------------------------------------------------
 */

typedef struct Record {
  GMutex lock;
  GString *events; /* "C/key@3 …" */
  GBytes *last;
  int64_t revision; /* never goes back */
} Record;

static Record *record_new(void)
{
  Record *record = g_new0(Record, 1);
  record->events = g_string_new(NULL);
  return record;
}

static void record_free(Record *record)
{
  g_string_free(record->events, TRUE);
  g_clear_pointer(&record->last, g_bytes_unref);
  g_free(record);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)

static void take(const StoreEvent *event, void *data)
{
  Record *record = data;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&record->lock);
  g_assert_cmpint(event->entry.mod_revision, >, record->revision);
  record->revision = event->entry.mod_revision;
  if (event->type == STORE_PROGRESS)
    return;
  g_string_append_printf(record->events, "%c%s@%d ", "CMD"[event->type], event -> entry.key,
                         (int)event->entry.mod_revision);
  g_clear_pointer(&record->last, g_bytes_unref);
  record->last = event->entry.value ? g_bytes_ref(event->entry.value) : NULL;
}

static void assert_seen(Record *record, const char *expected)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&record->lock);
  g_assert_cmpstr(record->events->str, ==, expected);
}

static StoreWatch *watch_from(Store *store, const char *prefix, int64_t from, Record *record)
{
  g_autoptr(GError) error = NULL;
  StoreWatch *watch = store_watch(store, prefix, from, take, record, &error);
  g_assert_no_error(error);
  return watch;
}

/* --- the promises --------------------------------------------------------------------------------------------------
 */

static void test_compare_and_swap(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  g_assert_true(store_is_shared(store));
  int64_t first = put(store, "/a", 0, "one");
  g_assert_cmpint(put_fails(store, "/a", 0), ==, REASON_ALREADY_EXISTS);
  g_assert_cmpint(put_fails(store, "/b", 7), ==, REASON_CONFLICT);
  int64_t second = put(store, "/a", first, "two");
  g_assert_cmpint(second, ==, first + 1);
  g_assert_cmpint(put_fails(store, "/a", first), ==, REASON_CONFLICT);
  g_autoptr(StoreEntry) entry = store_get(store, "/a", NULL);
  g_assert_cmpint(entry->create_revision, ==, first);
  g_assert_cmpint(entry->mod_revision, ==, second);

  g_autoptr(GError) error = NULL;
  g_assert_false(store_delete(store, "/a", first, NULL, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_clear_error(&error);
  int64_t gone = 0;
  g_assert_true(store_delete(store, "/a", second, &gone, &error));
  g_assert_cmpint(gone, ==, second + 1);
  g_assert_null(store_get(store, "/a", &error));
  g_assert_true(reason_is(error, REASON_NOT_FOUND));
  g_clear_error(&error);
  g_assert_false(store_delete(store, "/a", -1, NULL, &error));
  g_assert_true(reason_is(error, REASON_NOT_FOUND));
}

static void test_list_at_revision(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  int64_t snapshot = check_lists(store);
  g_autoptr(GError) error = NULL;
  g_assert_true(store_compact(store, store_revision(store), &error));
  g_assert_null(store_list(store, "/p/", snapshot, NULL, 0, NULL, NULL, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
  g_clear_error(&error);
  g_assert_null(store_watch(store, "/p/", snapshot - 1, take, NULL, &error));
  g_assert_true(reason_is(error, REASON_EXPIRED));
}

static void test_watch(Fixture *fixture, gconstpointer data)
{
  const char *const urls[] = { fixture->urls[0], NULL };
  Store *store = fixture->store;
  g_autoptr(Store) other = open_at(urls);
  g_autoptr(Record) seen = record_new();
  put(store, "/p/a", 0, "1");
  put(store, "/q/a", 0, "1");
  put(store, "/p/a", 2, "2");
  StoreWatch *watch = watch_from(store, "/p/", 1, seen);
  assert_seen(seen, "C/p/a@2 M/p/a@4 ");
  /* the writer returns after the watches have seen its event, which carries its very bytes */
  g_autoptr(GBytes) own = g_bytes_new_static("own", 3);
  g_assert_true(store_put(store, "/p/b", 0, own, NULL, NULL));
  assert_seen(seen, "C/p/a@2 M/p/a@4 C/p/b@5 ");
  g_assert_true(seen->last == own);
  /* what another server wrote is seen after a sync */
  drop(other, "/p/a");
  put(other, "/q/a", 3, "2");
  g_assert_true(store_sync(store, NULL));
  assert_seen(seen, "C/p/a@2 M/p/a@4 C/p/b@5 D/p/a@6 ");
  g_assert_cmpint(seen->revision, ==, 7); /* and how far it has come, although /q/ was not asked for */
  store_unwatch(watch);
  put(store, "/p/c", 0, "1");
  g_assert_true(g_str_has_suffix(seen->events->str, "D/p/a@6 "));
}

/* --- when etcd goes ------------------------------------------------------------------------------------------------
 */

static void test_restart_elsewhere(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  g_autoptr(Record) seen = record_new();
  StoreWatch *watch = watch_from(store, "/p/", 1, seen);
  put(store, "/p/a", 0, "1");
  kill_etcd(fixture);
  start_etcd(fixture, 1);
  put(store, "/p/b", 0, "1"); /* waits for it */
  assert_seen(seen, "C/p/a@2 C/p/b@3 ");
  store_unwatch(watch);
}

static void test_forgotten_history(Fixture *fixture, gconstpointer data)
{
  Store *store = fixture->store;
  g_autoptr(Record) seen = record_new();
  int64_t same = put(store, "/p/same", 0, "1"), changed = put(store, "/p/changed", 0, "1");
  put(store, "/p/gone", 0, "1");
  put(store, "/p/again", 0, "1");
  put(store, "/p/gone-too", 0, "1");
  StoreWatch *watch = watch_from(store, "/p/", store_revision(store), seen);
  /* while etcd is where this store does not look for it, things change and are forgotten */
  kill_etcd(fixture);
  start_etcd(fixture, 2);
  const char *const urls[] = { fixture->urls[2], NULL };
  Store *other = open_at(urls);
  put(other, "/p/changed", changed, "2");
  drop(other, "/p/gone");
  put(other, "/p/brief", 0, "1");
  drop(other, "/p/again");
  drop(other, "/p/brief");
  put(other, "/p/new", 0, "1");
  put(other, "/p/again", 0, "2");
  drop(other, "/p/gone-too");
  g_assert_true(store_compact(other, store_revision(other), NULL));
  store_close(other);
  kill_etcd(fixture);
  start_etcd(fixture, 0);
  g_autoptr(GError) error = NULL;
  g_assert_true(store_sync(store, &error));
  g_assert_no_error(error);
  /* each change once, in the order of revisions: removals at revisions of the gap that nothing else has, that of what
   * came back before it did */
  g_auto(GStrv) events = g_strsplit(g_strchomp(seen->events->str), " ", -1);
  g_assert_cmpuint(g_strv_length(events), ==, 6);
  GString *kinds = g_string_new(NULL);
  for (int i = 0; events[i]; i++)
    g_string_append_printf(kinds, "%.*s ", (int)(strchr(events[i], '@') - events[i]), events[i]);
  g_assert_true(g_str_has_prefix(kinds->str, "M/p/changed D/p/again D/p/gone"));
  g_assert_nonnull(strstr(kinds->str, "C/p/new C/p/again "));
  g_assert_nonnull(strstr(kinds->str, "D/p/gone "));
  g_assert_nonnull(strstr(kinds->str, "D/p/gone-too "));
  g_assert_null(strstr(kinds->str, "same"));
  g_string_free(kinds, TRUE);
  /* and it goes on */
  int64_t later = put(store, "/p/same", same, "2");
  g_assert_cmpint(seen->revision, ==, later);
  store_unwatch(watch);
}

/* Two servers with one interval: history goes, once and for both, and what is newer than an interval stays. */
static void test_compaction(Fixture *fixture, gconstpointer data)
{
  const char *const urls[] = { fixture->urls[0], NULL };
  EtcdConfig config = { .servers = urls, .compaction_seconds = 1 };
  g_autoptr(GError) error = NULL;
  g_autoptr(Store) one = store_open_etcd(&config, &error);
  g_assert_no_error(error);
  g_autoptr(Store) two = store_open_etcd(&config, &error);
  g_assert_no_error(error);
  int64_t old = put(one, "/c/a", 0, "1"), next = put(two, "/c/a", old, "2");
  for (bool there = true; there;) {
    g_autoptr(GError) problem = NULL;
    g_autoptr(GPtrArray) entries = store_list(one, "/c/", old, NULL, 0, NULL, NULL, &problem);
    there = entries != NULL;
    g_assert_true(there || reason_is(problem, REASON_EXPIRED));
    g_usleep(10000);
  }
  g_autoptr(StoreEntry) entry = store_get(two, "/c/a", NULL);
  g_assert_cmpint(entry->mod_revision, ==, next);
  int64_t fresh = put(one, "/c/a", next, "3");
  g_autofree char *keys = keys_at(one, "/c/", fresh, NULL, 0, NULL);
  g_assert_cmpstr(keys, ==, "/c/a");
}

enum { WRITERS = 8, KILLS = 3 };

typedef struct Writer {
  Store *store;
  int number;
  _Atomic int written;
  _Atomic bool stop;
} Writer;

static void *write_on(void *data)
{
  Writer *writer = data;
  while (!writer->stop) {
    g_autofree char *key = g_strdup_printf("/w/%d/%d", writer->number, writer->written);
    put(writer->store, key, 0, key); /* must not fail: neither lost nor found to exist already */
    writer->written++;
  }
  return NULL;
}

/* Answers get lost while writes are under way; every write is made once, acknowledged and seen. */
static void test_kill_under_load(Fixture *fixture, gconstpointer data)
{
  Writer writers[WRITERS] = { 0 };
  GThread *threads[WRITERS];
  g_autoptr(Record) seen = record_new();
  StoreWatch *watch = watch_from(fixture->store, "/w/", 1, seen);
  for (int i = 0; i < WRITERS; i++) {
    writers[i].store = fixture->store;
    writers[i].number = i;
    threads[i] = g_thread_new("writer", write_on, &writers[i]);
  }
  for (int i = 0; i < KILLS; i++) {
    int goal = writers[0].written + 20;
    while (writers[0].written < goal)
      g_thread_yield();
    kill_etcd(fixture);
    start_etcd(fixture, i % 2);
  }
  int goal = writers[0].written + 20, total = 0;
  while (writers[0].written < goal)
    g_thread_yield();
  for (int i = 0; i < WRITERS; i++)
    writers[i].stop = true;
  for (int i = 0; i < WRITERS; i++) {
    g_thread_join(threads[i]);
    total += writers[i].written;
  }
  g_autofree char *keys = keys_at(fixture->store, "/w/", 0, NULL, 0, NULL);
  g_auto(GStrv) list = g_strsplit(keys, " ", -1);
  g_assert_cmpint(g_strv_length(list), ==, total);
  g_auto(GStrv) events = g_strsplit(g_strchomp(seen->events->str), " ", -1);
  g_assert_cmpint(g_strv_length(events), ==, total);
  g_assert_cmpint(store_revision(fixture->store), ==, total + 1);
  store_unwatch(watch);
}

static void test_bad_servers(void)
{
  static const char *const bad[] = { "127.0.0.1:2379", "ftp://127.0.0.1", "http://", "http://127.0.0.1:2379/path" };
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    const char *const urls[] = { bad[i], NULL };
    EtcdConfig config = { .servers = urls };
    g_assert_null(store_open_etcd(&config, &error));
    g_assert_true(reason_is(error, REASON_CONFIG));
  }
}

int main(int argc, char **argv)
{
  g_autofree char *etcd = g_find_program_in_path("etcd");
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/etcd/bad-servers", test_bad_servers);
  if (!etcd) {
    g_test_message("etcd is not installed");
    return g_test_run();
  }
#define ADD(name, function) g_test_add("/etcd/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("compare-and-swap", test_compare_and_swap);
  ADD("list-at-revision", test_list_at_revision);
  ADD("watch", test_watch);
  ADD("restart-elsewhere", test_restart_elsewhere);
  ADD("forgotten-history", test_forgotten_history);
  ADD("compaction", test_compaction);
  ADD("kill-under-load", test_kill_under_load);
  return g_test_run();
}

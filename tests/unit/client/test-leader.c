/* Leader election: of several that strive for one lease one works at a time; who lets it go is followed at once, who
 * vanishes when its lease has run out. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/client/leader.h"

typedef struct Fixture {
  char *folder;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  Client *client;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("leader-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->scheme = api_scheme_new();
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  fixture->client = client_new(fixture->registry, "test");
  g_autoptr(json_t) space = json_pack("{s:{s:s}}", "metadata", "name", "kube-system");
  g_autoptr(Object) made = client_create(fixture->client, "v1", "namespaces", NULL, space, &error);
  g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  client_free(fixture->client);
  registry_free(fixture->registry);
  api_scheme_free(fixture->scheme);
  store_close(fixture->store);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

/* --- workers -------------------------------------------------------------------------------------------------------
 */

/* What all of them share: nobody may begin while another works. */
typedef struct Floor {
  GMutex lock;
  GCond changed;
  int working; /* the number of the one at work, 0: nobody */
} Floor;

typedef struct Worker {
  Floor *floor;
  int number;
} Worker;

static void begin(void *data)
{
  const Worker *worker = data;
  g_mutex_lock(&worker->floor->lock);
  g_assert_cmpint(worker->floor->working, ==, 0);
  worker->floor->working = worker->number;
  g_cond_broadcast(&worker->floor->changed);
  g_mutex_unlock(&worker->floor->lock);
}

static void end(void *data)
{
  const Worker *worker = data;
  g_mutex_lock(&worker->floor->lock);
  g_assert_cmpint(worker->floor->working, ==, worker->number);
  worker->floor->working = 0;
  g_cond_broadcast(&worker->floor->changed);
  g_mutex_unlock(&worker->floor->lock);
}

static Leader *strive(Fixture *fixture, Worker *worker, int64_t lease_ms)
{
  LeaderConfig config = { .lease = "test-lease", .begin = begin, .end = end, .data = worker };
  config.times = (LeaderTimes){ lease_ms * 1000, lease_ms * 700, lease_ms * 100 };
  return leader_start(fixture->registry, &config);
}

static void wait_for(Floor *floor, int number)
{
  g_mutex_lock(&floor->lock);
  while (floor->working != number)
    g_cond_wait(&floor->changed, &floor->lock);
  g_mutex_unlock(&floor->lock);
}

static json_t *lease_spec(Fixture *fixture)
{
  g_autoptr(Object) lease =
      client_get(fixture->client, "coordination.k8s.io/v1", "leases", "kube-system", "test-lease", NULL);
  return json_deep_copy(json_object_get(object_json(lease), "spec"));
}

/* --- tests ---------------------------------------------------------------------------------------------------------
 */

static void test_hand_over(Fixture *fixture, gconstpointer data)
{
  Floor floor = { 0 };
  Worker first = { &floor, 1 }, second = { &floor, 2 };
  int64_t begun = g_get_monotonic_time();
  Leader *one = strive(fixture, &first, 60000);
  wait_for(&floor, 1);
  Leader *two = strive(fixture, &second, 60000);
  g_autoptr(json_t) held = lease_spec(fixture);
  g_assert_cmpint(json_int(held, "leaseTransitions", -1), ==, 0);
  g_assert_cmpint(json_int(held, "leaseDurationSeconds", -1), ==, 60);
  leader_stop(one);
  wait_for(&floor, 2); /* long before the lease would have run out */
  g_assert_cmpint(g_get_monotonic_time() - begun, <, 30 * G_USEC_PER_SEC);
  g_autoptr(json_t) taken = lease_spec(fixture);
  g_assert_cmpint(json_int(taken, "leaseTransitions", -1), ==, 1);
  g_assert_cmpstr(json_str(taken, "holderIdentity", ""), !=, json_str(held, "holderIdentity", ""));
  leader_stop(two);
  g_assert_cmpint(floor.working, ==, 0);
  g_autoptr(json_t) released = lease_spec(fixture);
  g_assert_cmpstr(json_str(released, "holderIdentity", "?"), ==, "");
}

/* A holder that is gone and has not let go. */
static void test_run_out(Fixture *fixture, gconstpointer data)
{
  Floor floor = { 0 };
  Worker worker = { &floor, 1 };
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) stale =
      json_pack("{s:{s:s, s:s}, s:{s:s, s:i, s:i}}", "metadata", "name", "test-lease", "namespace", "kube-system",
                "spec", "holderIdentity", "gone", "leaseDurationSeconds", 1, "leaseTransitions", 4);
  g_autoptr(Object) made =
      client_create(fixture->client, "coordination.k8s.io/v1", "leases", "kube-system", stale, &error);
  g_assert_no_error(error);
  int64_t begun = g_get_monotonic_time();
  Leader *leader = strive(fixture, &worker, 500);
  wait_for(&floor, 1);
  g_assert_cmpint(g_get_monotonic_time() - begun, >=, 500 * 1000);
  g_autoptr(json_t) taken = lease_spec(fixture);
  g_assert_cmpint(json_int(taken, "leaseTransitions", -1), ==, 5);
  leader_stop(leader);
}

static bool steal(json_t *value, void *data)
{
  json_object_set_new(json_object_get(value, "spec"), "holderIdentity", json_string("thief"));
  return true;
}

/* Another has it: whoever worked stops, and begins again when the other's has run out. */
static void test_lost(Fixture *fixture, gconstpointer data)
{
  Floor floor = { 0 };
  Worker worker = { &floor, 1 };
  g_autoptr(GError) error = NULL;
  Leader *leader = strive(fixture, &worker, 1000);
  wait_for(&floor, 1);
  g_autoptr(Object) stolen = client_modify(fixture->client, "coordination.k8s.io/v1", "leases", "kube-system",
                                           "test-lease", NULL, steal, NULL, &error);
  g_assert_no_error(error);
  wait_for(&floor, 0);
  wait_for(&floor, 1);
  leader_stop(leader);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/leader/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("hand-over", test_hand_over);
  ADD("run-out", test_run_out);
  ADD("lost", test_lost);
  return g_test_run();
}

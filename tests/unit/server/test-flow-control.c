/* Priority and fairness: which flow schema a request finds, and when its priority level is full. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/server/bootstrap/bootstrap_flow.h"
#include "clusterd/server/flow/flow_control.h"

#define GROUP "flowcontrol.apiserver.k8s.io"

typedef struct Fixture {
  char *folder;
  ApiScheme *scheme;
  Store *store;
  Registry *registry;
  FlowControl *control;
} Fixture;

static Target target_of(Fixture *fixture, const char *plural, const char *name)
{
  return (Target){ api_scheme_resource(fixture->scheme, GROUP, "v1", plural), NULL, name, NULL };
}

/* Takes VALUE. */
static void create(Fixture *fixture, const char *plural, json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) owned = value;
  Target target = target_of(fixture, plural, NULL);
  g_autoptr(Object) made = registry_create(fixture->registry, NULL, &target, owned, &error);
  g_assert_no_error(error);
}

/* DATA: how many milliseconds one may wait; NULL: as in a server. */
static void set_up(Fixture *fixture, gconstpointer data)
{
  gint64 wait_us = data ? (gint64)GPOINTER_TO_INT(data) * 1000 : FLOW_WAIT_SECONDS * G_USEC_PER_SEC;
  g_autoptr(GError) error = NULL;
  fixture->folder = g_dir_make_tmp("flow-control-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(fixture->folder, "cluster.db", NULL);
  fixture->scheme = api_scheme_new();
  fixture->store = store_open_sqlite(path, &error);
  g_assert_no_error(error);
  fixture->registry = registry_new(fixture->store, fixture->scheme, &error);
  g_assert_no_error(error);
  json_t *value;
  for (size_t i = 0; (value = bootstrap_priority_level(i)); i++)
    create(fixture, "prioritylevelconfigurations", value);
  for (size_t i = 0; (value = bootstrap_flow_schema(i)); i++)
    create(fixture, "flowschemas", value);
  fixture->control = flow_control_new(fixture->registry, 245, wait_us); /* as many seats as shares */
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  flow_control_free(fixture->control);
  registry_free(fixture->registry);
  store_close(fixture->store);
  api_scheme_free(fixture->scheme);
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

static FlowVerdict enter(Fixture *fixture, const char *user, const char *group, const char *method, const char *path,
                         FlowTicket *ticket)
{
  g_autoptr(GError) error = NULL;
  const char *const groups[] = { group, "system:authenticated", NULL };
  g_autoptr(Identity) identity = identity_new(user, NULL, groups);
  Query *query = query_parse("");
  g_autoptr(RequestInfo) info = request_info_parse(method, path, query, &error);
  g_assert_no_error(error);
  FlowVerdict verdict = flow_control_begin(fixture->control, identity, info, path, ticket);
  query_free(query);
  return verdict;
}

/* False when there is no room. */
static bool begin(Fixture *fixture, const char *user, const char *group, const char *method, const char *path,
                  FlowTicket *ticket)
{
  return enter(fixture, user, group, method, path, ticket) == FLOW_RUNS;
}

/* The name of the object of PLURAL with this uid. */
static char *name_of(Fixture *fixture, const char *plural, const char *uid)
{
  Target target = target_of(fixture, plural, NULL);
  g_autoptr(ObjectList) list = registry_list(fixture->registry, NULL, &target, NULL, NULL);
  for (guint i = 0; i < list->objects->len; i++)
    if (g_strcmp0(object_uid(list->objects->pdata[i]), uid) == 0)
      return g_strdup(object_name(list->objects->pdata[i]));
  return NULL;
}

static void test_schemas(Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *user, *group, *method, *path, *schema, *level;
  } rows[] = {
    { "admin", "system:masters", "GET", "/api/v1/pods", "exempt", "exempt" },
    { "admin", "system:masters", "GET", "/healthz", "exempt", "exempt" },
    { "bob", "people", "GET", "/healthz", "probes", "exempt" },
    { "bob", "people", "GET", "/version", "global-default", "global-default" },
    { "bob", "people", "GET", "/api/v1/namespaces/x/pods", "global-default", "global-default" },
    { "system:node:n", "system:nodes", "GET", "/api/v1/namespaces/x/pods/p", "system-nodes", "system" },
    { "system:node:n", "system:nodes", "PATCH", "/api/v1/nodes/n/status", "system-node-high", "node-high" },
    { "system:node:n", "system:nodes", "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n",
      "system-node-high", "node-high" },
    { "system:kube-scheduler", "x", "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/s",
      "system-leader-election", "leader-election" },
    { "system:kube-scheduler", "x", "GET", "/api/v1/pods", "kube-scheduler", "workload-high" },
    { "system:kube-controller-manager", "x", "PUT", "/api/v1/namespaces/x/endpoints/e", "endpoint-controller",
      "workload-high" },
    { "system:serviceaccount:kube-system:c", "system:serviceaccounts", "GET", "/api/v1/pods",
      "kube-system-service-accounts", "workload-high" },
    { "system:serviceaccount:kube-system:c", "system:serviceaccounts", "PUT", "/api/v1/namespaces/x/configmaps/lock",
      "workload-leader-election", "leader-election" },
    { "system:serviceaccount:kube-systemx:c", "system:serviceaccounts", "GET", "/api/v1/pods", "service-accounts",
      "workload-low" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    FlowTicket ticket = { 0 };
    g_assert_true(begin(fixture, rows[i].user, rows[i].group, rows[i].method, rows[i].path, &ticket));
    g_autofree char *schema = name_of(fixture, "flowschemas", ticket.schema_uid);
    g_autofree char *level = name_of(fixture, "prioritylevelconfigurations", ticket.level_uid);
    g_assert_cmpstr(schema, ==, rows[i].schema);
    g_assert_cmpstr(level, ==, rows[i].level);
    flow_control_end(&ticket);
  }
}

static void create_level(Fixture *fixture, const char *name, int shares, int borrowing)
{
  create(fixture, "prioritylevelconfigurations",
         json_pack("{s:{s:s}, s:{s:s, s:{s:i, s:i, s:{s:s}}}}", "metadata", "name", name, "spec", "type", "Limited",
                   "limited", "nominalConcurrencyShares", shares, "borrowingLimitPercent", borrowing, "limitResponse",
                   "type", "Reject"));
}

static void create_schema(Fixture *fixture, const char *name, const char *level, const char *user)
{
  create(fixture, "flowschemas",
         json_pack("{s:{s:s}, s:{s:{s:s}, s:i, s:[{s:[{s:s, s:{s:s}}], s:[{s:[s], s:[s], s:[s], s:[s], s:b}]}]}}",
                   "metadata", "name", name, "spec", "priorityLevelConfiguration", "name", level, "matchingPrecedence",
                   50, "rules", "subjects", "kind", "User", "user", "name", user, "resourceRules", "verbs", "*",
                   "apiGroups", "*", "resources", "*", "namespaces", "*", "clusterScope", 1));
}

/* A level takes as many as its share, and again as many when they are gone. */
static void test_limit(Fixture *fixture, gconstpointer data)
{
  FlowTicket tickets[3] = { 0 }, more = { 0 };
  create_level(fixture, "small", 3, 0);
  create_schema(fixture, "bob", "small", "bob");
  for (gsize i = 0; i < G_N_ELEMENTS(tickets); i++)
    g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &tickets[i]));
  g_assert_false(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &more));
  g_autofree char *schema = name_of(fixture, "flowschemas", more.schema_uid);
  g_assert_cmpstr(schema, ==, "bob"); /* also who is refused is told why */
  flow_control_end(&more);
  g_assert_true(begin(fixture, "eve", "people", "GET", "/api/v1/pods", &more));
  flow_control_end(&more);
  flow_control_end(&tickets[0]);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &tickets[0]));
  for (gsize i = 0; i < G_N_ELEMENTS(tickets); i++)
    flow_control_end(&tickets[i]);
}

/* No shares: nobody gets in. Who is under way when a level goes ends well. */
static void test_change(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  FlowTicket ticket = { 0 }, under_way = { 0 };
  DeleteOptions options = { .grace_period_seconds = -1 };
  create_level(fixture, "jail", 0, 0);
  create_level(fixture, "open", 5, 0);
  create_schema(fixture, "bob", "jail", "bob");
  create_schema(fixture, "eve", "open", "eve");
  g_assert_false(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &ticket));
  flow_control_end(&ticket);
  g_assert_true(begin(fixture, "eve", "people", "GET", "/api/v1/pods", &under_way));
  Target jail = target_of(fixture, "prioritylevelconfigurations", "jail");
  Target open = target_of(fixture, "prioritylevelconfigurations", "open");
  g_autoptr(Object) first = registry_delete(fixture->registry, NULL, &jail, &options, NULL, &error);
  g_assert_no_error(error);
  g_autoptr(Object) second = registry_delete(fixture->registry, NULL, &open, &options, NULL, &error);
  g_assert_no_error(error);
  /* a schema without its level matches nothing */
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &ticket));
  g_autofree char *schema = name_of(fixture, "flowschemas", ticket.schema_uid);
  g_assert_cmpstr(schema, ==, "global-default");
  flow_control_end(&ticket);
  flow_control_end(&under_way);
}

/* --- queues --------------------------------------------------------------------------------------------------------
 */

/* A request in a queue, and in which turn it got its seat (0: it has not, -1: it was refused). */
typedef struct Waiter {
  FlowTicket ticket;
  int *turns, turn;
} Waiter;

static void turn_came(bool runs, void *data)
{
  Waiter *waiter = data;
  waiter->turn = runs ? ++*waiter->turns : -1;
}

static void queue_up(Fixture *fixture, const char *user, Waiter *waiter, int *turns)
{
  waiter->turns = turns;
  waiter->ticket.resume = turn_came;
  waiter->ticket.data = waiter;
  g_assert_cmpint(enter(fixture, user, "people", "GET", "/api/v1/pods", &waiter->ticket), ==, FLOW_WAITS);
}

/* A level with one seat that lends and borrows nothing, whose schema takes every member of `people`, by user. */
static void create_narrow(Fixture *fixture, int queues, int hand, int length)
{
  create(fixture, "prioritylevelconfigurations",
         json_pack("{s:{s:s}, s:{s:s, s:{s:i, s:i, s:{s:s, s:{s:i, s:i, s:i}}}}}", "metadata", "name", "narrow", "spec",
                   "type", "Limited", "limited", "nominalConcurrencyShares", 1, "borrowingLimitPercent", 0,
                   "limitResponse", "type", "Queue", "queuing", "queues", queues, "handSize", hand, "queueLengthLimit",
                   length));
  create(
      fixture, "flowschemas",
      json_pack("{s:{s:s}, s:{s:{s:s}, s:i, s:{s:s}, s:[{s:[{s:s, s:{s:s}}], s:[{s:[s], s:[s], s:[s], s:[s], s:b}]}]}}",
                "metadata", "name", "people", "spec", "priorityLevelConfiguration", "name", "narrow",
                "matchingPrecedence", 60, "distinguisherMethod", "type", "ByUser", "rules", "subjects", "kind", "Group",
                "group", "name", "people", "resourceRules", "verbs", "*", "apiGroups", "*", "resources", "*",
                "namespaces", "*", "clusterScope", 1));
}

/* A request in a queue whose end comes on another thread. */
typedef struct Patient {
  FlowTicket ticket;
  GMutex lock;
  GCond told;
  bool done, runs;
} Patient;

static void patient_told(bool runs, void *data)
{
  Patient *patient = data;
  g_mutex_lock(&patient->lock);
  patient->done = true;
  patient->runs = runs;
  g_cond_signal(&patient->told);
  g_mutex_unlock(&patient->lock);
}

static void wait_in_queue(Fixture *fixture, Patient *patient)
{
  g_mutex_init(&patient->lock);
  g_cond_init(&patient->told);
  patient->ticket.resume = patient_told;
  patient->ticket.data = patient;
  g_assert_cmpint(enter(fixture, "bob", "people", "GET", "/api/v1/pods", &patient->ticket), ==, FLOW_WAITS);
}

static bool await_verdict(Patient *patient)
{
  g_mutex_lock(&patient->lock);
  while (!patient->done)
    g_cond_wait(&patient->told, &patient->lock);
  bool runs = patient->runs;
  g_mutex_unlock(&patient->lock);
  return runs;
}

static void patient_clear(Patient *patient)
{
  flow_control_end(&patient->ticket);
  g_cond_clear(&patient->told);
  g_mutex_clear(&patient->lock);
}

/* One flow with many requests does not hold up another one with a single one. */
static void test_fairness(Fixture *fixture, gconstpointer data)
{
  enum { MANY = 20 };
  Waiter many[MANY] = { 0 }, one = { 0 };
  FlowTicket running = { 0 };
  int turns = 0;
  create_narrow(fixture, 64, 6, 50);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  for (gsize i = 0; i < MANY; i++)
    queue_up(fixture, "bob", &many[i], &turns);
  queue_up(fixture, "eve", &one, &turns);
  g_assert_cmpint(turns, ==, 0);
  flow_control_end(&running);
  int served = 1;
  for (; one.turn == 0 && served < MANY; served++)
    for (gsize i = 0; i < MANY; i++)
      if (many[i].turn == served)
        flow_control_end(&many[i].ticket);
  /* bob has a hand of six queues: no more than each of them goes before her */
  g_assert_cmpint(one.turn, <=, 7);
  flow_control_end(&one.ticket);
  for (served = one.turn; turns < MANY + 1; served++)
    for (gsize i = 0; i < MANY; i++)
      if (many[i].turn == served + 1)
        flow_control_end(&many[i].ticket);
  for (gsize i = 0; i < MANY; i++)
    if (many[i].ticket.level)
      flow_control_end(&many[i].ticket);
  g_assert_cmpint(turns, ==, MANY + 1);
}

/* A single queue is served in order, holds what it may hold, and the metrics tell of all. */
static void test_queue(Fixture *fixture, gconstpointer data)
{
  Waiter waiters[3] = { 0 };
  FlowTicket running = { 0 }, more = { 0 };
  int turns = 0;
  create_narrow(fixture, 1, 1, 3);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  for (gsize i = 0; i < G_N_ELEMENTS(waiters); i++)
    queue_up(fixture, i % 2 ? "bob" : "eve", &waiters[i], &turns);
  g_assert_cmpint(enter(fixture, "bob", "people", "GET", "/api/v1/pods", &more), ==, FLOW_REFUSED);
  g_assert_nonnull(more.schema_uid);
  flow_control_end(&more);
  g_autoptr(GString) text = g_string_new(NULL);
  flow_control_append_metrics(fixture->control, text);
  static const char *const lines[] = {
    "apiserver_flowcontrol_current_inqueue_requests{flow_schema=\"people\",priority_level=\"narrow\"} 3\n",
    "apiserver_flowcontrol_current_executing_requests{flow_schema=\"people\",priority_level=\"narrow\"} 1\n",
    "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"people\",priority_level=\"narrow\"} 1\n",
    "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"people\",priority_level=\"narrow\",reason=\"queue-"
    "full\"} 1\n",
    "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"narrow\"} 1\n",
    "apiserver_flowcontrol_current_executing_seats{priority_level=\"narrow\"} 1\n",
    "apiserver_flowcontrol_current_inqueue_seats{priority_level=\"narrow\"} 3\n",
    "apiserver_flowcontrol_current_limit_seats{priority_level=\"narrow\"} 1\n",
    "apiserver_flowcontrol_request_wait_duration_seconds_count{execute=\"true\",flow_schema=\"people\",priority_level="
    "\"narrow\"} 1\n",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
    if (!strstr(text->str, lines[i]))
      g_error("no %s in %s", lines[i], text->str);
  flow_control_end(&running);
  for (int i = 0; i < (int)G_N_ELEMENTS(waiters); i++) {
    g_assert_cmpint(waiters[i].turn, ==, i + 1);
    g_assert_cmpint(turns, ==, i + 1);
    flow_control_end(&waiters[i].ticket);
  }
}

/* Seats that a request has no need of for a while, others have. */
static void test_away(Fixture *fixture, gconstpointer data)
{
  Waiter first = { 0 }, second = { 0 };
  FlowTicket running = { 0 };
  int turns = 0;
  create_narrow(fixture, 1, 1, 3);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  queue_up(fixture, "bob", &first, &turns);
  queue_up(fixture, "bob", &second, &turns);
  flow_control_away(&running, true);
  g_assert_cmpint(first.turn, ==, 1);
  flow_control_away(&running, false);
  flow_control_end(&first.ticket);
  g_assert_cmpint(second.turn, ==, 0);
  flow_control_end(&running);
  g_assert_cmpint(second.turn, ==, 2);
  flow_control_end(&second.ticket);
}

/* Who waits goes on when the level goes, and is refused when the server does. */
static void test_end(Fixture *fixture, gconstpointer data)
{
  Waiter waiter = { 0 };
  FlowTicket running = { 0 }, any = { 0 };
  DeleteOptions options = { .grace_period_seconds = -1 };
  int turns = 0;
  create_narrow(fixture, 8, 1, 3);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  queue_up(fixture, "bob", &waiter, &turns);
  Target narrow = target_of(fixture, "prioritylevelconfigurations", "narrow");
  g_autoptr(Object) last = registry_delete(fixture->registry, NULL, &narrow, &options, NULL, NULL);
  g_assert_nonnull(last);
  g_assert_true(begin(fixture, "kim", "others", "GET", "/api/v1/pods", &any)); /* the first to see it */
  g_assert_cmpint(waiter.turn, ==, 1);
  flow_control_end(&waiter.ticket);
  flow_control_end(&running);
  flow_control_end(&any);
  Target people = target_of(fixture, "flowschemas", "people");
  g_autoptr(Object) gone = registry_delete(fixture->registry, NULL, &people, &options, NULL, NULL);
  g_assert_nonnull(gone);
  create_narrow(fixture, 8, 1, 3);
  Waiter late = { 0 };
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  queue_up(fixture, "bob", &late, &turns);
  flow_control_close(fixture->control);
  g_assert_cmpint(late.turn, ==, -1);
  flow_control_end(&late.ticket);
  g_assert_cmpint(enter(fixture, "bob", "people", "GET", "/api/v1/pods", &any), ==, FLOW_REFUSED);
  flow_control_end(&any);
  flow_control_end(&running);
}

/* Who waits is refused in the end, the others of the queue after their own time, and the seat is not lost. */
static void test_patience(Fixture *fixture, gconstpointer data)
{
  Patient patients[2] = { 0 };
  FlowTicket running = { 0 };
  create_narrow(fixture, 1, 1, 3);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  gint64 before = g_get_monotonic_time();
  for (gsize i = 0; i < G_N_ELEMENTS(patients); i++)
    wait_in_queue(fixture, &patients[i]);
  for (gsize i = 0; i < G_N_ELEMENTS(patients); i++)
    g_assert_false(await_verdict(&patients[i]));
  g_assert_cmpint(g_get_monotonic_time() - before, >=, (gint64)GPOINTER_TO_INT(data) * 1000);
  g_autoptr(GString) text = g_string_new(NULL);
  flow_control_append_metrics(fixture->control, text);
  static const char *const lines[] = {
    "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"people\",priority_level=\"narrow\",reason=\"time-"
    "out\"} "
    "2\n",
    "apiserver_flowcontrol_current_inqueue_requests{flow_schema=\"people\",priority_level=\"narrow\"} 0\n",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
    if (!strstr(text->str, lines[i]))
      g_error("no %s in %s", lines[i], text->str);
  for (gsize i = 0; i < G_N_ELEMENTS(patients); i++)
    patient_clear(&patients[i]);
  flow_control_end(&running);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &running));
  flow_control_end(&running);
}

/* A level borrows what others lend and do not use, up to its own limit: ten times its five seats. */
static void test_lending(Fixture *fixture, gconstpointer data)
{
  FlowTicket poor[80] = { 0 }, rich[4] = { 0 }, more = { 0 };
  guint n = 0;
  create_level(fixture, "poor", 5, 1000);
  create_schema(fixture, "bob", "poor", "bob");
  while (n < G_N_ELEMENTS(poor) && begin(fixture, "bob", "people", "GET", "/api/v1/pods", &poor[n]))
    n++;
  flow_control_end(&poor[n]); /* the one there was no room for */
  g_assert_cmpuint(n, ==, 5 + 50);
  g_autoptr(GString) text = g_string_new(NULL);
  flow_control_append_metrics(fixture->control, text);
  g_assert_nonnull(strstr(text->str, "apiserver_flowcontrol_current_limit_seats{priority_level=\"poor\"} 55\n"));
  g_assert_nonnull(strstr(text->str, "apiserver_flowcontrol_upper_limit_seats{priority_level=\"poor\"} 55\n"));
  /* the lender has its own seats all the same */
  for (gsize i = 0; i < G_N_ELEMENTS(rich); i++)
    g_assert_true(begin(fixture, "eve", "people", "GET", "/api/v1/pods", &rich[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(rich); i++)
    flow_control_end(&rich[i]);
  for (guint i = 0; i < n; i++)
    flow_control_end(&poor[i]);
  g_assert_true(begin(fixture, "bob", "people", "GET", "/api/v1/pods", &more));
  flow_control_end(&more);
}

/* --- many at once --------------------------------------------------------------------------------------------------
 */

enum { CROWD = 8, ROUNDS = 300 };

typedef struct Member {
  Fixture *fixture;
  char user[8];
  GMutex lock;
  GCond came;
  int verdict; /* -1: not yet */
  _Atomic int *inside, *most;
  unsigned served;
} Member;

static void member_may(bool runs, void *data)
{
  Member *member = data;
  g_mutex_lock(&member->lock);
  member->verdict = runs;
  g_cond_signal(&member->came);
  g_mutex_unlock(&member->lock);
}

static bool await_turn(Member *member)
{
  g_mutex_lock(&member->lock);
  while (member->verdict < 0)
    g_cond_wait(&member->came, &member->lock);
  bool runs = member->verdict;
  g_mutex_unlock(&member->lock);
  return runs;
}

static void *crowd_member(void *data)
{
  Member *member = data;
  for (int i = 0; i < ROUNDS; i++) {
    FlowTicket ticket = { .resume = member_may, .data = member };
    member->verdict = -1;
    FlowVerdict verdict = enter(member->fixture, member->user, "people", "GET", "/api/v1/pods", &ticket);
    if (verdict == FLOW_RUNS || (verdict == FLOW_WAITS && await_turn(member))) {
      int inside = ++*member->inside;
      if (inside > *member->most)
        *member->most = inside;
      g_thread_yield();
      --*member->inside;
      member->served++;
    }
    flow_control_end(&ticket);
  }
  return NULL;
}

/* Nobody is lost, and never is more than one inside. */
static void test_crowd(Fixture *fixture, gconstpointer data)
{
  Member members[CROWD] = { 0 };
  GThread *threads[CROWD];
  _Atomic int inside = 0, most = 0;
  create_narrow(fixture, 16, 3, CROWD);
  for (int i = 0; i < CROWD; i++) {
    members[i].fixture = fixture;
    members[i].inside = &inside;
    members[i].most = &most;
    g_snprintf(members[i].user, sizeof members[i].user, "u%d", i % 3);
    g_mutex_init(&members[i].lock);
    g_cond_init(&members[i].came);
    threads[i] = g_thread_new("member", crowd_member, &members[i]);
  }
  for (int i = 0; i < CROWD; i++) {
    g_thread_join(threads[i]);
    g_assert_cmpuint(members[i].served, ==, ROUNDS);
    g_mutex_clear(&members[i].lock);
    g_cond_clear(&members[i].came);
  }
  g_assert_cmpint(most, ==, 1);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
  ADD("/flow-control/schemas", test_schemas);
  ADD("/flow-control/limit", test_limit);
  ADD("/flow-control/change", test_change);
  ADD("/flow-control/fairness", test_fairness);
  ADD("/flow-control/queue", test_queue);
  ADD("/flow-control/away", test_away);
  ADD("/flow-control/end", test_end);
  ADD("/flow-control/lending", test_lending);
  ADD("/flow-control/crowd", test_crowd);
  g_test_add("/flow-control/patience", Fixture, GINT_TO_POINTER(50), set_up, test_patience, tear_down);
  return g_test_run();
}

#include "clusterd/client/leader.h"

#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"

#define LEASE_NAMESPACE "kube-system"
#define LEASE_US (15 * G_USEC_PER_SEC)
#define RENEW_DEADLINE_US (10 * G_USEC_PER_SEC)
#define RETRY_US (2 * G_USEC_PER_SEC)

/* Two threads: one asks the API, which may take long when the store does not answer; the other one works, and sees on
 * its own clock when the lease is no longer sure. */
struct Leader {
  Client *client;
  char *lease, *identity;
  LeaderTimes times;
  void (*begin)(void *data);
  void (*end)(void *data);
  void *data;
  Watch *watch;
  GThread *striver, *worker;

  GMutex lock; /* guards all below */
  GCond changed;
  bool stopping;
  bool working;       /* between begin and end */
  bool holding;       /* the lease was ours at the last look */
  int64_t renewed_us; /* when the last renewal that succeeded was begun */
  char *seen;         /* resourceVersion of the lease as last seen, of another's holding */
  int64_t seen_us;    /* since when */
  uint64_t events;    /* changes of the lease */
};

/* --- the lease -----------------------------------------------------------------------------------------------------
 */

static char *make_identity(void)
{
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  g_autofree char *uid = g_uuid_string_random();
  return g_strdup_printf("%s_%s", host, uid);
}

static char *now_text(void)
{
  return timestamp_text_micro(timestamp_now_us());
}

/* The spec of a lease taken or renewed; BEFORE is what was there, NULL: nothing. */
static json_t *next_spec(const Leader *leader, const json_t *before)
{
  g_autofree char *now = now_text();
  bool ours = g_str_equal(json_str(before, "holderIdentity", ""), leader->identity);
  const char *acquired = ours ? json_str(before, "acquireTime", now) : now;
  int64_t transitions = json_int(before, "leaseTransitions", 0) + (before && !ours);
  return json_pack("{s:s, s:I, s:s, s:s, s:I}", "holderIdentity", leader->identity, "leaseDurationSeconds",
                   (json_int_t)MAX(leader->times.lease_us / G_USEC_PER_SEC, 1), "acquireTime", acquired, "renewTime",
                   now, "leaseTransitions", (json_int_t)transitions);
}

/* Whether the lease may be ours: it is, nobody's, or not renewed for its duration on our clock. Called with the lock
 * held. */
static bool may_take(Leader *leader, const Object *lease)
{
  const char *holder = json_str(json_object_get(object_json(lease), "spec"), "holderIdentity", "");
  g_autofree char *version = g_strdup_printf("%" G_GINT64_FORMAT, object_revision(lease));
  if (!*holder || g_str_equal(holder, leader->identity))
    return true;
  if (g_strcmp0(leader->seen, version) != 0) {
    g_free(leader->seen);
    leader->seen = g_steal_pointer(&version);
    leader->seen_us = g_get_monotonic_time();
  }
  return g_get_monotonic_time() - leader->seen_us >= leader->times.lease_us;
}

static bool make_lease(Leader *leader, GError **error)
{
  g_autoptr(json_t) value = json_pack("{s:{s:s, s:s}, s:o}", "metadata", "name", leader->lease, "namespace",
                                      LEASE_NAMESPACE, "spec", next_spec(leader, NULL));
  g_autoptr(Object) made =
      client_create(leader->client, "coordination.k8s.io/v1", "leases", LEASE_NAMESPACE, value, error);
  return made != NULL;
}

/* Writes SPEC over LEASE as it was read: of two servers that try, one loses. */
static bool write_lease(Leader *leader, const Object *lease, json_t *spec, GError **error)
{
  g_autoptr(json_t) value = json_deep_copy(object_json(lease));
  json_object_set_new(value, "spec", spec);
  g_autoptr(Object) written = client_update(leader->client, "coordination.k8s.io/v1", "leases", NULL, value, error);
  return written != NULL;
}

static Object *read_lease(Leader *leader, GError **error)
{
  return client_get(leader->client, "coordination.k8s.io/v1", "leases", LEASE_NAMESPACE, leader->lease, error);
}

typedef enum Trial { TRIAL_OURS, TRIAL_THEIRS, TRIAL_UNKNOWN } Trial;

/* Takes or renews the lease. */
static Trial try_lease(Leader *leader)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) lease = read_lease(leader, &error);
  bool ok = false;
  if (lease) {
    g_mutex_lock(&leader->lock);
    bool free_now = may_take(leader, lease);
    g_mutex_unlock(&leader->lock);
    if (!free_now)
      return TRIAL_THEIRS;
    ok = write_lease(leader, lease, next_spec(leader, json_object_get(object_json(lease), "spec")), &error);
  } else if (reason_is(error, REASON_NOT_FOUND)) {
    g_clear_error(&error);
    ok = make_lease(leader, &error);
  }
  if (error && !reason_is(error, REASON_CONFLICT) && !reason_is(error, REASON_ALREADY_EXISTS))
    g_message("lease %s: %s", leader->lease, error->message);
  return ok ? TRIAL_OURS : TRIAL_UNKNOWN;
}

/* Lets the lease go, so that nobody has to wait until it runs out. */
static void release_lease(Leader *leader)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) lease = read_lease(leader, &error);
  const json_t *spec = lease ? json_object_get(object_json(lease), "spec") : NULL;
  if (!lease || !g_str_equal(json_str(spec, "holderIdentity", ""), leader->identity))
    return;
  g_autofree char *now = now_text();
  json_t *released =
      json_pack("{s:s, s:i, s:s, s:s, s:I}", "holderIdentity", "", "leaseDurationSeconds", 1, "acquireTime", now,
                "renewTime", now, "leaseTransitions", (json_int_t)json_int(spec, "leaseTransitions", 0));
  if (!write_lease(leader, lease, released, &error))
    g_message("lease %s is not let go: %s", leader->lease, error->message);
}

/* --- the threads ---------------------------------------------------------------------------------------------------
 */

/* A change of the lease: it may have been let go. */
static void lease_changed(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  Leader *leader = data;
  if (type == WATCH_BOOKMARK)
    return;
  g_mutex_lock(&leader->lock);
  leader->events++;
  g_cond_broadcast(&leader->changed);
  g_mutex_unlock(&leader->lock);
}

/* Until the next attempt: a holder's renewal; for the others until the lease changes or has run out, as far as that is
 * known. Called with the lock held. */
static void wait_for_turn(Leader *leader, int64_t begun_us, uint64_t events)
{
  int64_t until = begun_us + leader->times.retry_us;
  if (!leader->holding && leader->seen)
    until = MAX(until, leader->seen_us + leader->times.lease_us);
  while (!leader->stopping && g_get_monotonic_time() < until && (leader->holding || leader->events == events))
    g_cond_wait_until(&leader->changed, &leader->lock, until);
}

static void *strive(void *data)
{
  Leader *leader = data;
  g_mutex_lock(&leader->lock);
  while (!leader->stopping) {
    int64_t begun = g_get_monotonic_time();
    uint64_t events = leader->events;
    g_mutex_unlock(&leader->lock);
    Trial trial = try_lease(leader);
    g_mutex_lock(&leader->lock);
    if (trial == TRIAL_OURS)
      leader->renewed_us = begun;
    bool sure = g_get_monotonic_time() - leader->renewed_us < leader->times.renew_deadline_us;
    leader->holding = trial == TRIAL_OURS || (trial == TRIAL_UNKNOWN && leader->holding && sure);
    g_cond_broadcast(&leader->changed);
    wait_for_turn(leader, begun, events);
  }
  g_mutex_unlock(&leader->lock);
  return NULL;
}

/* Called with the lock held. */
static bool is_sure(const Leader *leader)
{
  return leader->holding && !leader->stopping &&
         g_get_monotonic_time() < leader->renewed_us + leader->times.renew_deadline_us;
}

/* Calls FUNCTION without the lock. */
static void turn(Leader *leader, bool working, void (*function)(void *data))
{
  g_mutex_unlock(&leader->lock);
  g_message("%s the work of %s", working ? "begins" : "ends", leader->lease);
  function(leader->data);
  g_mutex_lock(&leader->lock);
  leader->working = working;
}

static void *work(void *data)
{
  Leader *leader = data;
  g_mutex_lock(&leader->lock);
  while (!leader->stopping || leader->working) {
    bool sure = is_sure(leader);
    if (sure && !leader->working)
      turn(leader, true, leader->begin);
    else if (!sure && leader->working)
      turn(leader, false, leader->end);
    else if (leader->working)
      g_cond_wait_until(&leader->changed, &leader->lock, leader->renewed_us + leader->times.renew_deadline_us);
    else
      g_cond_wait(&leader->changed, &leader->lock);
  }
  g_mutex_unlock(&leader->lock);
  return NULL;
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

Leader *leader_start(Registry *registry, const LeaderConfig *config)
{
  Leader *leader = g_new0(Leader, 1);
  leader->client = client_new(registry, config->lease);
  leader->lease = g_strdup(config->lease);
  leader->identity = make_identity();
  leader->times.lease_us = config->times.lease_us ? config->times.lease_us : LEASE_US;
  leader->times.renew_deadline_us =
      config->times.renew_deadline_us ? config->times.renew_deadline_us : RENEW_DEADLINE_US;
  leader->times.retry_us = config->times.retry_us ? config->times.retry_us : RETRY_US;
  leader->begin = config->begin;
  leader->end = config->end;
  leader->data = config->data;
  g_mutex_init(&leader->lock);
  g_cond_init(&leader->changed);
  Target target = { .kind = client_kind(leader->client, "coordination.k8s.io/v1", "leases"),
                    .namespace_ = LEASE_NAMESPACE,
                    .name = leader->lease };
  g_autoptr(GError) error = NULL;
  leader->watch = registry_watch(registry, NULL, &target, NULL, 0, lease_changed, leader, &error);
  if (!leader->watch) /* then it is taken when it has run out */
    g_message("lease %s cannot be watched: %s", leader->lease, error->message);
  leader->worker = g_thread_new("leader", work, leader);
  leader->striver = g_thread_new("lease", strive, leader);
  return leader;
}

void leader_stop(Leader *leader)
{
  if (!leader)
    return;
  g_mutex_lock(&leader->lock);
  leader->stopping = true;
  g_cond_broadcast(&leader->changed);
  g_mutex_unlock(&leader->lock);
  g_thread_join(leader->worker);
  g_thread_join(leader->striver);
  if (leader->holding)
    release_lease(leader);
  registry_unwatch(leader->watch);
  client_free(leader->client);
  g_mutex_clear(&leader->lock);
  g_cond_clear(&leader->changed);
  g_free(leader->lease);
  g_free(leader->identity);
  g_free(leader->seen);
  g_free(leader);
}

#include "clusterd/node/cri/events.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define EVENT_MAX (1u << 20) /* bytes of one event */
#define RELIST_MS 1000       /* with a runtime that has no events, as upstream */
#define RETRY_MIN_MS 50      /* while the runtime is away */
#define RETRY_MAX_MS 1000
#define LOOK_MIN_MS 2 /* an exit is told before the runtime has written it down */
#define LOOK_MAX_MS 200
#define LOOK_GIVE_UP_US (30 * G_USEC_PER_SEC)
#define CLAIM_US (5 * G_USEC_PER_SEC) /* what starting a command may take */
#define WAIT_US G_USEC_PER_SEC
#define CALLING_MS 50                  /* between two looks whether a subscription is in force */
#define SETTLE_US (2 * G_USEC_PER_SEC) /* what a subscription takes at most, where that cannot be seen */
#define TOPIC_CALL "/launcher/subscribed"
#define TYPE_EXEC "containerd.events.TaskExecStarted"
#define TYPE_EXIT "containerd.events.TaskExit"

struct ExecClaim {
  char *container_id;
  int pid_fd;
  bool found;
};

/* A container whose exit was told, until the runtime's own status has it, too. */
typedef struct Pending {
  char *container_id;
  int64_t since_us, next_us; /* monotonic */
  int pause_ms;
} Pending;

typedef enum Source { SOURCE_CONTAINERD, SOURCE_CRI, SOURCE_NONE } Source;

struct CriEvents {
  CriRuntime *cri;
  GrpcStream *stream;
  GThread *thread;
  int stopping; /* atomic */
  /* of the thread alone */
  GPtrArray *pending;
  GHashTable *known; /* running containers by id, as last listed; NULL: not yet since the runtime came (back) */
  Source source;
  int64_t begun_us, call_us; /* monotonic: when the stream began, and when to look at it next */
  bool settled;              /* the subscription is in force, and what happened before was looked up */
  GMutex lock;               /* guards CLAIMS and their members */
  GCond changed;
  GHashTable *claims; /* container id → ExecClaim, borrowed */
};

static void pending_free(void *data)
{
  Pending *pending = data;
  g_free(pending->container_id);
  g_free(pending);
}

static void tell(CriEvents *events, const char *sandbox_id, const char *container_id)
{
  CriRuntime *cri = events->cri;
  g_mutex_lock(&cri->lock);
  RuntimeEvent handler = cri->handler;
  void *data = cri->handler_data;
  g_mutex_unlock(&cri->lock);
  if (handler)
    handler(sandbox_id, container_id, data);
  cri_events_poke(events);
}

static void note_exit(CriEvents *events, const char *container_id)
{
  Pending *pending = g_new0(Pending, 1);
  pending->container_id = g_strdup(container_id);
  pending->since_us = pending->next_us = g_get_monotonic_time();
  pending->pause_ms = LOOK_MIN_MS;
  g_ptr_array_add(events->pending, pending);
}

/* The process of a sandbox ended: as a rule because it was stopped. */
static bool look_at_sandbox(CriEvents *events, const char *sandbox_id, bool late)
{
  g_autoptr(GError) error = NULL;
  cri_auto Cri__SandboxStatusResponse *reply = cri_sandbox_read(events->cri, sandbox_id, false, &error);
  if (!reply)
    return late || reason_is(error, REASON_RUNTIME_NOT_FOUND);
  if (!late && reply->status->state == CRI__SANDBOX_STATE__READY)
    return false;
  tell(events, sandbox_id, sandbox_id);
  return true;
}

/* True when PENDING is done with: told, or gone. */
static bool look(CriEvents *events, Pending *pending)
{
  cri_auto Cri__ListContainersResponse *reply = cri_find_containers(events->cri, NULL, pending->container_id, NULL);
  bool late = g_get_monotonic_time() - pending->since_us > LOOK_GIVE_UP_US;
  if (!reply)
    return late;
  if (reply->n_containers == 0)
    return look_at_sandbox(events, pending->container_id, late);
  Cri__State state = reply->containers[0]->state;
  if (!late && (state == CRI__STATE__RUNNING || state == CRI__STATE__CREATED))
    return false;
  tell(events, reply->containers[0]->pod_sandbox_id, pending->container_id);
  return true;
}

/* Looks after the exits whose time has come; milliseconds to the next, -1: there is none. */
static int look_at_pending(CriEvents *events)
{
  int64_t now = g_get_monotonic_time(), next = INT64_MAX;
  for (guint i = 0; i < events->pending->len;) {
    Pending *pending = events->pending->pdata[i];
    if (pending->next_us <= now) {
      if (look(events, pending)) {
        g_ptr_array_remove_index(events->pending, i);
        continue;
      }
      pending->next_us = g_get_monotonic_time() + pending->pause_ms * INT64_C(1000);
      pending->pause_ms = MIN(pending->pause_ms * 2, LOOK_MAX_MS);
    }
    next = MIN(next, pending->next_us);
    i++;
  }
  return next == INT64_MAX ? -1 : (int)MAX((next - g_get_monotonic_time()) / 1000 + 1, 1);
}

/* Tells of what is not running any more since it was last looked at; at the first look, and after the runtime was away,
 * of all that has ended, as an exit in between was told to nobody. */
static void relist(CriEvents *events)
{
  cri_auto Cri__ListContainersResponse *reply = cri_find_containers(events->cri, NULL, NULL, NULL);
  if (!reply)
    return;
  g_autoptr(GHashTable) before = events->known;
  events->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < reply->n_containers; i++) {
    const Cri__Container *container = reply->containers[i];
    if (container->state == CRI__STATE__RUNNING)
      g_hash_table_add(events->known, g_strdup(container->id));
    else if (container->state != CRI__STATE__CREATED && (!before || g_hash_table_contains(before, container->id)))
      tell(events, container->pod_sandbox_id, container->id);
  }
}

/* An event of our own shows that a subscription is in force: until then exits may be told to nobody. */
static void call_out(CriEvents *events)
{
  static const char *const of_pods[] = { "containerd-namespace: k8s.io", NULL };
  g_auto(GrpcAnswer) answer = { 0 };
  Containerd__PublishRequest request;
  containerd__publish_request__init(&request);
  Containerd__Any event;
  containerd__any__init(&event);
  request.topic = (char *)(uintptr_t)TOPIC_CALL;
  event.type_url = (char *)(uintptr_t) "launcher.Subscribed";
  request.event = &event;
  g_autoptr(GByteArray) packed = cri_pack(&request);
  const GrpcCall call = { .method = "/containerd.services.events.v1.Events/Publish",
                          .headers = of_pods,
                          .request = packed->data,
                          .length = packed->len,
                          .timeout_ms = CRI_CALL_MS,
                          .reply_max = EVENT_MAX };
  grpc_call(events->cri->channel, &call, &answer);
}

/* Milliseconds until it wants to be called again, -1: never. */
static int settle(CriEvents *events)
{
  int64_t now = g_get_monotonic_time();
  if (events->settled)
    return -1;
  if (events->call_us == 0) { /* the request has not been sent */
    events->call_us = now;
    return 1;
  }
  if (now >= events->call_us) {
    events->call_us = now + CALLING_MS * INT64_C(1000);
    events->settled = events->source != SOURCE_CONTAINERD && now - events->begun_us > SETTLE_US;
    if (events->source == SOURCE_CONTAINERD)
      call_out(events);
    else if (events->settled)
      relist(events);
  }
  return CALLING_MS;
}

static int tick(void *data)
{
  CriEvents *events = data;
  if (g_atomic_int_get(&events->stopping))
    return GRPC_STREAM_END;
  int one = settle(events), other = look_at_pending(events);
  return one < 0 || other < 0 ? MAX(one, other) : MIN(one, other);
}

/* --- containerd's events --------------------------------------------------------------------------------------------
 */

static void take_exec_started(CriEvents *events, const Containerd__Any *event)
{
  Containerd__TaskExecStarted *started =
      containerd__task_exec_started__unpack(NULL, event->value.len, event->value.data);
  if (!started)
    return;
  g_mutex_lock(&events->lock);
  ExecClaim *claim = g_hash_table_lookup(events->claims, started->container_id);
  if (claim && !claim->found) {
    claim->found = true;
    claim->pid_fd = (int)syscall(SYS_pidfd_open, (pid_t)started->pid, 0);
    g_cond_broadcast(&events->changed);
  }
  g_mutex_unlock(&events->lock);
  cri_message_free(started);
}

static void take_exit(CriEvents *events, const Containerd__Any *event)
{
  Containerd__TaskExit *exited = containerd__task_exit__unpack(NULL, event->value.len, event->value.data);
  if (exited && g_str_equal(exited->container_id, exited->id)) /* others are commands run in it */
    note_exit(events, exited->container_id);
  cri_message_free(exited);
}

static void take_containerd(const uint8_t *bytes, size_t length, void *data)
{
  CriEvents *events = data;
  Containerd__Envelope *envelope = containerd__envelope__unpack(NULL, length, bytes);
  if (envelope && g_str_equal(envelope->topic, TOPIC_CALL) && !events->settled) {
    events->settled = true;
    relist(events);
  }
  if (envelope && envelope->event && g_str_has_suffix(envelope->event->type_url, TYPE_EXEC))
    take_exec_started(events, envelope->event);
  else if (envelope && envelope->event && g_str_has_suffix(envelope->event->type_url, TYPE_EXIT))
    take_exit(events, envelope->event);
  cri_message_free(envelope);
}

/* --- the CRI's events -----------------------------------------------------------------------------------------------
 */

static void take_cri(const uint8_t *bytes, size_t length, void *data)
{
  Cri__ContainerEvent *event = cri__container_event__unpack(NULL, length, bytes);
  if (event && event->container_event_type == CRI__CONTAINER_EVENT__TYPE__STOPPED_EVENT)
    note_exit(data, event->container_id);
  cri_message_free(event);
}

/* --- the thread -----------------------------------------------------------------------------------------------------
 */

static void follow(CriEvents *events, GrpcAnswer *answer)
{
  static const char *const of_pods[] = { "containerd-namespace: k8s.io", NULL };
  char exits[] = "namespace==k8s.io,topic==\"/tasks/exit\"",
       starts[] = "namespace==k8s.io,topic==\"/tasks/exec-started\"";
  char calls[] = "topic==\"" TOPIC_CALL "\"", *filters[] = { exits, starts, calls };
  Containerd__SubscribeRequest request;
  containerd__subscribe_request__init(&request);
  bool own = events->source == SOURCE_CONTAINERD;
  if (own) {
    request.filters = filters;
    request.n_filters = G_N_ELEMENTS(filters);
  }
  g_autoptr(GByteArray) packed = cri_pack(&request);
  const GrpcCall call = { .method = own ? "/containerd.services.events.v1.Events/Subscribe"
                                        : "/runtime.v1.RuntimeService/GetContainerEvents",
                          .headers = own ? of_pods : NULL,
                          .request = packed->data,
                          .length = packed->len,
                          .sink = own ? take_containerd : take_cri,
                          .data = events,
                          .reply_max = EVENT_MAX };
  grpc_stream_run(events->stream, events->cri->channel, &call, tick, answer);
}

static bool wait_ms(CriEvents *events, int pause_ms)
{
  int64_t until = g_get_monotonic_time() + pause_ms * INT64_C(1000);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&events->lock);
  while (!g_atomic_int_get(&events->stopping) && g_cond_wait_until(&events->changed, &events->lock, until))
    ;
  return !g_atomic_int_get(&events->stopping);
}

/* One stream from begin to end; milliseconds to wait until the next. */
static int run_once(CriEvents *events, int pause_ms)
{
  g_auto(GrpcAnswer) answer = { 0 };
  if (events->source == SOURCE_NONE) {
    relist(events);
    return RELIST_MS;
  }
  g_clear_pointer(&events->known, g_hash_table_unref);
  events->begun_us = g_get_monotonic_time();
  events->call_us = 0;
  events->settled = false;
  follow(events, &answer);
  if (answer.status == GRPC_UNIMPLEMENTED) {
    events->source++;
    return 0;
  }
  if (!g_atomic_int_get(&events->stopping))
    g_info("events of the container runtime: %s", answer.text ? answer.text : "ended");
  return events->settled ? RETRY_MIN_MS : MIN(pause_ms * 2, RETRY_MAX_MS);
}

static void *run(void *data)
{
  CriEvents *events = data;
  int pause_ms = RETRY_MIN_MS;
  events->source = events->cri->is_containerd ? SOURCE_CONTAINERD : SOURCE_CRI;
  do {
    pause_ms = run_once(events, pause_ms);
  } while (wait_ms(events, pause_ms));
  return NULL;
}

CriEvents *cri_events_start(CriRuntime *cri)
{
  CriEvents *events = g_new0(CriEvents, 1);
  events->cri = cri;
  events->stream = grpc_stream_new();
  events->pending = g_ptr_array_new_with_free_func(pending_free);
  events->claims = g_hash_table_new(g_str_hash, g_str_equal);
  g_mutex_init(&events->lock);
  g_cond_init(&events->changed);
  events->thread = g_thread_new("cri-events", run, events);
  return events;
}

void cri_events_stop(CriEvents *events)
{
  if (!events)
    return;
  g_atomic_int_set(&events->stopping, 1);
  cri_events_poke(events);
  grpc_stream_wake(events->stream);
  g_thread_join(events->thread);
  grpc_stream_free(events->stream);
  g_ptr_array_unref(events->pending);
  g_clear_pointer(&events->known, g_hash_table_unref);
  g_hash_table_unref(events->claims);
  g_mutex_clear(&events->lock);
  g_cond_clear(&events->changed);
  g_free(events);
}

/* --- commands -------------------------------------------------------------------------------------------------------
 */

ExecClaim *cri_exec_claim(CriEvents *events, const char *container_id)
{
  ExecClaim *claim = g_new0(ExecClaim, 1);
  int64_t until = g_get_monotonic_time() + CLAIM_US;
  claim->container_id = g_strdup(container_id);
  claim->pid_fd = -1;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&events->lock);
  while (g_hash_table_contains(events->claims, container_id))
    if (!g_cond_wait_until(&events->changed, &events->lock, until))
      break;
  g_hash_table_replace(events->claims, claim->container_id, claim);
  return claim;
}

int cri_exec_take(CriEvents *events, ExecClaim *claim, int *over)
{
  int64_t until = g_get_monotonic_time() + CLAIM_US;
  g_mutex_lock(&events->lock);
  while (events->cri->is_containerd && !claim->found && !g_atomic_int_get(over))
    if (!g_cond_wait_until(&events->changed, &events->lock, until))
      break;
  if (g_hash_table_lookup(events->claims, claim->container_id) == claim)
    g_hash_table_remove(events->claims, claim->container_id);
  g_cond_broadcast(&events->changed);
  g_mutex_unlock(&events->lock);
  int fd = claim->pid_fd;
  g_free(claim->container_id);
  g_free(claim);
  return fd;
}

void cri_events_poke(CriEvents *events)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&events->lock);
  g_cond_broadcast(&events->changed);
}

void cri_events_wait(CriEvents *events)
{
  int64_t until = g_get_monotonic_time() + WAIT_US;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&events->lock);
  g_cond_wait_until(&events->changed, &events->lock, until);
}

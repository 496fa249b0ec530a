#include "clusterd/node/docker/docker_events.h"

#include <string.h>
#include <sys/eventfd.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/docker/docker_messages.h"
#include "clusterd/node/docker/docker_sandbox.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 5000
#define FILTERS                                                                                                        \
  "{\"type\":[\"container\"],\"event\":[\"start\",\"die\",\"destroy\",\"exec_die\"],\"label\":[\"" LABEL_TYPE "\"]}"

struct DockerEvents {
  DockerRuntime *docker;
  CURLM *multi;
  GThread *thread;
  gint stopping;    /* atomic */
  int64_t since_ns; /* wall clock: of the last event seen */
};

uint64_t docker_events_seen(DockerRuntime *docker)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  return docker->generation;
}

bool docker_events_wait(DockerRuntime *docker, uint64_t seen, int64_t until_us)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  while (docker->generation == seen)
    if (until_us == 0)
      g_cond_wait(&docker->changed, &docker->lock);
    else if (!g_cond_wait_until(&docker->changed, &docker->lock, until_us))
      return false;
  return true;
}

/* Wakes who waits, and tells the kubelet when SANDBOX_ID is given. */
static void announce(DockerRuntime *docker, const char *sandbox_id, const char *container_id)
{
  g_mutex_lock(&docker->lock);
  docker->generation++;
  RuntimeEvent handler = docker->handler;
  void *data = docker->handler_data;
  g_cond_broadcast(&docker->changed);
  g_mutex_unlock(&docker->lock);
  if (handler && sandbox_id)
    handler(sandbox_id, container_id, data);
}

void docker_events_wake(DockerRuntime *docker)
{
  announce(docker, NULL, NULL);
}

/* An exec has ended (ID), or with its daemon all have (NULL). */
static void end_execs(DockerRuntime *docker, const char *id)
{
  GHashTableIter iter;
  gpointer key, value;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  g_hash_table_iter_init(&iter, docker->execs);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (!id || g_str_equal(id, key))
      eventfd_write(GPOINTER_TO_INT(value), 1);
}

static bool take_event(const json_t *event, void *data)
{
  DockerEvents *events = data;
  DockerRuntime *docker = events->docker;
  const json_t *actor = json_object_get(event, "Actor"), *attributes = json_object_get(actor, "Attributes");
  const char *action = json_str(event, "Action", ""), *id = json_str(actor, "ID", "");
  const char *sandbox_id = json_str(attributes, LABEL_SANDBOX, NULL);
  int64_t time_ns = json_int(event, "timeNano", 0);
  bool is_sandbox = g_str_equal(json_str(attributes, LABEL_TYPE, ""), TYPE_SANDBOX);
  events->since_ns = MAX(events->since_ns, time_ns + 1);
  if (g_str_equal(action, "die") && is_sandbox) {
    docker_sandbox_ended(docker, id);
    announce(docker, id, id);
  } else if (g_str_equal(action, "die")) {
    announce(docker, sandbox_id, id);
  } else if (g_str_equal(action, "exec_die")) {
    end_execs(docker, json_str(attributes, "execID", ""));
    announce(docker, NULL, NULL);
  } else {
    announce(docker, NULL, NULL);
  }
  return !g_atomic_int_get(&events->stopping);
}

typedef struct Receiver {
  DockerEvents *events;
  DockerMessages *messages;
} Receiver;

static size_t receive(char *bytes, size_t size, size_t count, void *data)
{
  const Receiver *receiver = data;
  return docker_messages_take(receiver->messages, bytes, size * count) ? size * count : 0;
}

/* Follows until the connection ends or we are to stop. */
static void follow(DockerEvents *events)
{
  CURL *curl = docker_curl_new(events->docker, NULL);
  int running = 1;
  if (!curl)
    return;
  Receiver receiver = { events, docker_messages_new(take_event, events) };
  g_autofree char *filters = g_uri_escape_string(FILTERS, NULL, false);
  g_autofree char *url = g_strdup_printf("http://docker/events?since=%" G_GINT64_FORMAT ".%09d&filters=%s",
                                         events->since_ns / 1000000000, (int)(events->since_ns % 1000000000), filters);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver);
  curl_multi_add_handle(events->multi, curl);
  while (running && !g_atomic_int_get(&events->stopping)) {
    if (curl_multi_perform(events->multi, &running) != CURLM_OK)
      break;
    if (running)
      curl_multi_poll(events->multi, NULL, 0, G_MAXINT, NULL);
  }
  curl_multi_remove_handle(events->multi, curl);
  curl_easy_cleanup(curl);
  docker_messages_free(receiver.messages);
}

/* After a time without dockerd: sandboxes may have ended, and so may anything the kubelet knows. */
static void look_again(DockerEvents *events)
{
  DockerRuntime *docker = events->docker;
  g_autoptr(GError) error = NULL;
  if (!docker_sandboxes_refresh(docker, &error)) {
    g_warning("docker: %s", error->message);
    return;
  }
  g_autoptr(GPtrArray) ids = docker_sandbox_ids(docker);
  for (guint i = 0; i < ids->len; i++)
    announce(docker, ids->pdata[i], NULL);
}

static void *run(void *data)
{
  DockerEvents *events = data;
  int backoff_ms = BACKOFF_FIRST_MS;
  for (bool told = false;;) {
    int64_t started = g_get_monotonic_time();
    follow(events);
    if (g_atomic_int_get(&events->stopping))
      return NULL;
    bool lasted = g_get_monotonic_time() - started > G_USEC_PER_SEC;
    if (lasted || !told)
      g_message("docker: the connection to dockerd has ended");
    told = true;
    end_execs(events->docker, NULL);
    announce(events->docker, NULL, NULL);
    backoff_ms = lasted ? BACKOFF_FIRST_MS : MIN(backoff_ms * 2, BACKOFF_MAX_MS);
    curl_multi_poll(events->multi, NULL, 0, backoff_ms, NULL); /* a wake-up ends it early */
    if (g_atomic_int_get(&events->stopping))
      return NULL;
    look_again(events);
  }
}

DockerEvents *docker_events_start(DockerRuntime *docker, int64_t since_us)
{
  DockerEvents *events = g_new0(DockerEvents, 1);
  *events = (DockerEvents){ .docker = docker, .multi = curl_multi_init(), .since_ns = since_us * 1000 };
  events->thread = g_thread_new("docker-events", run, events);
  return events;
}

void docker_events_stop(DockerEvents *events)
{
  if (!events)
    return;
  g_atomic_int_set(&events->stopping, 1);
  curl_multi_wakeup(events->multi);
  g_thread_join(events->thread);
  curl_multi_cleanup(events->multi);
  g_free(events);
}

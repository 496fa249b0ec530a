#include "clusterd/node/static_pods.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/kubelet_private.h"
#include "clusterd/node/pod_spec.h"
#include "clusterd/node/static_manifest.h"

#define WATCHED                                                                                                        \
  (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000

/* One file. */
typedef struct Manifest {
  Object *pod;   /* what it said when it last was right; NULL: never yet */
  char *problem; /* what is wrong with it; NULL: nothing */
  bool repeats;  /* another file describes the same pod; this has been told */
} Manifest;

/* A pod that runs, or ends. */
typedef struct StaticRun {
  char *uid;
  bool going, ended; /* told to go; nothing is left of it */
} StaticRun;

struct StaticPods {
  Kubelet *kubelet;
  const ApiKind *kind;
  char *dir;
  int notify, wake; /* inotify; an eventfd */
  GThread *thread;
  gint stopping;
  GMutex lock;      /* guards ENDED */
  GPtrArray *ended; /* char*: uids */
  /* The thread's own once it runs. */
  GHashTable *files;   /* file name → Manifest */
  GHashTable *runs;    /* "namespace/name" → StaticRun */
  GHashTable *foreign; /* set of "namespace/name" whose name in the API another pod has: told once */
  bool unread;         /* the folder has changed */
  int retry_ms;        /* -1: nothing failed */
};

static void manifest_free(Manifest *manifest)
{
  object_unref(manifest->pod);
  g_free(manifest->problem);
  g_free(manifest);
}

static void run_free(StaticRun *run)
{
  g_free(run->uid);
  g_free(run);
}

/* --- the folder --- */

/* In the log, and as an event of the node. */
static void tell(StaticPods *pods, const char *name, const char *problem)
{
  const char *node = pods->kubelet->node_name;
  g_autoptr(json_t) about =
      json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Node", "metadata", "name", node, "uid", node);
  g_warning("Static pod manifest %s/%s: %s", pods->dir, name, problem);
  recorder_event(pods->kubelet->recorder, about, NULL, "Warning", "FailedValidation",
                 "Error validating pod manifest %s/%s: %s", pods->dir, name, problem);
}

/* A file that is wrong is told once; what it described before goes on. */
static void set_problem(StaticPods *pods, const char *name, Manifest *manifest, const char *problem)
{
  if (g_strcmp0(manifest->problem, problem) == 0)
    return;
  g_free(manifest->problem);
  manifest->problem = g_strdup(problem);
  if (problem)
    tell(pods, name, problem);
}

static void read_file(StaticPods *pods, const char *name)
{
  Manifest *manifest = g_hash_table_lookup(pods->files, name);
  g_autofree char *path = g_build_filename(pods->dir, name, NULL);
  g_autoptr(GError) error = NULL;
  if (!manifest) {
    manifest = g_new0(Manifest, 1);
    g_hash_table_insert(pods->files, g_strdup(name), manifest);
  }
  g_autoptr(Object) pod = static_manifest_read(pods->kind, path, pods->kubelet->node_name, &error);
  set_problem(pods, name, manifest, pod ? NULL : error->message);
  if (!pod || (manifest->pod && g_str_equal(object_uid(manifest->pod), object_uid(pod))))
    return; /* what it says is what it said: it was seen then */
  object_unref(manifest->pod);
  manifest->pod = g_steal_pointer(&pod);
}

/* The names of the files that count, sorted. */
static GPtrArray *list_files(const StaticPods *pods)
{
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(pods->dir, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(pods->dir, name, NULL);
    if (!static_manifest_ignores(name) && g_file_test(path, G_FILE_TEST_IS_REGULAR))
      g_ptr_array_add(names, g_strdup(name));
  }
  g_ptr_array_sort(names, pod_spec_compare_strings);
  if (names->len > STATIC_PODS_MAX) {
    g_warning("%s holds %u files: the first %d are static pods", pods->dir, names->len, STATIC_PODS_MAX);
    g_ptr_array_set_size(names, STATIC_PODS_MAX);
  }
  return names;
}

static void read_folder(StaticPods *pods)
{
  g_autoptr(GPtrArray) names = list_files(pods);
  GHashTableIter iter;
  gpointer name;
  pods->unread = false;
  g_hash_table_iter_init(&iter, pods->files);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
      g_hash_table_iter_remove(&iter);
  for (guint i = 0; i < names->len; i++)
    read_file(pods, names->pdata[i]);
}

/* Makes and watches the folder. */
static bool watch_folder(StaticPods *pods)
{
  g_autoptr(GError) error = NULL;
  if (!file_make_dirs(pods->dir, 0755, &error)) {
    g_warning("No static pods: %s", error->message);
    return false;
  }
  if (inotify_add_watch(pods->notify, pods->dir, WATCHED) < 0) {
    g_warning("No static pods: %s cannot be watched: %s", pods->dir, g_strerror(errno));
    return false;
  }
  return true;
}

/* A file that was just made is empty until it has been closed; a link has its content already. */
static bool has_content(const StaticPods *pods, const char *name)
{
  g_autofree char *path = g_build_filename(pods->dir, name, NULL);
  struct stat info;
  return lstat(path, &info) == 0 && (S_ISLNK(info.st_mode) || info.st_nlink > 1);
}

/* Takes what inotify tells: that there is something to read is all that counts. */
static void take_notices(StaticPods *pods)
{
  alignas(struct inotify_event) char buffer[4096];
  ssize_t length;
  bool lost = false;
  while ((length = read(pods->notify, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < length;) {
      const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
      at += (ssize_t)(sizeof *event + event->len);
      lost = lost || (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT));
      if (event->mask & IN_IGNORED || (event->len > 0 && static_manifest_ignores(event->name)))
        continue;
      pods->unread = pods->unread || !(event->mask & IN_CREATE) || has_content(pods, event->name);
    }
  if (lost)
    watch_folder(pods); /* a new one in its place, for the next files */
}

/* --- pods --- */

/* "namespace/name" → Object*, borrowed from FILES. Of two files for one pod the first by name counts. */
static GHashTable *wanted_pods(StaticPods *pods)
{
  GHashTable *wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(pods->files), (GCompareFunc)g_strcmp0);
  for (GList *item = names; item; item = item->next) {
    Manifest *manifest = g_hash_table_lookup(pods->files, item->data);
    g_autofree char *key = manifest->pod ? informer_key(manifest->pod) : NULL;
    if (!key)
      continue;
    bool repeated = manifest->repeats;
    manifest->repeats = g_hash_table_contains(wanted, key);
    if (manifest->repeats && !repeated) {
      g_autofree char *problem = g_strdup_printf("another file describes the pod %s", key);
      tell(pods, item->data, problem);
    }
    if (manifest->repeats)
      continue;
    g_hash_table_insert(wanted, g_steal_pointer(&key), manifest->pod);
  }
  return wanted;
}

static void take_ended(StaticPods *pods)
{
  g_mutex_lock(&pods->lock);
  g_autoptr(GPtrArray) ended = g_steal_pointer(&pods->ended);
  pods->ended = g_ptr_array_new_with_free_func(g_free);
  g_mutex_unlock(&pods->lock);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, pods->runs);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    StaticRun *run = value;
    if (g_ptr_array_find_with_equal_func(ended, run->uid, g_str_equal, NULL))
      g_hash_table_iter_remove(&iter);
  }
}

/* POD with the status its mirror had, so that restart counts and times go on after a restart of ours. */
static Object *recall_status(StaticPods *pods, Object *pod)
{
  g_autoptr(Object) mirror =
      client_get(pods->kubelet->client, "v1", "pods", object_namespace(pod), object_name(pod), NULL);
  json_t *status = mirror ? json_object_get(object_json(mirror), "status") : NULL;
  if (!status || g_strcmp0(static_manifest_mirrored(mirror), object_uid(pod)) != 0)
    return object_ref(pod);
  json_t *value = json_copy(object_json(pod));
  json_object_set(value, "status", status);
  return object_new(object_kind(pod), value);
}

static void start_pod(StaticPods *pods, const char *key, Object *pod)
{
  StaticRun *run = g_new0(StaticRun, 1);
  g_autoptr(Object) known = recall_status(pods, pod);
  run->uid = g_strdup(object_uid(pod));
  g_hash_table_insert(pods->runs, g_strdup(key), run);
  kubelet_start_static(pods->kubelet, known);
}

/* Starts and ends workers. A pod that takes another's place waits until that one has ended. */
static void reconcile_runs(StaticPods *pods, GHashTable *wanted)
{
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, pods->runs);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    StaticRun *run = value;
    const Object *pod = g_hash_table_lookup(wanted, key);
    if (run->going || (pod && g_str_equal(object_uid(pod), run->uid)))
      continue;
    run->going = true;
    g_autoptr(PodWorker) worker = kubelet_worker_by_uid(pods->kubelet, run->uid);
    if (worker)
      pod_worker_set_gone(worker);
  }
  g_hash_table_iter_init(&iter, wanted);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (!g_hash_table_contains(pods->runs, key))
      start_pod(pods, key, value);
}

/* --- mirrors --- */

static bool delete_mirror(StaticPods *pods, const Object *mirror)
{
  DeleteOptions options = { .grace_period_seconds = 0, .precondition_uid = object_uid(mirror) };
  g_autoptr(GError) error = NULL;
  if (client_delete(pods->kubelet->client, "v1", "pods", object_namespace(mirror), object_name(mirror), &options,
                    &error) ||
      reason_is(error, REASON_NOT_FOUND) || reason_is(error, REASON_CONFLICT))
    return true;
  g_warning("Mirror pod %s/%s: %s", object_namespace(mirror), object_name(mirror), error->message);
  return false;
}

static bool create_mirror(StaticPods *pods, const Object *pod)
{
  Kubelet *kubelet = pods->kubelet;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) node = client_get(kubelet->client, "v1", "nodes", NULL, kubelet->node_name, NULL);
  g_autoptr(json_t) value = static_manifest_mirror(pod, kubelet->node_name, node ? object_uid(node) : NULL);
  g_autoptr(Object) mirror = client_create(kubelet->client, "v1", "pods", object_namespace(pod), value, &error);
  if (!mirror) {
    g_message("Mirror pod %s/%s: %s", object_namespace(pod), object_name(pod), error->message);
    return false;
  }
  g_autoptr(PodWorker) worker = kubelet_worker_by_uid(kubelet, object_uid(pod));
  if (worker)
    pod_worker_wake(worker); /* its status is to be shown */
  return true;
}

/* Makes the API show POD. */
static bool ensure_mirror(StaticPods *pods, const char *key, const Object *pod)
{
  g_autoptr(Object) there =
      client_get(pods->kubelet->client, "v1", "pods", object_namespace(pod), object_name(pod), NULL);
  const char *mirrored = there ? static_manifest_mirrored(there) : NULL;
  bool ending = there && json_is_string(json_at(object_json(there), "metadata", "deletionTimestamp", NULL));
  if (there && !mirrored) {
    if (g_hash_table_add(pods->foreign, g_strdup(key)))
      g_warning("Another pod is called %s: the static pod of this name is not shown", key);
    return true;
  }
  if (there && !ending && g_str_equal(mirrored, object_uid(pod)))
    return true;
  return (!there || delete_mirror(pods, there)) && create_mirror(pods, pod);
}

/* True when everything could be done. */
static bool reconcile_mirrors(StaticPods *pods, GHashTable *wanted)
{
  GHashTableIter iter;
  gpointer key, value;
  bool fine = true;
  g_hash_table_iter_init(&iter, pods->runs);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    const StaticRun *run = value;
    Object *pod = g_hash_table_lookup(wanted, key);
    if (!run->going && pod && !ensure_mirror(pods, key, pod))
      fine = false;
  }
  g_autoptr(GPtrArray) all = kubelet_pods(pods->kubelet);
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *name = informer_key(all->pdata[i]);
    if (static_manifest_mirrored(all->pdata[i]) && !g_hash_table_contains(pods->runs, name) &&
        !delete_mirror(pods, all->pdata[i]))
      fine = false;
  }
  return fine;
}

/* --- the thread --- */

static void reconcile(StaticPods *pods)
{
  if (pods->unread)
    read_folder(pods);
  take_ended(pods);
  g_autoptr(GHashTable) wanted = wanted_pods(pods);
  reconcile_runs(pods, wanted);
  if (reconcile_mirrors(pods, wanted))
    pods->retry_ms = -1;
  else
    pods->retry_ms = pods->retry_ms < 0 ? RETRY_FIRST_MS : MIN(pods->retry_ms * 2, RETRY_MAX_MS);
}

static void wake(StaticPods *pods)
{
  uint64_t one = 1;
  if (write(pods->wake, &one, sizeof one) < 0)
    g_warning("static pods: %s", g_strerror(errno));
}

static void *run(void *data)
{
  StaticPods *pods = data;
  while (!g_atomic_int_get(&pods->stopping)) {
    reconcile(pods);
    struct pollfd fds[] = { { .fd = pods->wake, .events = POLLIN }, { .fd = pods->notify, .events = POLLIN } };
    uint64_t count;
    if (poll(fds, G_N_ELEMENTS(fds), pods->retry_ms) < 0 && errno != EINTR)
      break;
    if (fds[0].revents && read(pods->wake, &count, sizeof count) < 0)
      g_debug("static pods: %s", g_strerror(errno));
    if (fds[1].revents)
      take_notices(pods);
  }
  return NULL;
}

StaticPods *static_pods_new(Kubelet *kubelet, const char *dir)
{
  StaticPods *pods = g_new0(StaticPods, 1);
  pods->kubelet = kubelet;
  pods->kind = client_kind(kubelet->client, "v1", "pods");
  pods->dir = g_strdup(dir);
  pods->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  pods->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pods->retry_ms = -1;
  g_mutex_init(&pods->lock);
  pods->ended = g_ptr_array_new_with_free_func(g_free);
  pods->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)manifest_free);
  pods->runs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)run_free);
  pods->foreign = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return pods;
}

const char *static_pods_dir(const StaticPods *pods)
{
  return pods->dir;
}

void static_pods_load(StaticPods *pods)
{
  if (watch_folder(pods))
    read_folder(pods);
}

bool static_pods_has(const StaticPods *pods, const char *uid)
{
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, pods->files);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Manifest *manifest = value;
    if (manifest->pod && g_str_equal(object_uid(manifest->pod), uid))
      return true;
  }
  return false;
}

void static_pods_start(StaticPods *pods)
{
  pods->thread = g_thread_new("static-pods", run, pods);
}

void static_pods_mirror_changed(StaticPods *pods, Object *old, Object *new_object)
{
  if (old && new_object && g_strcmp0(static_manifest_mirrored(old), static_manifest_mirrored(new_object)) == 0 &&
      json_same(json_at(object_json(old), "metadata", "deletionTimestamp", NULL),
                json_at(object_json(new_object), "metadata", "deletionTimestamp", NULL)))
    return; /* its status, which we wrote */
  wake(pods);
}

void static_pods_ended(StaticPods *pods, const char *uid)
{
  g_mutex_lock(&pods->lock);
  g_ptr_array_add(pods->ended, g_strdup(uid));
  g_mutex_unlock(&pods->lock);
  wake(pods);
}

void static_pods_stop(StaticPods *pods)
{
  if (!pods || !pods->thread)
    return;
  g_atomic_int_set(&pods->stopping, 1);
  wake(pods);
  g_thread_join(g_steal_pointer(&pods->thread));
}

void static_pods_free(StaticPods *pods)
{
  if (!pods)
    return;
  file_close(&pods->notify);
  file_close(&pods->wake);
  g_hash_table_unref(pods->files);
  g_hash_table_unref(pods->runs);
  g_hash_table_unref(pods->foreign);
  g_ptr_array_unref(pods->ended);
  g_mutex_clear(&pods->lock);
  g_free(pods->dir);
  g_free(pods);
}

#include "fake_runtime.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/node_access.h"

typedef struct FakeSandbox {
  char *id, *namespace_, *name, *uid;
  unsigned attempt;
  bool ready;
} FakeSandbox;

typedef struct FakeContainer {
  ContainerStatus status;
  char **env;
  char *log_path, *target_id;
} FakeContainer;

enum ImagePlace { IMAGE_FAR = 1, IMAGE_HERE, IMAGE_TOO_FAR };

typedef struct FakeImage {
  char *id;
  int64_t size_bytes;
  bool pinned;
} FakeImage;

typedef struct FakeRuntime {
  Runtime base;
  GMutex lock;
  GCond changed;
  GPtrArray *sandboxes, *containers;
  unsigned pulls;
  GHashTable *images; /* reference → GINT of ImagePlace */
  GPtrArray *stored;  /* FakeImage* */
  GHashTable *stubborn, *broken;
  GString *history;
  unsigned next_id;
  int exec_code;
  int64_t last_grace;
  bool interrupted, execs_hang;
  bool away;        /* says nothing of what it has */
  unsigned refused; /* how often it said nothing */
  RuntimeEvent handler;
  void *data;
} FakeRuntime;

static FakeRuntime *fake(Runtime *runtime)
{
  return (FakeRuntime *)(void *)runtime;
}

static FakeSandbox *find_sandbox(FakeRuntime *self, const char *id)
{
  for (guint i = 0; i < self->sandboxes->len; i++)
    if (g_str_equal(((FakeSandbox *)self->sandboxes->pdata[i])->id, id))
      return self->sandboxes->pdata[i];
  return NULL;
}

static FakeContainer *find_container(FakeRuntime *self, const char *id)
{
  for (guint i = 0; i < self->containers->len; i++)
    if (g_str_equal(((FakeContainer *)self->containers->pdata[i])->status.id, id))
      return self->containers->pdata[i];
  return NULL;
}

static char *run_sandbox(Runtime *runtime, const SandboxSpec *spec, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  FakeSandbox *sandbox = g_new0(FakeSandbox, 1);
  *sandbox = (FakeSandbox){ .id = g_strdup_printf("s%u", ++self->next_id),
                            .namespace_ = g_strdup(spec->namespace_),
                            .name = g_strdup(spec->name),
                            .uid = g_strdup(spec->uid),
                            .attempt = spec->attempt,
                            .ready = true };
  g_ptr_array_add(self->sandboxes, sandbox);
  char *id = g_strdup(sandbox->id);
  g_mutex_unlock(&self->lock);
  return id;
}

/* With the lock held. */
static void end(FakeRuntime *self, FakeContainer *container, int code)
{
  if (container->status.state != CONTAINER_RUNNING)
    return;
  container->status.state = CONTAINER_EXITED;
  container->status.exit_code = code;
  container->status.finished_us = timestamp_now_us();
  g_string_append_printf(self->history, " -%s", container->status.name);
  g_cond_broadcast(&self->changed);
}

static bool stop_sandbox(Runtime *runtime, const char *id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  FakeSandbox *sandbox = find_sandbox(self, id);
  if (sandbox)
    sandbox->ready = false;
  for (guint i = 0; i < self->containers->len; i++) {
    FakeContainer *container = self->containers->pdata[i];
    if (g_str_equal(container->status.sandbox_id, id))
      end(self, container, 137);
  }
  g_mutex_unlock(&self->lock);
  return true;
}

static void container_free(FakeContainer *container)
{
  g_free(container->status.id);
  g_free(container->status.sandbox_id);
  g_free(container->status.name);
  g_free(container->status.image);
  g_free(container->status.image_id);
  g_free(container->status.reason);
  g_free(container->status.message);
  g_strfreev(container->env);
  g_free(container->target_id);
  g_free(container->log_path);
  g_free(container);
}

static void sandbox_free(FakeSandbox *sandbox)
{
  g_free(sandbox->id);
  g_free(sandbox->namespace_);
  g_free(sandbox->name);
  g_free(sandbox->uid);
  g_free(sandbox);
}

static bool remove_sandbox(Runtime *runtime, const char *id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  for (guint i = self->containers->len; i > 0; i--)
    if (g_str_equal(((FakeContainer *)self->containers->pdata[i - 1])->status.sandbox_id, id))
      g_ptr_array_remove_index(self->containers, i - 1);
  FakeSandbox *sandbox = find_sandbox(self, id);
  if (sandbox)
    g_ptr_array_remove(self->sandboxes, sandbox);
  g_mutex_unlock(&self->lock);
  return true;
}

/* True, with an error, while it is away. Under the lock. */
static bool refuses(FakeRuntime *self, GError **error)
{
  self->refused += self->away;
  if (self->away)
    reason_set(error, REASON_RUNTIME, "nobody is there");
  return self->away;
}

static bool sandbox_status(Runtime *runtime, const char *id, SandboxStatus *status, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  bool refused = refuses(self, error);
  g_mutex_unlock(&self->lock);
  if (refused)
    return false;
  g_mutex_lock(&self->lock);
  const FakeSandbox *sandbox = find_sandbox(self, id);
  if (sandbox)
    *status = (SandboxStatus){ .ready = sandbox->ready, .ip = g_strdup_printf("10.244.0.%s", id + 1) };
  g_mutex_unlock(&self->lock);
  return sandbox || reason_set(error, REASON_RUNTIME_NOT_FOUND, "sandbox %s", id);
}

static json_t *list_sandboxes(Runtime *runtime, GError **error)
{
  FakeRuntime *self = fake(runtime);
  json_t *list = json_array();
  g_mutex_lock(&self->lock);
  if (refuses(self, error)) {
    g_mutex_unlock(&self->lock);
    json_decref(list);
    return NULL;
  }
  for (guint i = 0; i < self->sandboxes->len; i++) {
    const FakeSandbox *sandbox = self->sandboxes->pdata[i];
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", sandbox->id, "namespace", sandbox->namespace_,
                                    "name", sandbox->name, "uid", sandbox->uid, "attempt", (int)sandbox->attempt));
  }
  g_mutex_unlock(&self->lock);
  return list;
}

static char *create_container(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error)
{
  FakeRuntime *self = fake(runtime);
  FakeContainer *container = g_new0(FakeContainer, 1);
  g_mutex_lock(&self->lock);
  container->status = (ContainerStatus){ .id = g_strdup_printf("c%u", ++self->next_id),
                                         .sandbox_id = g_strdup(sandbox_id),
                                         .name = g_strdup(spec->name),
                                         .attempt = spec->attempt,
                                         .image = g_strdup("docker.io/library/test:1"),
                                         .image_id = g_strdup(spec->image_id),
                                         .state = CONTAINER_CREATED,
                                         .created_us = timestamp_now_us() };
  container->env = g_strdupv((char **)(uintptr_t)spec->env);
  container->log_path = g_strdup(spec->log_path);
  container->target_id = g_strdup(spec->target_id);
  g_ptr_array_add(self->containers, container);
  char *id = g_strdup(container->status.id);
  g_mutex_unlock(&self->lock);
  return id;
}

static bool reopen_log(Runtime *runtime, const char *id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  const FakeContainer *container = find_container(self, id);
  bool fine = container && g_file_set_contents(container->log_path, "", 0, error);
  g_mutex_unlock(&self->lock);
  return fine;
}

static bool start_container(Runtime *runtime, const char *id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  FakeContainer *container = find_container(self, id);
  if (g_hash_table_contains(self->broken, container->status.name)) {
    container->status.state = CONTAINER_EXITED;
    container->status.exit_code = 127;
    container->status.finished_us = timestamp_now_us();
    container->status.reason = g_strdup("ContainerCannotRun");
    container->status.message = g_strdup("no such program");
    g_mutex_unlock(&self->lock);
    return reason_set(error, REASON_RUNTIME, "failed to start container: no such program");
  }
  container->status.state = CONTAINER_RUNNING;
  container->status.started_us = timestamp_now_us();
  g_string_append_printf(self->history, " +%s", container->status.name);
  g_mutex_unlock(&self->lock);
  return true;
}

static bool stop_container(Runtime *runtime, const char *id, int64_t grace_seconds, GError **error)
{
  FakeRuntime *self = fake(runtime);
  gint64 deadline = g_get_monotonic_time() + grace_seconds * G_USEC_PER_SEC;
  g_mutex_lock(&self->lock);
  FakeContainer *container = find_container(self, id);
  self->last_grace = grace_seconds;
  bool stubborn = container && g_hash_table_contains(self->stubborn, container->status.name);
  while (container && stubborn && container->status.state == CONTAINER_RUNNING && !self->interrupted &&
         g_cond_wait_until(&self->changed, &self->lock, deadline))
    container = find_container(self, id);
  if (container && container->status.state == CONTAINER_RUNNING && self->interrupted) {
    g_mutex_unlock(&self->lock);
    return reason_set(error, REASON_INTERRUPTED, "container %s runs on", id);
  }
  if (container)
    end(self, container, stubborn ? 137 : 143);
  RuntimeEvent handler = self->handler;
  void *data = self->data;
  g_autofree char *sandbox = container ? g_strdup(container->status.sandbox_id) : NULL;
  g_mutex_unlock(&self->lock);
  if (handler && sandbox)
    handler(sandbox, id, data);
  return true;
}

static bool remove_container(Runtime *runtime, const char *id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  FakeContainer *container = find_container(self, id);
  if (container)
    g_ptr_array_remove(self->containers, container);
  g_mutex_unlock(&self->lock);
  return true;
}

static ContainerStatus *copy_status(const ContainerStatus *status)
{
  ContainerStatus *copy = g_memdup2(status, sizeof *status);
  copy->id = g_strdup(status->id);
  copy->sandbox_id = g_strdup(status->sandbox_id);
  copy->name = g_strdup(status->name);
  copy->image = g_strdup(status->image);
  copy->image_id = g_strdup(status->image_id);
  copy->reason = g_strdup(status->reason);
  copy->message = g_strdup(status->message);
  return copy;
}

static ContainerStatus *container_status(Runtime *runtime, const char *id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  const FakeContainer *container = find_container(self, id);
  ContainerStatus *copy = container ? copy_status(&container->status) : NULL;
  g_mutex_unlock(&self->lock);
  if (!copy)
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "container %s", id);
  return copy;
}

static GPtrArray *list_containers(Runtime *runtime, const char *sandbox_id, GError **error)
{
  FakeRuntime *self = fake(runtime);
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)container_status_free);
  g_mutex_lock(&self->lock);
  if (refuses(self, error)) {
    g_mutex_unlock(&self->lock);
    g_ptr_array_unref(list);
    return NULL;
  }
  for (guint i = 0; i < self->containers->len; i++) {
    const FakeContainer *container = self->containers->pdata[i];
    if (g_str_equal(container->status.sandbox_id, sandbox_id))
      g_ptr_array_add(list, copy_status(&container->status));
  }
  g_mutex_unlock(&self->lock);
  return list;
}

typedef struct FakeProcess {
  NodeProcess base;
  int code;
  int hold; /* keeps the output of a process that hangs open; -1: it does not */
} FakeProcess;

static int process_wait(NodeProcess *process, GError **error)
{
  return ((FakeProcess *)(void *)process)->code;
}

static void process_close(NodeProcess *process)
{
  file_close(&process->stdout_fd);
  file_close(&((FakeProcess *)(void *)process)->hold);
  g_free(process);
}

static NodeProcess *run_exec(Runtime *runtime, const char *id, const char *const *argv, bool with_stdin, bool with_tty,
                             GError **error)
{
  FakeRuntime *self = fake(runtime);
  FakeProcess *process = g_new0(FakeProcess, 1);
  process->base = (NodeProcess){
    .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .exit_fd = -1, .wait = process_wait, .close = process_close
  };
  g_mutex_lock(&self->lock);
  process->code = self->exec_code;
  int ends[2] = { -1, -1 };
  if (self->execs_hang)
    g_assert_no_errno(pipe2(ends, O_CLOEXEC));
  process->base.stdout_fd = ends[0];
  process->hold = ends[1];
  g_string_append_printf(self->history, " !%s", argv[0]);
  g_mutex_unlock(&self->lock);
  return &process->base;
}

static ImageStatus *image_of(const char *reference)
{
  ImageStatus *image = g_new0(ImageStatus, 1);
  image->id = g_strdup("sha256:1234");
  image->size_bytes = 1000;
  image->user = g_strdup("");
  (void)reference;
  return image;
}

static ImageStatus *image_status(Runtime *runtime, const char *reference, GError **error)
{
  FakeRuntime *self = fake(runtime);
  for (const char *at = reference; *at; at++)
    if (g_ascii_isupper(*at)) {
      reason_set(error, REASON_BAD_REQUEST, "invalid reference format: repository name (%s) must be lowercase",
                 reference);
      return NULL;
    }
  g_mutex_lock(&self->lock);
  bool here = GPOINTER_TO_INT(g_hash_table_lookup(self->images, reference)) == IMAGE_HERE;
  g_mutex_unlock(&self->lock);
  if (here)
    return image_of(reference);
  reason_set(error, REASON_RUNTIME_NOT_FOUND, "image %s", reference);
  return NULL;
}

static ImageStatus *pull_image(Runtime *runtime, const char *reference, const json_t *auth, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  int place = GPOINTER_TO_INT(g_hash_table_lookup(self->images, reference));
  bool known = place == IMAGE_FAR || place == IMAGE_HERE;
  self->pulls++;
  if (known)
    g_hash_table_insert(self->images, g_strdup(reference), GINT_TO_POINTER(IMAGE_HERE));
  if (place == IMAGE_TOO_FAR)
    g_string_append_printf(self->history, " ?%s", reference);
  if (auth)
    g_string_append_printf(self->history, " %s:%s", json_str(auth, "username", ""), reference);
  while (place == IMAGE_TOO_FAR && !self->interrupted)
    g_cond_wait(&self->changed, &self->lock);
  g_mutex_unlock(&self->lock);
  if (place == IMAGE_TOO_FAR) {
    reason_set(error, REASON_INTERRUPTED, "%s: interrupted", reference);
    return NULL;
  }
  if (known)
    return image_of(reference);
  reason_set(error, REASON_RUNTIME_NOT_FOUND, "%s: not found", reference);
  return NULL;
}

static GPtrArray *list_images(Runtime *runtime, GError **error)
{
  FakeRuntime *self = fake(runtime);
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)image_status_free);
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->stored->len; i++) {
    const FakeImage *stored = self->stored->pdata[i];
    ImageStatus *image = image_of(stored->id);
    g_free(image->id);
    image->id = g_strdup(stored->id);
    image->repo_tags = g_strsplit(stored->id, ",", 1);
    image->size_bytes = stored->size_bytes;
    image->pinned = stored->pinned;
    g_ptr_array_add(list, image);
  }
  g_mutex_unlock(&self->lock);
  return list;
}

static void image_free(void *data)
{
  FakeImage *image = data;
  g_free(image->id);
  g_free(image);
}

static bool remove_image(Runtime *runtime, const char *reference, GError **error)
{
  FakeRuntime *self = fake(runtime);
  bool used = false, found = false;
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->containers->len; i++)
    used = used || g_str_equal(((FakeContainer *)self->containers->pdata[i])->status.image_id, reference);
  for (guint i = 0; i < self->stored->len && !used && !found; i++) {
    const FakeImage *image = self->stored->pdata[i];
    found = g_str_equal(image->id, reference);
    if (found)
      g_ptr_array_remove_index(self->stored, i);
  }
  g_mutex_unlock(&self->lock);
  return found || reason_set(error, used ? REASON_CONFLICT : REASON_RUNTIME_NOT_FOUND, "image %s", reference);
}

/* Nothing is mounted: only that it was asked for can be seen. */
static bool mount_image(Runtime *runtime, const char *image_id, const char *target, GError **error)
{
  FakeRuntime *self = fake(runtime);
  g_autofree char *name = g_path_get_basename(target);
  g_mutex_lock(&self->lock);
  g_string_append_printf(self->history, " @%s", name);
  g_mutex_unlock(&self->lock);
  return true;
}

static void set_event_handler(Runtime *runtime, RuntimeEvent handler, void *data)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  self->handler = handler;
  self->data = data;
  self->interrupted = self->interrupted && !handler; /* the next kubelet begins afresh */
  g_mutex_unlock(&self->lock);
}

static void interrupt(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  self->interrupted = true;
  g_cond_broadcast(&self->changed);
  g_mutex_unlock(&self->lock);
}

static void free_runtime(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_ptr_array_unref(self->sandboxes);
  g_ptr_array_unref(self->containers);
  g_hash_table_unref(self->images);
  g_ptr_array_unref(self->stored);
  g_hash_table_unref(self->stubborn);
  g_hash_table_unref(self->broken);
  g_string_free(self->history, TRUE);
  g_cond_clear(&self->changed);
  g_mutex_clear(&self->lock);
  g_free(self);
}

Runtime *fake_runtime_new(void)
{
  FakeRuntime *self = g_new0(FakeRuntime, 1);
  self->base = (Runtime){ .name = "fake",
                          .version = "1",
                          .run_sandbox = run_sandbox,
                          .stop_sandbox = stop_sandbox,
                          .remove_sandbox = remove_sandbox,
                          .sandbox_status = sandbox_status,
                          .list_sandboxes = list_sandboxes,
                          .create_container = create_container,
                          .start_container = start_container,
                          .reopen_log = reopen_log,
                          .stop_container = stop_container,
                          .remove_container = remove_container,
                          .container_status = container_status,
                          .list_containers = list_containers,
                          .exec = run_exec,
                          .image_status = image_status,
                          .pull_image = pull_image,
                          .list_images = list_images,
                          .remove_image = remove_image,
                          .mount_image = mount_image,
                          .set_event_handler = set_event_handler,
                          .interrupt = interrupt,
                          .free = free_runtime };
  g_mutex_init(&self->lock);
  g_cond_init(&self->changed);
  self->sandboxes = g_ptr_array_new_with_free_func((GDestroyNotify)sandbox_free);
  self->containers = g_ptr_array_new_with_free_func((GDestroyNotify)container_free);
  self->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  self->stored = g_ptr_array_new_with_free_func(image_free);
  self->stubborn = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  self->broken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  self->history = g_string_new(NULL);
  return &self->base;
}

void fake_runtime_add_image(Runtime *runtime, const char *reference, bool local)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  g_hash_table_insert(self->images, g_strdup(reference), GINT_TO_POINTER(local ? IMAGE_HERE : IMAGE_FAR));
  g_mutex_unlock(&self->lock);
}

unsigned fake_runtime_pulls(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  unsigned pulls = self->pulls;
  g_mutex_unlock(&self->lock);
  return pulls;
}

void fake_runtime_add_hanging_image(Runtime *runtime, const char *reference)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  g_hash_table_insert(self->images, g_strdup(reference), GINT_TO_POINTER(IMAGE_TOO_FAR));
  g_mutex_unlock(&self->lock);
}

void fake_runtime_make_execs_hang(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  self->execs_hang = true;
  g_mutex_unlock(&self->lock);
}

void fake_runtime_store_image(Runtime *runtime, const char *id, int64_t size_bytes, bool pinned)
{
  FakeRuntime *self = fake(runtime);
  FakeImage *image = g_new(FakeImage, 1);
  *image = (FakeImage){ g_strdup(id), size_bytes, pinned };
  g_mutex_lock(&self->lock);
  g_ptr_array_add(self->stored, image);
  g_mutex_unlock(&self->lock);
}

char *fake_runtime_stored(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  GString *ids = g_string_new(NULL);
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->stored->len; i++)
    g_string_append_printf(ids, "%s%s", i > 0 ? " " : "", ((const FakeImage *)self->stored->pdata[i])->id);
  g_mutex_unlock(&self->lock);
  return g_string_free(ids, FALSE);
}

bool fake_runtime_exit(Runtime *runtime, const char *pod_uid, const char *name, int exit_code)
{
  FakeRuntime *self = fake(runtime);
  g_autofree char *sandbox = NULL, *id = NULL;
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->containers->len && !id; i++) {
    FakeContainer *container = self->containers->pdata[i];
    const FakeSandbox *owner = find_sandbox(self, container->status.sandbox_id);
    if (container->status.state != CONTAINER_RUNNING || !g_str_equal(container->status.name, name) || !owner ||
        !g_str_equal(owner->uid, pod_uid))
      continue;
    end(self, container, exit_code);
    sandbox = g_strdup(container->status.sandbox_id);
    id = g_strdup(container->status.id);
  }
  RuntimeEvent handler = self->handler;
  void *data = self->data;
  g_mutex_unlock(&self->lock);
  if (id && handler)
    handler(sandbox, id, data);
  return id != NULL;
}

void fake_runtime_set_away(Runtime *runtime, bool away)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  self->away = away;
  self->refused = 0;
  g_mutex_unlock(&self->lock);
}

unsigned fake_runtime_refused(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  unsigned times = self->refused;
  g_mutex_unlock(&self->lock);
  return times;
}

void fake_runtime_reboot(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->sandboxes->len; i++)
    ((FakeSandbox *)self->sandboxes->pdata[i])->ready = false;
  for (guint i = 0; i < self->containers->len; i++)
    end(self, self->containers->pdata[i], 255);
  g_mutex_unlock(&self->lock);
}

bool fake_runtime_has_env(Runtime *runtime, const char *name, const char *entry)
{
  FakeRuntime *self = fake(runtime);
  bool has = false;
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->containers->len; i++) {
    const FakeContainer *container = self->containers->pdata[i];
    has = has ||
          (g_str_equal(container->status.name, name) && g_strv_contains((const char *const *)container->env, entry));
  }
  g_mutex_unlock(&self->lock);
  return has;
}

int64_t fake_runtime_last_grace(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->lock);
  return self->last_grace;
}

bool fake_runtime_has_target(Runtime *runtime, const char *name, const char *target)
{
  FakeRuntime *self = fake(runtime);
  bool has = false;
  g_mutex_lock(&self->lock);
  for (guint i = 0; i < self->containers->len; i++) {
    const FakeContainer *container = self->containers->pdata[i];
    const FakeContainer *other = container->target_id ? find_container(self, container->target_id) : NULL;
    has =
        has || (g_str_equal(container->status.name, name) && g_strcmp0(other ? other->status.name : NULL, target) == 0);
  }
  g_mutex_unlock(&self->lock);
  return has;
}

unsigned fake_runtime_containers(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  unsigned n = self->containers->len;
  g_mutex_unlock(&self->lock);
  return n;
}

unsigned fake_runtime_sandboxes(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  unsigned n = self->sandboxes->len;
  g_mutex_unlock(&self->lock);
  return n;
}

void fake_runtime_make_stubborn(Runtime *runtime, const char *name)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  g_hash_table_add(self->stubborn, g_strdup(name));
  g_mutex_unlock(&self->lock);
}

void fake_runtime_break(Runtime *runtime, const char *name, bool broken)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  if (broken)
    g_hash_table_add(self->broken, g_strdup(name));
  else
    g_hash_table_remove(self->broken, name);
  g_mutex_unlock(&self->lock);
}

void fake_runtime_set_exec_code(Runtime *runtime, int code)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  self->exec_code = code;
  g_mutex_unlock(&self->lock);
}

char *fake_runtime_history(Runtime *runtime)
{
  FakeRuntime *self = fake(runtime);
  g_mutex_lock(&self->lock);
  char *history = g_strdup(g_strchug(self->history->str));
  self->history->len = strlen(self->history->str);
  g_mutex_unlock(&self->lock);
  return history;
}

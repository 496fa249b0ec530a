#include "clusterd/node/native/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/command.h"
#include "clusterd/node/native/conmon.h"
#include "clusterd/node/native/container_state.h"
#include "clusterd/node/native/crun.h"
#include "clusterd/node/native/exit_watch.h"
#include "clusterd/node/native/oci_spec.h"
#include "clusterd/node/native/rootfs.h"
#include "clusterd/node/native/sandbox.h"
#include "clusterd/node/sandbox/pod_limits.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define KILL_TIMEOUT_SECONDS                                                                                           \
  60 /* what SIGKILL may take until the exit is seen: only a stuck kernel call takes long                              \
      */

static json_t *make_facts(const char *id, const Sandbox *sandbox, const ContainerSpec *spec, const Image *image)
{
  const json_t *config = json_object_get(image->config, "config");
  const char *parent = json_str(sandbox->facts, "cgroupParent", "");
  return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:I, s:s, s:b, s:b, s:b, s:s, s:s, s:o}", "id", id, "sandboxId",
                   sandbox->id, "name", spec->name, "attempt", (int)spec->attempt, "image", spec->image_id, "imageId",
                   image->id, "createdUs", (json_int_t)timestamp_now_us(), "stopSignal",
                   json_str(config, "StopSignal", "SIGTERM"), "tty", spec->tty, "stdin", spec->stdin_, "stdinOnce",
                   spec->stdin_once, "logPath", spec->log_path ? spec->log_path : "", "imageRef",
                   spec->image_ref ? spec->image_ref : image->id, "cgroupPath", json_sprintf("%s/%s", parent, id));
}

/* Finds the image and writes down that a container uses it, in one step as far as removing images is concerned. */
static Image *claim_image(NativeRuntime *native, const Sandbox *sandbox, const ContainerSpec *spec, const char *id,
                          Container **container, GError **error)
{
  g_autofree char *folder = runtime_container_dir(native, id);
  file_autofd int held = image_store_share(native->images, error);
  g_autoptr(Image) image = held >= 0 ? image_store_find(native->images, spec->image_id, error) : NULL;
  if (!image || !file_make_dirs(folder, 0700, error))
    return NULL;
  g_autoptr(json_t) facts = make_facts(id, sandbox, spec, image);
  *container = container_new(facts);
  return container_save(native, *container, error) ? g_steal_pointer(&image) : NULL;
}

static char *sandbox_hostname(const Sandbox *sandbox)
{
  char name[HOST_NAME_MAX + 1] = "localhost";
  if (json_flag(sandbox->facts, "hostNetwork", false))
    gethostname(name, HOST_NAME_MAX);
  return g_strdup(json_str(sandbox->facts, "hostname", name));
}

/* The file that is the containers' /etc/hostname, one for the sandbox. NULL when it cannot be written. */
static char *write_hostname(const NativeRuntime *native, const Sandbox *sandbox, const char *hostname)
{
  g_autofree char *folder = runtime_sandbox_dir(native, sandbox->id);
  g_autofree char *path = g_build_filename(folder, "hostname", NULL);
  g_autofree char *line = g_strconcat(hostname, "\n", NULL);
  if (access(path, F_OK) < 0 && !g_file_set_contents_full(path, line, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL))
    return NULL;
  return g_steal_pointer(&path);
}

/* Sets *NAMESPACE to the process namespace of the container that SPEC wants to share one with, -1: of none. While it is
 * open it is that container's, whatever ends and whichever process gets its number. */
static bool open_target(NativeRuntime *native, const Sandbox *sandbox, const ContainerSpec *spec, int *namespace_,
                        GError **error)
{
  *namespace_ = -1;
  if (!spec->target_id || json_flag(sandbox->facts, "hostPid", false) || json_flag(sandbox->facts, "sharePid", false))
    return true;
  g_autoptr(Container) target = runtime_find_container(native, spec->target_id, error);
  if (!target)
    return false;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_autofree char *path = g_strdup_printf("/proc/%d/ns/pid", target->pid);
  bool good = g_str_equal(target->sandbox_id, sandbox->id) && target->state == CONTAINER_RUNNING;
  struct pollfd ended = { .fd = target->pid_fd, .events = POLLIN };
  *namespace_ = good ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (*namespace_ >= 0 && target->pid_fd >= 0 && poll(&ended, 1, 0) == 0)
    return true;
  file_close(namespace_);
  return reason_set(error, REASON_RUNTIME, "invalid target container: container \"%s\" is not running",
                    spec->target_id);
}

/* Writes config.json. TARGET: the process namespace, -1: the sandbox's or one of its own. */
static bool write_config(NativeRuntime *native, const Sandbox *sandbox, const ContainerSpec *spec, const Image *image,
                         const Container *container, int target, GError **error)
{
  g_autofree char *bundle = runtime_bundle(native, container->id);
  g_autofree char *rootfs = g_build_filename(bundle, "rootfs", NULL);
  g_autofree char *path = g_build_filename(bundle, "config.json", NULL);
  g_autofree char *net = sandbox_namespace(native, sandbox, "net"), *ipc = sandbox_namespace(native, sandbox, "ipc");
  g_autofree char *uts = sandbox_namespace(native, sandbox, "uts"), *pid = sandbox_namespace(native, sandbox, "pid");
  g_autofree char *target_path = target >= 0 ? g_strdup_printf("/proc/%d/fd/%d", (int)getpid(), target) : NULL;
  g_autofree char *shm = sandbox_shm(native, sandbox), *hostname = sandbox_hostname(sandbox);
  g_autofree char *hostname_file = write_hostname(native, sandbox, hostname);
  file_autofd int rootfs_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
  OciInput input = { .spec = spec,
                     .image = image,
                     .rootfs_fd = rootfs_fd,
                     .rootfs = rootfs,
                     .cgroup_path = json_str(container->facts, "cgroupPath", ""),
                     .hostname = hostname,
                     .net = net,
                     .ipc = ipc,
                     .uts = uts,
                     .pid = target_path ? target_path : pid,
                     .host_pid = json_flag(sandbox->facts, "hostPid", false),
                     .shm = shm,
                     .hostname_file = hostname_file,
                     .seccomp_profile = native->seccomp_profile };
  g_autoptr(json_t) config = oci_spec_make(&input, error);
  return config && runtime_write_state(path, config, error);
}

/* The pod's own group is there once crun has made one of a container in it. */
static void limit_pod(const Sandbox *sandbox)
{
  const json_t *facts = json_object_get(sandbox->facts, "limits");
  ContainerLimits limits = { .cpu_shares = json_int(facts, "cpuShares", 0),
                             .cpu_quota_us = json_int(facts, "cpuQuotaUs", 0),
                             .cpu_period_us = json_int(facts, "cpuPeriodUs", 0),
                             .memory_bytes = json_int(facts, "memoryBytes", 0) };
  pod_limits_write(CGROUP_ROOT, json_str(sandbox->facts, "cgroupParent", ""), &limits);
}

static bool build(NativeRuntime *native, const Sandbox *sandbox, const ContainerSpec *spec, const Image *image,
                  Container *container, GError **error)
{
  g_autofree char *bundle = runtime_bundle(native, container->id);
  g_autofree char *folder = runtime_container_dir(native, container->id);
  g_autofree char *rootfs = g_build_filename(bundle, "rootfs", NULL);
  g_autofree char *log_folder = spec->log_path ? g_path_get_dirname(spec->log_path) : NULL;
  ConmonStart start = { .id = container->id,
                        .bundle = bundle,
                        .log_path = spec->log_path ? spec->log_path : "/dev/null",
                        .tty = spec->tty,
                        .stdin_ = spec->stdin_,
                        .stdin_once = spec->stdin_once };
  file_autofd int target = -1;
  if (!open_target(native, sandbox, spec, &target, error) || (log_folder && !file_make_dirs(log_folder, 0755, error)) ||
      !file_make_dirs(bundle, 0711, error) ||
      !rootfs_mount((const char *const *)image->layers, folder, rootfs, error) ||
      !write_config(native, sandbox, spec, image, container, target, error))
    return false;
  g_autoptr(GError) failure = NULL;
  container->pid = conmon_create(native, &start, &failure);
  if (container->pid > 0) {
    container->pid_fd = (int)syscall(SYS_pidfd_open, container->pid, 0);
  } else if (reason_is(failure, REASON_INVALID)) { /* what is asked for cannot run: its start will say so */
    container->pid = 0;
    container->failure = g_strdup(failure->message);
    rootfs_unmount(rootfs);
  } else {
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
  }
  limit_pod(sandbox);
  return container_save(native, container, error);
}

void container_erase(NativeRuntime *native, const char *id)
{
  g_autofree char *bundle = runtime_bundle(native, id);
  g_autofree char *rootfs = g_build_filename(bundle, "rootfs", NULL);
  g_autofree char *folder = runtime_container_dir(native, id);
  g_autofree char *exits = conmon_exit_dir(native);
  g_autofree char *exit_path = g_build_filename(exits, id, NULL);
  rootfs_unmount(rootfs);
  file_remove_tree(bundle, NULL);
  unlink(exit_path);
  file_remove_tree(folder, NULL); /* last: by it the rest is found again */
}

char *container_create(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox(native, sandbox_id, error);
  g_autofree char *id = runtime_make_id();
  g_autoptr(Container) container = NULL;
  if (!sandbox)
    return NULL;
  g_mutex_lock(&native->lock);
  bool ready = sandbox->ready;
  g_mutex_unlock(&native->lock);
  if (!ready) {
    reason_set(error, REASON_RUNTIME, "pod sandbox %s is not running", sandbox_id);
    return NULL;
  }
  g_autoptr(Image) image = claim_image(native, sandbox, spec, id, &container, error);
  if (!image || !build(native, sandbox, spec, image, container, error)) {
    container_erase(native, id);
    return NULL;
  }
  bool runs = !container->failure;
  container_publish(native, g_steal_pointer(&container));
  if (!runs)
    return g_steal_pointer(&id);
  exit_watch_add(native->watch, id);
  container_note_exit(native, id); /* what the exit watch could not yet match to a container */
  return g_steal_pointer(&id);
}

/* The exit code dockerd gives to what could not be run. */
static int failure_code(const char *failure)
{
  static const struct {
    const char *text;
    int code;
  } rows[] = { { "executable file", 127 },
               { "no such file or directory", 127 },
               { "permission denied", 126 },
               { "is a directory", 126 },
               { "not a directory", 126 } };
  g_autofree char *lower = g_ascii_strdown(failure, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (strstr(lower, rows[i].text))
      return rows[i].code;
  return 128;
}

static bool refuse_start(NativeRuntime *native, Container *container, GError **error)
{
  g_mutex_lock(&native->lock);
  container_set_exited(container, failure_code(container->failure), false, timestamp_now_us());
  g_mutex_unlock(&native->lock);
  container_save(native, container, NULL);
  return reason_set(error, REASON_RUNTIME, "failed to start container \"%s\": %s",
                    json_str(container->facts, "name", ""), container->failure);
}

bool container_start(Runtime *runtime, const char *container_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Container) container = runtime_find_container(native, container_id, error);
  if (!container)
    return false;
  g_autoptr(GMutexLocker) operation = g_mutex_locker_new(&container->operation);
  g_mutex_lock(&native->lock);
  bool created = container->state == CONTAINER_CREATED;
  if (created && !container->failure) { /* before it runs: an exit that comes at once must find a running container */
    container->state = CONTAINER_RUNNING;
    container->started_us = timestamp_now_us();
  }
  g_mutex_unlock(&native->lock);
  if (!created)
    return reason_set(error, REASON_CONFLICT, "container %s was started before", container_id);
  if (container->failure)
    return refuse_start(native, container, error);
  if (crun_start(native, container_id, error))
    return container_save(native, container, error);
  g_mutex_lock(&native->lock);
  if (container->state == CONTAINER_RUNNING) {
    container->state = CONTAINER_CREATED;
    container->started_us = 0;
  }
  g_mutex_unlock(&native->lock);
  return false;
}

/* Waits for the container's end until DEADLINE (monotonic; 0: do not wait), or until nobody waits any more. */
static bool wait_exit(NativeRuntime *native, Container *container, int64_t deadline)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  while (container->state != CONTAINER_EXITED && !native->interrupted)
    if (!g_cond_wait_until(&native->exited, &native->lock, deadline))
      break;
  return container->state == CONTAINER_EXITED;
}

static bool is_interrupted(NativeRuntime *native)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  return native->interrupted;
}

static void send_signal(NativeRuntime *native, Container *container, int number)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  if (container->pid_fd >= 0 && syscall(SYS_pidfd_send_signal, container->pid_fd, number, NULL, 0) < 0)
    g_debug("signal %d to container %s: %s", number, container->id, g_strerror(errno));
}

/* "SIGQUIT", "QUIT", "3", "SIGRTMIN+3" as an image or a pod may say. */
static int signal_number(const char *name)
{
  guint64 number;
  if (g_ascii_string_to_unsigned(name, 10, 1, (guint64)SIGRTMAX, &number, NULL))
    return (int)number;
  const char *bare = g_str_has_prefix(name, "SIG") ? name + 3 : name;
  if (g_str_has_prefix(bare, "RTMIN")) {
    int offset = bare[5] == '+' ? (int)g_ascii_strtoll(bare + 6, NULL, 10) : 0;
    return CLAMP(SIGRTMIN + offset, SIGRTMIN, SIGRTMAX);
  }
  for (int i = 1; i < NSIG; i++)
    if (g_strcmp0(sigabbrev_np(i), bare) == 0)
      return i;
  return SIGTERM;
}

static void kill_hard(NativeRuntime *native, Container *container)
{
  send_signal(native, container, SIGKILL);
  if (wait_exit(native, container, g_get_monotonic_time() + KILL_TIMEOUT_SECONDS * G_USEC_PER_SEC) ||
      is_interrupted(native))
    return;
  g_autoptr(GError) error = NULL;
  if (!crun_run(native, "delete", "--force", container->id, &error))
    g_warning("container %s does not end: %s", container->id, error->message);
}

/* Without Container.operation: a second stop with a shorter grace must not wait for the first. */
static bool end_container(NativeRuntime *native, Container *container, int64_t grace_seconds, GError **error)
{
  g_mutex_lock(&native->lock);
  ContainerState state = container->state;
  g_mutex_unlock(&native->lock);
  if (state == CONTAINER_EXITED)
    return true;
  if (grace_seconds > 0 && state == CONTAINER_RUNNING) {
    send_signal(native, container, signal_number(json_str(container->facts, "stopSignal", "SIGTERM")));
    int64_t grace = MIN(grace_seconds, G_MAXINT32) * G_USEC_PER_SEC;
    if (wait_exit(native, container, g_get_monotonic_time() + grace))
      return true;
  }
  if (!is_interrupted(native))
    kill_hard(native, container);
  if (wait_exit(native, container, 0))
    return true;
  if (is_interrupted(native))
    return reason_set(error, REASON_INTERRUPTED, "container %s has not ended yet", container->id);
  return reason_set(error, REASON_RUNTIME, "container %s does not end", container->id);
}

bool container_stop(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Container) container = runtime_find_container(native, container_id, NULL);
  if (!container)
    return true;
  return end_container(native, container, grace_seconds, error);
}

bool container_reopen_log(Runtime *runtime, const char *container_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autofree char *bundle = runtime_bundle(native, container_id);
  return conmon_reopen_log(bundle, error);
}

bool container_remove(Runtime *runtime, const char *container_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Container) container = runtime_find_container(native, container_id, NULL);
  if (!container)
    return true;
  g_autoptr(GMutexLocker) operation = g_mutex_locker_new(&container->operation);
  if (!end_container(native, container, 0, error))
    return false;
  if (!crun_delete(native, container_id, error))
    return false;
  container_erase(native, container_id);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_hash_table_remove(native->containers, container_id);
  return true;
}

#include "driver/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "driver/container_cgroup.h"
#include "driver/container_control.h"
#include "driver/container_holder.h"
#include "driver/container_ports.h"
#include "driver/container_spec.h"
#include "driver/machine_folder.h"
#include "driver/program.h"

enum { HOLDER_END_MS = 10000 }; /* what cutting the power may take before the holder itself is killed */

/* --- what is there ---------------------------------------------------------------------------------------------------
 */

static char *spec_path(const MachineSpec *spec)
{
  return g_build_filename(spec->directory, CONTAINER_SPEC_FILE, NULL);
}

static bool exists(const MachineSpec *spec)
{
  g_autofree char *path = spec_path(spec);
  return access(path, F_OK) == 0;
}

static bool need_exists(const MachineSpec *spec, GError **error)
{
  return exists(spec) ||
         reason_set(error, REASON_GUEST_NOT_FOUND, "The machine of profile \"%s\" does not exist", spec->profile);
}

static bool need_running(const MachineSpec *spec, GError **error)
{
  return need_exists(spec, error) &&
         (holder_find(spec->directory) > 0 ||
          reason_set(error, REASON_GUEST_NOT_RUNNING, "The machine of profile \"%s\" is not running", spec->profile));
}

static char *cgroup_of(const MachineSpec *spec)
{
  return container_cgroup_name(spec->profile, spec->uuid);
}

static bool probe(GError **error)
{
  static const char *const NEEDED[] = { "crun", "slirp4netns" };
  for (size_t i = 0; i < G_N_ELEMENTS(NEEDED); i++) {
    g_autofree char *path = program_path(NEEDED[i]);
    if (!path)
      return reason_set(error, REASON_PROVIDER_NOT_FOUND, "%s is not installed (Debian: crun, slirp4netns)", NEEDED[i]);
  }
  if (geteuid() != 0)
    return reason_set(error, REASON_PROVIDER_PERMISSION,
                      "The container driver needs root: it mounts the boot image and makes network namespaces. Run "
                      "launcher as root, or use --driver=libvirt, which does not need it");
  if (access("/dev/loop-control", F_OK) < 0)
    return reason_set(error, REASON_PROVIDER_UNAVAILABLE, "This host has no loop devices (modprobe loop)");
  return true;
}

/* --- create, start, stop ---------------------------------------------------------------------------------------------
 */

static bool make_fifo(const MachineSpec *spec, GError **error)
{
  g_autofree char *path = g_build_filename(spec->directory, "events", NULL);
  if (mkfifo(path, 0600) < 0 && errno != EEXIST)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", path);
  return true;
}

static bool write_spec(const MachineSpec *spec, GError **error)
{
  g_autofree char *path = spec_path(spec);
  g_autoptr(json_t) json = container_spec_json(spec);
  g_autofree char *text = json_text_pretty(json);
  return file_write_atomic(path, text, strlen(text), 0600, error);
}

static bool create(const MachineSpec *spec, DriverNotice notice, void *notice_data, GError **error)
{
  g_autofree char *data = g_build_filename(spec->directory, "data", NULL);
  g_autofree char *mount = g_build_filename(spec->directory, "mount", NULL);
  /* What is written last makes the machine exist. */
  return probe(error) && file_make_dirs(spec->directory, 0700, error) && file_make_dirs(data, 0755, error) &&
         file_make_dirs(mount, 0700, error) && make_fifo(spec, error) && write_spec(spec, error);
}

/* What a holder that was killed left behind. Its mounts went with the last process. */
static bool sweep(const MachineSpec *spec, GError **error)
{
  g_autofree char *cgroup = cgroup_of(spec);
  return container_cgroup_kill(cgroup, error) && container_cgroup_remove(cgroup, error);
}

static bool resume(const MachineSpec *spec, GError **error)
{
  g_autofree char *cgroup = cgroup_of(spec);
  return need_running(spec, error) && container_cgroup_freeze(cgroup, false, error);
}

static bool start(const MachineSpec *spec, DriverNotice notice, void *notice_data, GError **error)
{
  if (!need_exists(spec, error))
    return false;
  if (holder_find(spec->directory) <= 0) {
    /* The ports of this start may be other than create's. */
    return sweep(spec, error) && write_spec(spec, error) && container_holder_start(spec->directory, error);
  }
  for (size_t i = 0; i < spec->n_ports; i++)
    if (!holder_ask(spec->directory, true, spec->ports[i], error))
      return false;
  g_autofree char *cgroup = cgroup_of(spec);
  return !container_cgroup_is_frozen(cgroup) || resume(spec, error);
}

static bool wait_end(int pidfd, int timeout_ms)
{
  struct pollfd wait = { .fd = pidfd, .events = POLLIN };
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  for (;;) {
    gint64 left = (end - g_get_monotonic_time()) / 1000;
    int result = poll(&wait, 1, (int)MAX(left, 0));
    if (result > 0)
      return true;
    if (result == 0 || errno != EINTR)
      return false;
  }
}

/* Sends SIGNUM to the holder when there is one; true when it has ended within TIMEOUT_MS. */
static bool end_holder(const MachineSpec *spec, int signum, int timeout_ms)
{
  file_autofd int pidfd = holder_pidfd(spec->directory);
  if (pidfd < 0)
    return true;
  return (pidfd_send_signal(pidfd, signum, NULL, 0) < 0 && errno == ESRCH) || wait_end(pidfd, timeout_ms);
}

static bool kill_machine(const MachineSpec *spec, GError **error)
{
  if (!end_holder(spec, SIGINT, HOLDER_END_MS) && !end_holder(spec, SIGKILL, HOLDER_END_MS))
    return reason_set(error, REASON_DRIVER, "The machine's holder does not end");
  return sweep(spec, error);
}

static bool stop(const MachineSpec *spec, int timeout_ms, GError **error)
{
  end_holder(spec, SIGTERM, timeout_ms);
  return kill_machine(spec, error); /* also sweeps when it ended in order */
}

static bool pause_machine(const MachineSpec *spec, GError **error)
{
  g_autofree char *cgroup = cgroup_of(spec);
  return need_running(spec, error) && container_cgroup_freeze(cgroup, true, error);
}

static bool delete_machine(const MachineSpec *spec, GError **error)
{
  return kill_machine(spec, error) && file_remove_tree(spec->directory, error);
}

/* --- questions -------------------------------------------------------------------------------------------------------
 */

static bool machine_state(const MachineSpec *spec, MachineState *state, GError **error)
{
  g_autofree char *cgroup = cgroup_of(spec);
  if (!exists(spec))
    *state = MACHINE_NONEXISTENT;
  else if (holder_find(spec->directory) > 0)
    *state = container_cgroup_is_frozen(cgroup) ? MACHINE_PAUSED : MACHINE_RUNNING;
  else /* without its holder it has no network and no ports: start mends it */
    *state = container_cgroup_populated(cgroup) ? MACHINE_ERROR : MACHINE_STOPPED;
  return true;
}

static char *address(const MachineSpec *spec, GError **error)
{
  return g_strdup(CONTAINER_ADDRESS);
}

static bool forward(const MachineSpec *spec, DriverPort port, GError **error)
{
  return need_running(spec, error) && holder_ask(spec->directory, true, port, error);
}

static bool unforward(const MachineSpec *spec, DriverPort port, GError **error)
{
  return need_running(spec, error) && holder_ask(spec->directory, false, port, error);
}

static int open_events(const MachineSpec *spec, GError **error)
{
  g_autofree char *path = g_build_filename(spec->directory, "events", NULL);
  if (!need_running(spec, error))
    return -1;
  /* The holder has it open for writing, so this does not block; were it to end just now, the read sees end of file. */
  file_autofd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0) {
    reason_set_errno(error, REASON_DRIVER, errno, "Cannot open the machine's events");
    return -1;
  }
  int opened = fd;
  fd = -1;
  return opened;
}

const Driver container_driver = {
  .name = "container",
  .alias = "docker",
  .summary = "one container of this host, without a virtual machine; needs root",
  .priority = 50,
  .probe = probe,
  .create = create,
  .start = start,
  .stop = stop,
  .kill = kill_machine,
  .pause = pause_machine,
  .resume = resume,
  .delete_ = delete_machine,
  .state = machine_state,
  .address = address,
  .forward = forward,
  .unforward = unforward,
  .open_events = open_events,
  .console_log = machine_console_path,
};

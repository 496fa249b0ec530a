#include "clusterd/node/native/sandbox_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <netlink/socket.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/command.h"
#include "clusterd/node/sandbox/namespace.h"
#include "clusterd/node/sandbox/network.h"
#include "clusterd/node/sandbox/pause.h"
#include "clusterd/node/sandbox/sysctls.h"

#define SHM_OPTIONS "mode=1777,size=67108864" /* as every other runtime: 64 MiB */

/* One setup, run on a thread of its own that moves from namespace to namespace. */
typedef struct Setup {
  const NativeRuntime *native;
  const json_t *facts;
  const char *folder;
  const PodAddresses *addresses;
  int pause_fd; /* -1: none */
  bool good;
  GError **error;
} Setup;

static const struct {
  const char *name, *shared; /* shared: the fact that says the node's is used */
  int flag;
} kinds[] = { { "net", "hostNetwork", CLONE_NEWNET },
              { "uts", "hostNetwork", CLONE_NEWUTS },
              { "ipc", "hostIpc", CLONE_NEWIPC } };

/* NAME has dots between its parts, and slashes where a part has a dot. */
static bool write_sysctl(const char *name, const char *value, GError **error)
{
  g_autofree char *path = g_strdup_printf("/proc/sys/%s", name);
  for (char *at = path + strlen("/proc/sys/"); *at; at++)
    *at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
  if (strstr(path, ".."))
    return reason_set(error, REASON_RUNTIME, "sysctl \"%s\" is not allowed", name);
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value, strlen(value)) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot set sysctl %s", name);
  return true;
}

static bool namespaced(const json_t *facts, const char *name)
{
  if (g_str_has_prefix(name, "net."))
    return !json_flag(facts, "hostNetwork", false);
  bool ipc = g_str_has_prefix(name, "kernel.shm") || g_str_has_prefix(name, "kernel.msg") ||
             g_str_equal(name, "kernel.sem") || g_str_has_prefix(name, "fs.mqueue.");
  return ipc && !json_flag(facts, "hostIpc", false);
}

static bool apply_sysctls(const json_t *facts, GError **error)
{
  size_t i;
  json_t *sysctl;
  /* as other runtimes: a process without privileges may serve port 80 */
  if (!json_flag(facts, "hostNetwork", false))
    write_sysctl("net.ipv4.ip_unprivileged_port_start", "0", NULL);
  json_array_foreach (json_object_get(facts, "sysctls"), i, sysctl) {
    const char *value = json_str(sysctl, "value", "");
    g_autofree char *name = sysctls_dotted(json_str(sysctl, "name", ""));
    if (!namespaced(facts, name))
      return reason_set(error, REASON_RUNTIME, "sysctl \"%s\" is not separate in this pod", name);
    if (!write_sysctl(name, value, error))
      return false;
  }
  return true;
}

static bool set_hostname(const json_t *facts, GError **error)
{
  const char *hostname = json_str(facts, "hostname", "");
  if (json_flag(facts, "hostNetwork", false) || !*hostname)
    return true;
  if (sethostname(hostname, strlen(hostname)) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot set the host name %s", hostname);
  return true;
}

static bool pin_all(const Setup *setup, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *path = g_build_filename(setup->folder, kinds[i].name, NULL);
    if (!json_flag(setup->facts, kinds[i].shared, false) && !namespace_pin(kinds[i].name, 0, path, error))
      return false;
  }
  return true;
}

static bool mount_shm(const Setup *setup, GError **error)
{
  g_autofree char *path = g_build_filename(setup->folder, "shm", NULL);
  if (json_flag(setup->facts, "hostIpc", false))
    return true;
  if (mkdir(path, 0755) < 0 || mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, SHM_OPTIONS) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot mount %s", path);
  return true;
}

/* The first process itself, which waits at TALK[0] until all is written down. */
static bool run_pause(Setup *setup, const int talk[2], GError **error)
{
  g_autofree char *path = g_build_filename(setup->folder, "pid", NULL);
  g_autofree char *pid_path = g_build_filename(setup->folder, "pause.pid", NULL);
  const char *const argv[] = { PAUSE_NAME, NULL };
  CommandFd fds[] = { { talk[0], STDIN_FILENO } };
  const CommandOptions options = { .program = "/proc/self/exe", .fds = fds, .n_fds = G_N_ELEMENTS(fds) };
  int pid = command_start(argv, &options, error);
  if (pid < 0)
    return false;
  setup->pause_fd = (int)syscall(SYS_pidfd_open, pid, 0);
  g_autofree char *text = g_strdup_printf("%d", pid);
  if (!namespace_pin("pid", pid, path, error))
    return false;
  if (!g_file_set_contents_full(pid_path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL) || write(talk[1], "", 1) != 1)
    return reason_set(error, REASON_RUNTIME, "Cannot start the pod's first process");
  return true;
}

/* A shared process namespace needs a first process, which adopts and reaps what the containers leave behind. */
static bool start_pause(Setup *setup, GError **error)
{
  int talk[2];
  if (!json_flag(setup->facts, "sharePid", false))
    return true;
  if (unshare(CLONE_NEWPID) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a process namespace");
  if (pipe2(talk, O_CLOEXEC) < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a pipe");
  bool good = run_pause(setup, talk, error);
  close(talk[0]);
  close(talk[1]);
  return good;
}

static bool make_namespaces(Setup *setup, GError **error)
{
  bool own_network = !json_flag(setup->facts, "hostNetwork", false);
  int flags = 0;
  struct nl_sock *host = own_network ? network_socket_open(error) : NULL;
  if (own_network && !host)
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
    flags |= json_flag(setup->facts, kinds[i].shared, false) ? 0 : kinds[i].flag;
  bool good = unshare(flags) == 0 || reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make namespaces");
  if (good && own_network) {
    const char *id = json_str(setup->facts, "id", "");
    g_autofree char *host_name = g_strdup_printf("pod%.10s", id);
    NetworkPort port = { .host_name = host_name, .addresses = *setup->addresses };
    address_pool_gateways(setup->native->addresses, &port.gateways);
    good = network_attach(host, &port, error);
  }
  if (host)
    nl_socket_free(host);
  /* the pins last: a sandbox that has them all is whole, should clusterd be killed before it is told */
  return good && set_hostname(setup->facts, error) && apply_sysctls(setup->facts, error) && mount_shm(setup, error) &&
         start_pause(setup, error) && pin_all(setup, error);
}

static void run_setup(void *data)
{
  Setup *setup = data;
  setup->good = make_namespaces(setup, setup->error);
}

bool sandbox_setup(const NativeRuntime *native, const json_t *facts, const char *folder, const PodAddresses *addresses,
                   int *pause_fd, GError **error)
{
  Setup setup = {
    .native = native, .facts = facts, .folder = folder, .addresses = addresses, .pause_fd = -1, .error = error
  };
  namespace_run(run_setup, &setup);
  if (!setup.good) {
    sandbox_teardown(folder, setup.pause_fd);
    file_close(&setup.pause_fd);
  }
  *pause_fd = setup.pause_fd;
  return setup.good;
}

int sandbox_open_pause(const char *folder)
{
  g_autofree char *pid_path = g_build_filename(folder, "pause.pid", NULL);
  g_autofree char *namespace_path = g_build_filename(folder, "pid", NULL);
  g_autofree char *text = NULL;
  struct stat pinned, live;
  if (!g_file_get_contents(pid_path, &text, NULL, NULL))
    return -1;
  pid_t pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
  g_autofree char *live_path = g_strdup_printf("/proc/%d/ns/pid", pid);
  file_autofd int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  /* the number may meanwhile belong to another process: it must still live in the pinned namespace */
  if (fd < 0 || stat(namespace_path, &pinned) < 0 || stat(live_path, &live) < 0 || pinned.st_ino != live.st_ino ||
      pinned.st_dev != live.st_dev)
    return -1;
  int found = fd;
  fd = -1;
  return found;
}

static void end_pause(int fd)
{
  siginfo_t info;
  if (fd < 0)
    return;
  syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
  waitid(P_PIDFD, (id_t)fd, &info, WEXITED); /* fails when an earlier clusterd was its parent; then init reaps it */
}

void sandbox_teardown(const char *folder, int pause_fd)
{
  g_autofree char *shm = g_build_filename(folder, "shm", NULL);
  g_autofree char *pid = g_build_filename(folder, "pid", NULL);
  end_pause(pause_fd);
  namespace_unpin(pid);
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *path = g_build_filename(folder, kinds[i].name, NULL);
    namespace_unpin(path);
  }
  umount2(shm, MNT_DETACH);
  file_remove_tree(folder, NULL);
}

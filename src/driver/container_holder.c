#include "driver/container_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "driver/container_cgroup.h"
#include "driver/container_child.h"
#include "driver/container_control.h"
#include "driver/container_mount.h"
#include "driver/container_ports.h"
#include "driver/container_spec.h"
#include "driver/event_loop.h"
#include "driver/program.h"

#define CONTAINER_ID "machine" /* crun's state is private to this holder: one name does */
enum {
  READY_FD = 3,
  CRUN_LOG_MAX = 64 * 1024,
  SLIRP_WAIT_MS = 10000,
  REPLY_MAX = 4096,
  FILES_MAX = 1048576,
};

typedef struct Watch {
  EventSource source;
  struct Holder *holder;
  int fd;
} Watch;

typedef struct Holder {
  const char *directory;
  ContainerSpec *spec;
  char *mount; /* the folder with root/, config/, crun/, bundle/ */
  char *cgroup;
  EventLoop *loop;
  PortServer *ports;
  HolderControl *control;
  int events;    /* the FIFO, open for reading and writing: writers find a reader, early events wait in it */
  int slirp_end; /* slirp4netns ends when this closes, so also when we are killed */
  pid_t slirp, machine;
  Watch signals, exit;
} Holder;

/* --- bringing the machine up -----------------------------------------------------------------------------------------
 */

static char *in_folder(const char *folder, const char *name)
{
  return g_build_filename(folder, name, NULL);
}

static bool open_events_fifo(Holder *holder, GError **error)
{
  g_autofree char *path = in_folder(holder->directory, "events");
  holder->events = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return holder->events >= 0 || reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", path);
}

static bool open_ports(Holder *holder, GError **error)
{
  for (size_t i = 0; i < holder->spec->n_ports; i++)
    if (!port_server_open(holder->ports, holder->spec->ports[i], error))
      return false;
  return true;
}

static uint64_t own_capabilities(void)
{
  g_autofree char *text = NULL;
  const char *line = g_file_get_contents("/proc/self/status", &text, NULL, NULL) ? strstr(text, "\nCapEff:") : NULL;
  return line ? g_ascii_strtoull(line + strlen("\nCapEff:"), NULL, 16) : 0;
}

static bool write_bundle(Holder *holder, GError **error)
{
  g_autofree char *root = in_folder(holder->mount, "root");
  g_autofree char *config = in_folder(holder->mount, "config");
  g_autofree char *data = in_folder(holder->directory, "data");
  g_autofree char *events = in_folder(holder->directory, "events");
  g_autofree char *path = in_folder(holder->mount, "bundle/config.json");
  g_autoptr(json_t) json = container_oci_config(holder->spec, root, config, data, events, own_capabilities());
  g_autofree char *text = json_text(json);
  return file_write_atomic(path, text, strlen(text), 0600, error);
}

/* Runs crun with ARGV's words after its own options. The machine's init inherits OUTPUT as its console. */
static bool crun(Holder *holder, const char *const *words, int output, GError **error)
{
  g_autofree char *root = in_folder(holder->mount, "crun/state");
  g_autofree char *log = in_folder(holder->mount, "crun/log");
  g_autofree char *log_option =
      g_strconcat("--log=file:", log, NULL); /* crun takes what precedes a colon for a kind of log */
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  const char *const own[] = { "crun", "--root", root, log_option, "--cgroup-manager", "cgroupfs" };
  for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
    g_ptr_array_add(argv, (void *)(guintptr)own[i]);
  for (size_t i = 0; words[i]; i++)
    g_ptr_array_add(argv, (void *)(guintptr)words[i]);
  g_ptr_array_add(argv, NULL);

  file_autofd int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fds[] = { nothing, output, output };
  pid_t pid = child_start((const char *const *)argv->pdata, fds, G_N_ELEMENTS(fds), error);
  if (pid < 0)
    return false;
  if (child_wait(pid))
    return true;
  g_autoptr(GBytes) talk = file_read(log, CRUN_LOG_MAX, NULL);
  g_autofree char *text = talk ? g_strndup(g_bytes_get_data(talk, NULL), g_bytes_get_size(talk)) : g_strdup("");
  return reason_set(error, REASON_DRIVER, "crun %s failed: %s", words[0], g_strstrip(text));
}

static bool create_container(Holder *holder, GError **error)
{
  g_autofree char *bundle = in_folder(holder->mount, "bundle");
  g_autofree char *pid_path = in_folder(holder->mount, "crun/pid");
  g_autofree char *console_path = in_folder(holder->directory, "console.log");
  g_autofree char *text = NULL;
  const char *const words[] = { "create", "--bundle", bundle, "--pid-file", pid_path, CONTAINER_ID, NULL };
  file_autofd int console = open(console_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (console < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", console_path);
  if (!crun(holder, words, console, error))
    return false;
  if (!g_file_get_contents(pid_path, &text, NULL, NULL) ||
      (holder->machine = (pid_t)g_ascii_strtoll(text, NULL, 10)) < 2)
    return reason_set(error, REASON_DRIVER, "crun did not tell the machine's process");
  return true;
}

static bool wait_readable(int fd, int timeout_ms)
{
  char byte;
  struct epoll_event event = { .events = EPOLLIN };
  file_autofd int epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 &&
         epoll_wait(epoll, &event, 1, timeout_ms) == 1 && read(fd, &byte, 1) == 1;
}

/* Outbound network: tap0 in the machine's namespace, user-mode TCP/IP here. The host's loopback stays out of reach. */
static bool start_network(Holder *holder, GError **error)
{
  int ready[2] = { -1, -1 }, end[2] = { -1, -1 };
  char pid[16];
  g_snprintf(pid, sizeof pid, "%d", (int)holder->machine);
  const char *const argv[] = {
    "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", "--exit-fd=4",
    pid,           "tap0",        NULL
  };
  if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(end, O_CLOEXEC) < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot make a pipe");
  file_autofd int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fds[] = { nothing, STDOUT_FILENO, STDERR_FILENO, ready[1], end[0] };
  holder->slirp = child_start(argv, fds, G_N_ELEMENTS(fds), error);
  holder->slirp_end = end[1];
  close(end[0]);
  close(ready[1]);
  bool up = holder->slirp > 0 && wait_readable(ready[0], SLIRP_WAIT_MS);
  close(ready[0]);
  if (!up && holder->slirp > 0)
    reason_set(error, REASON_LOCAL_NETWORK, "slirp4netns did not come up; see %s/" CONTAINER_HOLDER_LOG,
               holder->directory);
  return up;
}

static bool find_network(Holder *holder, GError **error)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int)holder->machine);
  int namespace = open(path, O_RDONLY | O_CLOEXEC);
  if (namespace < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot open the machine's network namespace");
  port_server_set_target(holder->ports, namespace);
  return true;
}

static bool read_spec(Holder *holder, GError **error)
{
  g_autofree char *path = in_folder(holder->directory, CONTAINER_SPEC_FILE);
  g_autoptr(json_t) json = json_read_file(path, error);
  if (!json || !(holder->spec = container_spec_parse(json, error)))
    return false;
  holder->mount = in_folder(holder->directory, "mount");
  holder->cgroup = container_cgroup_name(holder->spec->profile, holder->spec->uuid);
  return true;
}

/* What conflicts is found first, what costs comes after. */
static bool holder_up(Holder *holder, GError **error)
{
  const char *const start[] = { "start", CONTAINER_ID, NULL };
  if (!holder_claim(holder->directory, error) || !read_spec(holder, error) || !open_events_fifo(holder, error))
    return false;
  holder->loop = event_loop_new(error);
  if (!holder->loop)
    return false;
  holder->ports = port_server_new(holder->loop, holder->spec->address);
  if (!open_ports(holder, error))
    return false;
  holder->control = holder_control_new(holder->loop, holder->directory, holder->ports, error);
  return holder->control && container_mount_prepare(holder->mount, holder->spec->image, holder->spec->config, error) &&
         write_bundle(holder, error) && create_container(holder, error) && find_network(holder, error) &&
         start_network(holder, error) && crun(holder, start, STDERR_FILENO, error);
}

/* --- keeping it ------------------------------------------------------------------------------------------------------
 */

static void on_signal(EventSource *source, uint32_t events)
{
  struct signalfd_siginfo info;
  Watch *watch = (Watch *)source;
  if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
    return;
  int forwarded = info.ssi_signo == SIGTERM ? SIGTERM : SIGKILL;
  container_cgroup_freeze(watch->holder->cgroup, false, NULL); /* a frozen machine takes no signal */
  kill(watch->holder->machine, forwarded);                     /* our child, not waited for yet: the number is its */
}

static void on_exit_of_machine(EventSource *source, uint32_t events)
{
  Watch *watch = (Watch *)source;
  event_loop_quit(watch->holder->loop);
}

static void on_tick(void *data)
{
  Holder *holder = data;
  port_server_tick(holder->ports);
}

static bool watch_descriptor(Holder *holder, Watch *watch, int fd, void (*ready)(EventSource *, uint32_t))
{
  *watch = (Watch){ .source.ready = ready, .holder = holder, .fd = fd };
  return fd >= 0 && event_loop_watch(holder->loop, fd, EPOLLIN, &watch->source);
}

static bool holder_keep(Holder *holder, int signals)
{
  file_autofd int exit = pidfd_open(holder->machine, 0);
  if (!watch_descriptor(holder, &holder->signals, signals, on_signal) ||
      !watch_descriptor(holder, &holder->exit, exit, on_exit_of_machine))
    return false;
  event_loop_run(holder->loop, PORTS_UDP_IDLE_S * 1000 / 2, on_tick, holder);
  return true;
}

/* Whatever came up goes, in any state; the mounts go with the process. */
static void holder_down(Holder *holder)
{
  g_autoptr(GError) problem = NULL;
  holder_control_free(holder->control);
  port_server_free(holder->ports);
  file_close(&holder->slirp_end);
  if (holder->cgroup &&
      !(container_cgroup_kill(holder->cgroup, &problem) && container_cgroup_remove(holder->cgroup, &problem)))
    g_warning("%s", problem->message);
  if (holder->machine > 0)
    child_wait(holder->machine);
  if (holder->slirp > 0) {
    kill(holder->slirp, SIGTERM);
    child_wait(holder->slirp);
  }
  file_close(&holder->events);
  event_loop_free(holder->loop);
  container_spec_free(holder->spec);
  g_free(holder->mount);
  g_free(holder->cgroup);
}

static int block_signals(void)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The machine inherits it. */
static void raise_file_limit(void)
{
  struct rlimit limit = { .rlim_cur = FILES_MAX, .rlim_max = FILES_MAX };
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

static void tell_ready(const GError *error)
{
  g_autofree char *text = holder_reply_text(error);
  if (write(READY_FD, text, strlen(text)) < 0)
    g_warning("nobody waits for the machine's start");
  close(READY_FD);
}

int container_holder_main(int argc, char **argv)
{
  if (argc != 2 || fcntl(READY_FD, F_SETFD, FD_CLOEXEC) < 0) {
    fprintf(stderr, "launcher starts this by itself\n");
    return reason_info(REASON_USAGE)->exit_code;
  }
  g_autoptr(GError) error = NULL;
  Holder holder = { .directory = argv[1], .events = -1, .slirp_end = -1 };
  int signals = block_signals();
  umask(022);
  raise_file_limit();
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* crun's child, the machine's init, becomes ours when crun ends */
  bool up = holder_up(&holder, &error);
  tell_ready(error);
  if (up)
    up = holder_keep(&holder, signals);
  holder_down(&holder);
  return up ? 0 : 1;
}

/* --- the command's side ----------------------------------------------------------------------------------------------
 */

static char *read_all(int fd)
{
  char text[REPLY_MAX];
  size_t length = 0;
  ssize_t got;
  while (length < sizeof text &&
         ((got = read(fd, text + length, sizeof text - length)) > 0 || (got < 0 && errno == EINTR)))
    length += (size_t)MAX(got, 0);
  return g_strndup(text, length);
}

bool container_holder_start(const char *directory, GError **error)
{
  int ready[2];
  g_autofree char *log_path = in_folder(directory, CONTAINER_HOLDER_LOG);
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  const char *const argv[] = { self ? self : "launcher", CONTAINER_HOLDER_VERB, directory, NULL };
  file_autofd int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  file_autofd int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (log < 0 || pipe2(ready, O_CLOEXEC) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", log_path);
  const int fds[] = { nothing, log, log, ready[1] };
  pid_t pid = child_start(argv, fds, G_N_ELEMENTS(fds), error);
  close(ready[1]);
  g_autofree char *reply = pid > 0 ? read_all(ready[0]) : NULL;
  close(ready[0]);
  if (pid < 0)
    return false;
  if (holder_reply_parse(reply, error))
    return true;
  child_wait(pid); /* it cleans up before it ends */
  return false;
}

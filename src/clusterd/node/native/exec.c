#include "clusterd/node/native/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/command.h"

#define SILENCE_MAX_US (2 * (gint64)G_USEC_PER_SEC) /* crun does not write down a pid and does not end either */

/*
 * With a terminal, crun gets one of our own as its standard streams and passes everything on to the one it makes
 * inside; it follows our terminal's size by SIGWINCH.
 */
typedef struct Exec {
  NodeProcess process; /* first */
  pid_t crun;
  char *pid_path;  /* crun writes the inner process's pid there */
  char *spec_path; /* what it is told to run */
  GMutex lock;     /* guards ended and status; held while waiting */
  bool ended;
  int status;
  int terminal; /* master side, for the size; -1 without */
} Exec;

static void exec_resize(NodeProcess *process, unsigned width, unsigned height)
{
  Exec *exec = (Exec *)process;
  struct winsize size = { .ws_row = (unsigned short)MIN(height, 65535), .ws_col = (unsigned short)MIN(width, 65535) };
  if (exec->terminal >= 0 && ioctl(exec->terminal, TIOCSWINSZ, &size) == 0)
    kill(exec->crun, SIGWINCH); /* crun is not the terminal's foreground process */
}

static int exec_wait(NodeProcess *process, GError **error)
{
  Exec *exec = (Exec *)process;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&exec->lock);
  if (!exec->ended)
    exec->status = command_wait(exec->crun);
  exec->ended = true;
  return exec->status;
}

static bool crun_runs(const Exec *exec)
{
  siginfo_t info = { 0 };
  return waitid(P_PID, (id_t)exec->crun, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/* 0: crun has not written it down yet. */
static pid_t read_pid(const Exec *exec)
{
  g_autofree char *text = NULL;
  pid_t pid = g_file_get_contents(exec->pid_path, &text, NULL, NULL) ? (pid_t)g_ascii_strtoll(text, NULL, 10) : 0;
  return pid > 1 ? pid : 0;
}

/* The process can be running before crun has written down its pid: waits for that. 0 when crun ends or keeps silent. */
static pid_t inner_pid(const Exec *exec)
{
  char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  g_autofree char *folder = g_path_get_dirname(exec->pid_path);
  file_autofd int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  inotify_add_watch(notify, folder, IN_CLOSE_WRITE | IN_MOVED_TO); /* first, then the look */
  struct pollfd fds[] = { { .fd = notify, .events = POLLIN }, { .fd = exec->process.exit_fd, .events = POLLIN } };
  gint64 until = g_get_monotonic_time() + SILENCE_MAX_US;
  pid_t pid;
  while ((pid = read_pid(exec)) == 0 && crun_runs(exec)) {
    gint64 left = until - g_get_monotonic_time();
    if (left <= 0 || (poll(fds, G_N_ELEMENTS(fds), (int)(left / 1000 + 1)) < 0 && errno != EINTR))
      break;
    while (read(notify, events, sizeof events) > 0) { /* whichever it was: the file tells */
    }
  }
  return pid;
}

/* The inner process first; crun then ends by itself. Its pid is not reused before crun has reaped it. */
static void end_process(const Exec *exec)
{
  pid_t inner = inner_pid(exec);
  if (inner > 0 && crun_runs(exec))
    kill(inner, SIGKILL);
  else if (inner == 0)
    kill(exec->crun, SIGKILL); /* not reaped yet: the number is still its */
}

static void exec_close(NodeProcess *process)
{
  Exec *exec = (Exec *)process;
  file_close(&process->stdin_fd);
  file_close(&process->stdout_fd);
  file_close(&process->stderr_fd);
  file_close(&exec->terminal);
  if (!exec->ended)
    end_process(exec);
  file_close(&process->exit_fd);
  exec_wait(process, NULL);
  unlink(exec->pid_path);
  unlink(exec->spec_path);
  g_free(exec->pid_path);
  g_free(exec->spec_path);
  g_mutex_clear(&exec->lock);
  g_free(exec);
}

static Exec *exec_new(const NativeRuntime *native, const char *container_id)
{
  Exec *exec = g_new0(Exec, 1);
  g_autofree char *bundle = runtime_bundle(native, container_id);
  g_autofree char *name = runtime_make_id();
  exec->process = (NodeProcess){ -1, -1, -1, -1, exec_resize, exec_wait, exec_close };
  exec->terminal = -1;
  exec->pid_path = g_strdup_printf("%s/exec-%.16s.pid", bundle, name);
  exec->spec_path = g_strdup_printf("%s/exec-%.16s.json", bundle, name);
  g_mutex_init(&exec->lock);
  return exec;
}

/* The container's own process, with other arguments: same user, environment, folder and capabilities. */
static bool write_spec(const NativeRuntime *native, const Exec *exec, const char *container_id, const char *const *argv,
                       bool with_tty, GError **error)
{
  g_autofree char *bundle = runtime_bundle(native, container_id);
  g_autofree char *config_path = g_build_filename(bundle, "config.json", NULL);
  g_autoptr(json_t) config = json_read_file(config_path, error);
  if (!config)
    return false;
  json_t *process = json_object_get(config, "process"), *args = json_array(), *env = json_object_get(process, "env");
  bool has_term = false;
  size_t i;
  json_t *pair;
  for (; *argv; argv++)
    json_array_append_new(args, json_string(*argv));
  json_array_foreach (env, i, pair)
    has_term = has_term || g_str_has_prefix(json_string_value(pair), "TERM=");
  if (with_tty && !has_term)
    json_array_append_new(env, json_string("TERM=xterm"));
  json_object_set_new(process, "args", args);
  json_object_set_new(process, "terminal", json_boolean(with_tty));
  return runtime_write_state(exec->spec_path, process, error);
}

/* Our ends go to the NodeProcess, crun's to *THEIRS. */
static bool open_terminal(Exec *exec, int theirs[3], GError **error)
{
  char name[64];
  struct termios raw;
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  exec->terminal = master;
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof name) != 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a terminal");
  int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "Cannot open a terminal");
  theirs[0] = slave;
  theirs[1] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
  theirs[2] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
  if (tcgetattr(slave, &raw) == 0) { /* the inner terminal does the editing and echoing */
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
  }
  exec->process.stdin_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
  exec->process.stdout_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
  return true;
}

static bool open_pipes(Exec *exec, bool with_stdin, int theirs[3], GError **error)
{
  int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
  bool good = (!with_stdin || pipe2(in, O_CLOEXEC) == 0) && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0;
  theirs[0] = in[0];
  theirs[1] = out[1];
  theirs[2] = err[1];
  exec->process.stdin_fd = in[1];
  exec->process.stdout_fd = out[0];
  exec->process.stderr_fd = err[0];
  return good || reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a pipe");
}

static bool spawn(const NativeRuntime *native, Exec *exec, const char *container_id, const int theirs[3],
                  GError **error)
{
  g_autofree char *root = g_strdup_printf("--root=%s", native->crun_root);
  g_autofree char *pid_file = g_strdup_printf("--pid-file=%s", exec->pid_path);
  g_autofree char *spec = g_strdup_printf("--process=%s", exec->spec_path);
  const char *const argv[] = { native->crun, root, "--cgroup-manager=cgroupfs", "exec", pid_file, spec,
                               container_id, NULL };
  CommandFd fds[3];
  CommandOptions options = { .fds = fds };
  for (int i = 0; i < 3; i++)
    if (theirs[i] >= 0)
      fds[options.n_fds++] = (CommandFd){ theirs[i], i };
  exec->crun = command_start(argv, &options, error);
  if (exec->crun > 0)
    exec->process.exit_fd = (int)syscall(SYS_pidfd_open, exec->crun, 0);
  return exec->crun > 0;
}

NodeProcess *exec_start(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                        bool with_tty, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Container) container = runtime_find_container(native, container_id, error);
  if (!container)
    return NULL;
  g_mutex_lock(&native->lock);
  bool running = container->state == CONTAINER_RUNNING;
  g_mutex_unlock(&native->lock);
  if (!running || !argv || !argv[0]) {
    reason_set(error, REASON_RUNTIME, "container %s %s", container_id,
               running ? "was given no command" : "is not running");
    return NULL;
  }
  Exec *exec = exec_new(native, container_id);
  int theirs[3] = { -1, -1, -1 };
  bool good = (with_tty ? open_terminal(exec, theirs, error) : open_pipes(exec, with_stdin, theirs, error)) &&
              write_spec(native, exec, container_id, argv, with_tty, error) &&
              spawn(native, exec, container_id, theirs, error);
  for (int i = 0; i < 3; i++)
    file_close(&theirs[i]);
  if (good)
    return &exec->process;
  exec->ended = true; /* nothing was started */
  exec_close(&exec->process);
  return NULL;
}

#include "clusterd/node/docker/docker_activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/command.h"

#define BACKLOG 128
#define DOCKERD_PID "dockerd.pid" /* files in the run folder */
#define CONTAINERD_PID "containerd.pid"
#define END_TIMEOUT_MS 10000
#define BACKOFF_MAX_MS 30000
#define STABLE_US (10 * G_USEC_PER_SEC) /* a dockerd that lived this long is started again at once */

enum { LISTENERS_MAX = 2, FIRST_FD = 3 };

struct DockerActivation {
  char *socket_path, *pki_dir, *data_root, *run_dir, *log_path, *dockerd, *containerd, *crun;
  int listeners[LISTENERS_MAX];
  size_t n_listeners;
  uint16_t port;
  bool keep_containers;
  int stop; /* eventfd */
  GThread *thread;
};

static int listen_unix(const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *folder = g_path_get_dirname(path);
  if (strlen(path) >= sizeof address.sun_path) {
    reason_set(error, REASON_RUNTIME, "The socket path %s is too long", path);
    return -1;
  }
  if (!file_make_dirs(folder, 0755, error))
    return -1;
  memcpy(address.sun_path, path, strlen(path) + 1);
  unlink(path);
  file_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  /* until chmod only we could connect: bind's mode lacks write for others under any usual umask */
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot listen on %s", path);
    return -1;
  }
  const struct group *group = getgrnam("docker");
  if (chown(path, 0, group ? group->gr_gid : 0) < 0 || chmod(path, 0660) < 0)
    g_info("%s: %s", path, g_strerror(errno));
  int open = fd;
  fd = -1;
  return open;
}

static int listen_tcp(const char *text, uint16_t *port, GError **error)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(*port) };
  socklen_t length = sizeof address;
  int on = 1;
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
    reason_set(error, REASON_RUNTIME, "%s is not an IPv4 address", text);
    return -1;
  }
  file_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot listen on %s:%u", text, *port);
    return -1;
  }
  *port = ntohs(address.sin_port);
  int open = fd;
  fd = -1;
  return open;
}

/* What pods do themselves, and what no machine of ours has, is left out: containerd starts faster. */
static bool write_containerd_config(const DockerActivation *activation, const char *path, GError **error)
{
  static const char format[] = "version = 2\n"
                               "root = \"%s/containerd\"\n"
                               "state = \"%s/containerd\"\n"
                               "disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\", "
                               "\"io.containerd.internal.v1.tracing\", \"io.containerd.tracing.processor.v1.otlp\", "
                               "\"io.containerd.snapshotter.v1.aufs\", \"io.containerd.snapshotter.v1.btrfs\", "
                               "\"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.zfs\"]\n"
                               "[grpc]\n"
                               "address = \"%s/containerd.sock\"\n";
  g_autofree char *text = g_strdup_printf(format, activation->data_root, activation->run_dir, activation->run_dir);
  return file_make_dirs(activation->run_dir, 0711, error) && file_write_atomic(path, text, strlen(text), 0600, error);
}

/* dockerd does not start without a program called runc: crun takes the same arguments. NULL with an error. */
static char *make_path(const DockerActivation *activation, GError **error)
{
  const char *path = g_getenv("PATH");
  g_autofree char *folder = g_build_filename(activation->run_dir, "docker-bin", NULL);
  g_autofree char *runc = g_build_filename(folder, "runc", NULL);
  if (!file_make_dirs(folder, 0755, error))
    return NULL;
  if (symlink(activation->crun, runc) < 0 && errno != EEXIST) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", runc);
    return NULL;
  }
  return g_strdup_printf("PATH=%s:%s", folder, path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
}

static int open_log(const DockerActivation *activation)
{
  return activation->log_path ? open(activation->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640) : -1;
}

static pid_t start_containerd(const DockerActivation *activation, GError **error)
{
  g_autofree char *config = g_build_filename(activation->run_dir, "containerd.toml", NULL);
  g_autofree char *path = make_path(activation, error);
  if (!path || !write_containerd_config(activation, config, error))
    return -1;
  const char *const env[] = { path, NULL };
  file_autofd int log = open_log(activation);
  const CommandFd fds[] = { { log, STDOUT_FILENO }, { log, STDERR_FILENO } };
  const CommandOptions options = { .env = env, .fds = fds, .n_fds = log >= 0 ? G_N_ELEMENTS(fds) : 0 };
  const char *const argv[] = { activation->containerd, "--config", config, "--log-level", "warn", NULL };
  pid_t pid = command_start(argv, &options, error);
  g_autofree char *pid_path = g_build_filename(activation->run_dir, CONTAINERD_PID, NULL);
  g_autofree char *text = g_strdup_printf("%d", pid);
  if (pid > 0 && !g_file_set_contents(pid_path, text, -1, NULL))
    g_info("Cannot write %s", pid_path);
  return pid;
}

/* Without iptables dockerd cannot publish ports, but builds and runs. */
static void add_network_options(GStrvBuilder *argv)
{
  g_autofree char *iptables = g_find_program_in_path("iptables");
  if (!iptables)
    g_strv_builder_add_many(argv, "--iptables=false", "--ip6tables=false", NULL);
}

static char **make_dockerd_argv(const DockerActivation *activation)
{
  g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
  g_autofree char *containerd = g_strdup_printf("--containerd=%s/containerd.sock", activation->run_dir);
  g_autofree char *data_root = g_strdup_printf("--data-root=%s", activation->data_root);
  g_autofree char *exec_root = g_strdup_printf("--exec-root=%s/docker", activation->run_dir);
  g_autofree char *pid_file = g_strdup_printf("--pidfile=%s/" DOCKERD_PID, activation->run_dir);
  g_autofree char *crun = g_strdup_printf("--add-runtime=crun=%s", activation->crun);
  /* the daemon wants its own pid in LISTEN_PID, which only a shell can know before it becomes the daemon */
  g_strv_builder_add_many(argv, "/bin/sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh", activation->dockerd, "-H", "fd://",
                          containerd, data_root, exec_root, pid_file, crun, "--default-runtime=crun",
                          "--storage-driver=overlay2", "--exec-opt=native.cgroupdriver=cgroupfs", "--log-level=warn",
                          NULL);
  add_network_options(argv);
  if (activation->keep_containers)
    g_strv_builder_add(argv, "--live-restore");
  if (activation->pki_dir) {
    g_autofree char *ca = g_strdup_printf("--tlscacert=%s/docker-ca.crt", activation->pki_dir);
    g_autofree char *cert = g_strdup_printf("--tlscert=%s/docker-server.crt", activation->pki_dir);
    g_autofree char *key = g_strdup_printf("--tlskey=%s/docker-server.key", activation->pki_dir);
    g_strv_builder_add_many(argv, "--tlsverify", ca, cert, key, NULL);
  }
  return g_strv_builder_end(argv);
}

static pid_t start_dockerd(const DockerActivation *activation, GError **error)
{
  g_autofree char *pid_path = g_build_filename(activation->run_dir, DOCKERD_PID, NULL);
  unlink(pid_path); /* of one that was killed: it would be taken for alive if its number were another's now */
  g_auto(GStrv) argv = make_dockerd_argv(activation);
  g_autofree char *count = g_strdup_printf("LISTEN_FDS=%zu", activation->n_listeners);
  g_autofree char *path = make_path(activation, error);
  if (!path)
    return -1;
  const char *const env[] = { count, path, NULL };
  file_autofd int log = open_log(activation);
  CommandFd fds[LISTENERS_MAX + 2];
  CommandOptions options = { .env = env, .fds = fds };
  for (size_t i = 0; i < activation->n_listeners; i++)
    fds[options.n_fds++] = (CommandFd){ activation->listeners[i], FIRST_FD + (int)i };
  if (log >= 0) {
    fds[options.n_fds++] = (CommandFd){ log, STDOUT_FILENO };
    fds[options.n_fds++] = (CommandFd){ log, STDERR_FILENO };
  }
  return command_start((const char *const *)argv, &options, error);
}

/* Waits until FD can be read, for TIMEOUT_MS (-1: forever), or the activation is to stop (false). */
static bool wait_for(const DockerActivation *activation, const int *fds, size_t count, int timeout_ms)
{
  struct pollfd wait[LISTENERS_MAX + 1];
  for (size_t i = 0; i < count; i++)
    wait[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
  wait[count] = (struct pollfd){ .fd = activation->stop, .events = POLLIN };
  while (poll(wait, count + 1, timeout_ms) < 0)
    ; /* a signal */
  return !wait[count].revents;
}

static int open_pid(pid_t pid)
{
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* SIGTERM, and SIGKILL when that does not help in time. */
static void end_process(pid_t pid)
{
  file_autofd int fd = open_pid(pid);
  struct pollfd wait = { .fd = fd, .events = POLLIN };
  kill(pid, SIGTERM);
  if (fd < 0 || poll(&wait, 1, END_TIMEOUT_MS) <= 0) {
    kill(pid, SIGKILL);
    poll(&wait, fd >= 0, END_TIMEOUT_MS); /* it need not be our child */
  }
  command_wait(pid);
}

/* Runs both daemons until dockerd ends or the activation stops. */
static void serve(DockerActivation *activation)
{
  g_autoptr(GError) error = NULL;
  pid_t containerd = start_containerd(activation, &error);
  pid_t dockerd = containerd > 0 ? start_dockerd(activation, &error) : -1;
  if (dockerd > 0) {
    file_autofd int fd = open_pid(dockerd);
    g_message("dockerd started");
    if (wait_for(activation, &fd, 1, -1))
      g_message("dockerd ended with status %d", command_wait(dockerd));
    else
      end_process(dockerd);
  } else {
    g_warning("docker: %s", error->message);
  }
  if (containerd > 0)
    end_process(containerd);
}

static void *run(void *data)
{
  DockerActivation *activation = data;
  int backoff_ms = 0;
  while (wait_for(activation, NULL, 0, backoff_ms) &&
         wait_for(activation, activation->listeners, activation->n_listeners, -1)) {
    int64_t started = g_get_monotonic_time();
    serve(activation);
    bool stable = g_get_monotonic_time() - started >= STABLE_US;
    backoff_ms = stable ? 0 : CLAMP(backoff_ms * 2, 100, BACKOFF_MAX_MS);
  }
  return NULL;
}

static bool open_listeners(DockerActivation *activation, const DockerActivationConfig *config, GError **error)
{
  int fd = listen_unix(config->socket_path, error);
  if (fd < 0)
    return false;
  activation->listeners[activation->n_listeners++] = fd;
  if (!config->address)
    return true;
  activation->port = config->port;
  fd = listen_tcp(config->address, &activation->port, error);
  if (fd < 0)
    return false;
  activation->listeners[activation->n_listeners++] = fd;
  return true;
}

static const char *or_default(const char *value, const char *fallback)
{
  return value ? value : fallback;
}

/* The caller frees. */
static char *find_program(const char *given, const char *name, const char *usual)
{
  char *found = given ? g_strdup(given) : g_find_program_in_path(name);
  return found ? found : g_strdup(usual);
}

/* Whether process PID runs PROGRAM: the number may be another's by now. */
static bool runs_program(pid_t pid, const char *program)
{
  g_autofree char *link = g_strdup_printf("/proc/%d/exe", pid);
  struct stat running, wanted;
  return stat(link, &running) == 0 && stat(program, &wanted) == 0 && running.st_ino == wanted.st_ino &&
         running.st_dev == wanted.st_dev;
}

/* A daemon that outlived who started it holds the sockets and the data. */
static void end_leftover(const DockerActivation *activation, const char *pid_file, const char *program)
{
  g_autofree char *path = g_build_filename(activation->run_dir, pid_file, NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return;
  pid_t pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
  if (pid > 1 && runs_program(pid, program)) {
    g_message("docker: ending process %d, which was left behind", pid);
    end_process(pid);
  }
  unlink(path);
}

DockerActivation *docker_activation_start(const DockerActivationConfig *config, GError **error)
{
  DockerActivation *activation = g_new0(DockerActivation, 1);
  activation->socket_path = g_strdup(config->socket_path);
  activation->pki_dir = config->address ? g_strdup(config->pki_dir) : NULL;
  activation->data_root = g_strdup(or_default(config->data_root, "/var/lib/docker"));
  activation->run_dir = g_strdup(config->run_dir);
  activation->log_path = g_strdup(config->log_path);
  activation->keep_containers = config->keep_containers;
  activation->dockerd = find_program(config->dockerd, "dockerd", "/usr/sbin/dockerd");
  activation->containerd = find_program(config->containerd, "containerd", "/usr/bin/containerd");
  activation->crun = find_program(config->crun, "crun", "/usr/bin/crun");
  activation->stop = eventfd(0, EFD_CLOEXEC);
  bool good = !config->address || config->pki_dir ||
              reason_set(error, REASON_RUNTIME, "docker over TCP needs certificates: without them it would be open");
  end_leftover(activation, DOCKERD_PID, activation->dockerd);
  end_leftover(activation, CONTAINERD_PID, activation->containerd);
  if (!good || !open_listeners(activation, config, error)) {
    docker_activation_stop(activation);
    return NULL;
  }
  activation->thread = g_thread_new("docker", run, activation);
  return activation;
}

uint16_t docker_activation_port(const DockerActivation *activation)
{
  return activation->port;
}

void docker_activation_stop(DockerActivation *activation)
{
  if (!activation)
    return;
  eventfd_write(activation->stop, 1);
  if (activation->thread)
    g_thread_join(activation->thread);
  for (size_t i = 0; i < activation->n_listeners; i++)
    file_close(&activation->listeners[i]);
  if (activation->n_listeners > 0)
    unlink(activation->socket_path);
  file_close(&activation->stop);
  char **strings[] = { &activation->socket_path, &activation->pki_dir, &activation->data_root,  &activation->run_dir,
                       &activation->log_path,    &activation->dockerd, &activation->containerd, &activation->crun };
  for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(*strings[i]);
  g_free(activation);
}

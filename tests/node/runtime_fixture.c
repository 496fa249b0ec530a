#include "runtime_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/command.h"
#include "clusterd/node/cri/cri.h"
#include "clusterd/node/docker/docker.h"
#include "clusterd/node/docker/docker_activation.h"
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/native/native.h"
#include "clusterd/server/node_access.h"

#define RUN_DIR "/run/launcher"
#define POD_CIDR "10.244.0.0/24"
#define DOCKER_SOCKET "/run/docker.sock"
#define DOCKER_ROOT "/var/lib/docker"
#define PRELOADED DATA_DIR "/preloaded"
#define CONTAINERD_SOCKET "/run/containerd/containerd.sock"

Runtime *runtime;
int events;
static DockerActivation *daemon_;
static pid_t containerd;

static void count_event(const char *sandbox_id, const char *container_id, void *data)
{
  g_atomic_int_inc(&events);
}

static Runtime *open_native(GError **error)
{
  NativeRuntimeConfig config = { .data_dir = DATA_DIR, .run_dir = RUN_DIR, .pod_cidr = POD_CIDR };
  return native_runtime_new(&config, error);
}

static Runtime *open_docker(GError **error)
{
  g_autofree char *pause = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "src/clusterd/clusterd-pause", NULL);
  DockerRuntimeConfig config = { .socket_path = DOCKER_SOCKET,
                                 .data_dir = DATA_DIR,
                                 .pod_cidr = POD_CIDR,
                                 .preloaded_store = PRELOADED,
                                 .pause_program = pause,
                                 .log_size = LOG_SIZE,
                                 .log_files = 1000 };
  return docker_runtime_new(&config, error);
}

void fixture_load(const char *folder)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ImageStore) store = image_store_open(folder, NULL, NULL, DATA_DIR "/nobody", &error);
  g_assert_no_error(error);
  file_autofd int fd = open(g_getenv("PRELOADED_ARCHIVE"), O_RDONLY | O_CLOEXEC);
  g_autoptr(json_t) loaded = image_store_load(store, fd, &error);
  g_assert_no_error(error);
}

static Runtime *open_containerd(GError **error)
{
  g_autofree char *pause = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "src/clusterd/clusterd-pause", NULL);
  CriRuntimeConfig config = { .name = "containerd",
                              .socket_path = CONTAINERD_SOCKET,
                              .data_dir = DATA_DIR,
                              .run_dir = RUN_DIR,
                              .pod_cidr = POD_CIDR,
                              .pause_program = pause };
  return cri_runtime_new(&config, error);
}

/* With the machine's own configuration. */
static bool begin_containerd(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *config =
      g_test_build_filename(G_TEST_DIST, "iso", "rootfs", "etc", "containerd", "config.toml", NULL);
  g_autofree char *program = g_find_program_in_path("containerd");
  file_autofd int log = open("/var/log/containerd.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  const char *const argv[] = { program, "--config", config, "--log-level", "warn", NULL };
  const CommandFd fds[] = { { log, STDOUT_FILENO }, { log, STDERR_FILENO } };
  const CommandOptions options = { .fds = fds, .n_fds = G_N_ELEMENTS(fds) };
  containerd = command_start(argv, &options, &error);
  g_assert_no_error(error);
  return true;
}

static void end_containerd(int number)
{
  if (containerd > 0) {
    kill(containerd, number);
    waitpid(containerd, NULL, 0);
  }
  containerd = 0;
}

/* The daemon a node has: its first connection starts it. */
static bool begin_docker(void)
{
  g_autoptr(GError) error = NULL;
  if (!g_file_test(PRELOADED, G_FILE_TEST_IS_DIR))
    fixture_load(PRELOADED);
  DockerActivationConfig config = { .socket_path = DOCKER_SOCKET,
                                    .data_root = DOCKER_ROOT,
                                    .run_dir = RUN_DIR,
                                    .log_path = "/var/log/docker.log",
                                    .keep_containers = true };
  daemon_ = docker_activation_start(&config, &error);
  g_assert_no_error(error);
  return true;
}

static const struct RuntimeRow {
  const char *name;
  bool (*begin)(void); /* NULL: nothing is needed */
  Runtime *(*open)(GError **error);
} rows[] = { { "native", NULL, open_native },
             { "docker", begin_docker, open_docker },
             { "containerd", begin_containerd, open_containerd } };
static const struct RuntimeRow *chosen;

bool fixture_begin(const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (g_str_equal(rows[i].name, name))
      chosen = &rows[i];
  if (!chosen)
    g_error("there is no runtime %s", name);
  return !chosen->begin || chosen->begin();
}

void fixture_end(void)
{
  g_clear_pointer(&daemon_, docker_activation_stop);
  end_containerd(SIGTERM);
}

void fixture_kill_containerd(void)
{
  end_containerd(SIGKILL);
}

void fixture_start_containerd(void)
{
  begin_containerd();
}

bool fixture_is(const char *name)
{
  return g_str_equal(chosen->name, name);
}

void open_runtime(void)
{
  g_autoptr(GError) error = NULL;
  runtime = chosen->open(&error);
  g_assert_no_error(error);
  runtime->set_event_handler(runtime, count_event, NULL);
}

char *run_sandbox(const SandboxSpec *changes)
{
  static unsigned count;
  g_autoptr(GError) error = NULL;
  SandboxSpec spec = changes ? *changes : (SandboxSpec){ 0 };
  spec.namespace_ = "default";
  spec.name = "pod";
  spec.uid = "uid";
  spec.attempt = count++;
  spec.hostname = spec.host_network ? NULL : "pod-host";
  spec.log_directory = LOG_DIR;
  spec.cgroup_parent = "/kubepods/burstable/poduid";
  char *id = runtime->run_sandbox(runtime, &spec, &error);
  g_assert_no_error(error);
  return id;
}

/* Starts `sh -c SCRIPT`. */
char *run_script(const char *sandbox_id, const char *script, const ContainerSpec *changes)
{
  static unsigned count;
  g_autoptr(GError) error = NULL;
  g_autofree char *log_path = g_strdup_printf("%s/main/%u.log", LOG_DIR, count);
  const char *const command[] = { "/bin/sh", "-c", script, NULL };
  ContainerSpec spec = changes ? *changes : (ContainerSpec){ 0 };
  spec.name = "main";
  spec.attempt = count++;
  spec.image_id = spec.image_id ? spec.image_id : IMAGE;
  spec.command = command;
  spec.log_path = spec.log_path ? spec.log_path : log_path;
  char *id = runtime->create_container(runtime, sandbox_id, &spec, &error);
  g_assert_no_error(error);
  bool started = runtime->start_container(runtime, id, &error);
  g_assert_no_error(error);
  g_assert_true(started);
  return id;
}

ContainerStatus *wait_exited(const char *id)
{
  for (int i = 0; i < 2000; i++) {
    ContainerStatus *status = runtime->container_status(runtime, id, NULL);
    g_assert_nonnull(status);
    if (status->state == CONTAINER_EXITED)
      return status;
    container_status_free(status);
    g_usleep(10000);
  }
  g_error("container %s does not end", id);
}

void remove_sandbox(char *id)
{
  g_autoptr(GError) error = NULL;
  bool removed = runtime->remove_sandbox(runtime, id, &error);
  g_assert_no_error(error);
  g_assert_true(removed);
  g_free(id);
}

char *read_all(int fd)
{
  GString *text = g_string_new(NULL);
  char block[4096];
  ssize_t got;
  while ((got = read(fd, block, sizeof block)) > 0)
    g_string_append_len(text, block, got);
  return g_string_free(text, FALSE);
}

/* The output of SCRIPT in a container that runs; its exit status to *STATUS. */
char *exec_script(const char *id, const char *script, int *status)
{
  g_autoptr(GError) error = NULL;
  const char *const argv[] = { "/bin/sh", "-c", script, NULL };
  NodeProcess *process = runtime->exec(runtime, id, argv, false, false, &error);
  g_assert_no_error(error);
  char *output = read_all(process->stdout_fd);
  g_autofree char *complaint = read_all(process->stderr_fd);
  if (*complaint)
    g_test_message("%s", complaint);
  *status = process->wait(process, &error);
  if (error)
    g_test_message("%s", error->message);
  process->close(process);
  return output;
}

void assert_exec(const char *id, const char *script, const char *wanted)
{
  int status;
  g_autofree char *output = exec_script(id, script, &status);
  if (g_strcmp0(output, wanted) != 0 || status != 0)
    g_test_message("%s: status %d", script, status);
  g_assert_cmpstr(output, ==, wanted);
  g_assert_cmpint(status, ==, 0);
}

void load_image(const char *path)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) loaded = NULL;
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  g_assert_true(runtime->load_image(runtime, fd, &loaded, &error));
  g_assert_no_error(error);
  g_assert_cmpstr(json_string_value(json_array_get(loaded, 0)), ==, "docker.io/library/" IMAGE);
}

void fixture_kill_daemon(void)
{
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(RUN_DIR "/dockerd.pid", &text, NULL, NULL));
  int pid = (int)g_ascii_strtoll(text, NULL, 10);
  g_assert_cmpint(pid, >, 1);
  g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
  for (int i = 0; i < 6000 && kill(pid, 0) == 0; i++)
    g_usleep(10000);
  g_assert_cmpint(kill(pid, 0), <, 0);
}

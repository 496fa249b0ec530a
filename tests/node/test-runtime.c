/*
 * What every container runtime promises (clusterd/node/runtime.h), with real containers. Run through
 * tests/node/sandbox.sh, as root: test-runtime RUNTIME BUSYBOX_ARCHIVE, the archive made by tests/images/make-image.py.
 */
#include <fcntl.h>
#include <glib.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cni_plugin.h"
#include "clusterd/node/logs/log_files.h"
#include "clusterd/node/logs/log_reader.h"
#include "clusterd/node/logs/log_rotation.h"
#include "clusterd/node/sandbox/pause.h"
#include "clusterd/server/node_access.h"
#include "docker_tests.h"
#include "image_tests.h"
#include "runtime_fixture.h"

static char *log_text(const char *path, bool timestamps)
{
  LogOptions options = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1, .timestamps = timestamps };
  file_autofd int fd = log_reader_open(path, &options, NULL, NULL, NULL, NULL);
  return read_all(fd);
}

static bool matches(const char *pattern, const char *text)
{
  return g_regex_match_simple(pattern, text, G_REGEX_MULTILINE, 0);
}

static void test_exit_code_and_log(void)
{
  char *sandbox = run_sandbox(NULL);
  int before = g_atomic_int_get(&events);
  ContainerSpec changes = { .log_path = LOG_DIR "/log/0.log" };
  g_autofree char *id = run_script(sandbox, "echo out; echo err >&2; exit 7", &changes);
  g_autoptr(ContainerStatus) status = wait_exited(id);
  g_autofree char *log = NULL, *raw = NULL;
  g_assert_cmpint(status->exit_code, ==, 7);
  g_assert_false(status->oom_killed);
  g_assert_cmpint(status->finished_us, >=, status->started_us);
  g_assert_cmpint(status->started_us, >=, status->created_us);
  log = log_text(changes.log_path, true);
  g_assert_true(matches("^\\d{4}-\\d\\d-\\d\\dT\\S+Z out$", log));
  g_assert_true(matches("^\\d{4}-\\d\\d-\\d\\dT\\S+Z err$", log));
  g_assert_true(g_file_get_contents(changes.log_path, &raw, NULL, NULL));
  if (fixture_is("docker")) {
    g_assert_nonnull(strstr(raw, "{\"log\":\"out\\n\",\"stream\":\"stdout\","));
    g_assert_nonnull(strstr(raw, "{\"log\":\"err\\n\",\"stream\":\"stderr\","));
  } else {
    g_assert_true(matches("^\\S+ stdout F out$", raw));
    g_assert_true(matches("^\\S+ stderr F err$", raw));
  }
  for (int i = 0; i < 1000 && g_atomic_int_get(&events) == before; i++)
    g_usleep(1000);
  g_assert_cmpint(g_atomic_int_get(&events), ==, before + 1);
  remove_sandbox(sandbox);
}

static guint rotated(const char *path)
{
  g_autoptr(GPtrArray) files = log_files_rotated(path);
  return files->len;
}

static bool has_lines(const char *path, unsigned count)
{
  g_autofree char *text = log_text(path, false);
  g_autoptr(GString) wanted = g_string_new(NULL);
  for (unsigned i = 0; i < count; i++)
    g_string_append_printf(wanted, "line %u\n", i);
  return g_str_equal(text, wanted->str);
}

/* What writes the log goes on in a new file, when it is told to or by itself, and no line is lost on the way, or there
 * twice. */
static void test_log_rotation(void)
{
  const LogLimits limits = { .size = LOG_SIZE, .files = 1000, .interval_us = 1000 };
  char *sandbox = run_sandbox(NULL);
  ContainerSpec changes = { .log_path = LOG_DIR "/rotated/0.log" };
  g_autofree char *id =
      run_script(sandbox, "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i + 1)); done; exec sleep 1000", &changes);
  LogRotation *rotation = runtime->rotates_logs ? NULL : log_rotation_new(runtime, &limits);
  if (rotation)
    log_rotation_watch(rotation, id, changes.log_path);
  for (int i = 0; i < 6000 && !(has_lines(changes.log_path, 1000) && rotated(changes.log_path) >= 1); i++)
    g_usleep(10000);
  assert_exec(id, "i=1000; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); done >/proc/1/fd/1", "");
  for (int i = 0; i < 6000 && !(has_lines(changes.log_path, 3000) && rotated(changes.log_path) >= 2); i++)
    g_usleep(10000);
  g_assert_true(has_lines(changes.log_path, 3000));
  g_assert_cmpuint(rotated(changes.log_path), >=, 2);
  log_rotation_free(rotation);
  remove_sandbox(sandbox);
}

static void test_exec(void)
{
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  int status;
  assert_exec(id, "hostname; cat /etc/hostname", "pod-host\npod-host\n");
  g_autofree char *output = exec_script(id, "exit 42", &status);
  g_assert_cmpint(status, ==, 42);
  g_autoptr(GError) error = NULL;
  const char *const argv[] = { "sh", "-c", "stty size; read line; echo got $line; tty", NULL };
  NodeProcess *process = runtime->exec(runtime, id, argv, true, true, &error);
  g_assert_no_error(error);
  process->resize(process, 100, 40);
  g_assert_cmpint(write(process->stdin_fd, "word\n", 5), ==, 5);
  g_autofree char *screen = read_all(process->stdout_fd);
  g_assert_cmpint(process->wait(process, &error), ==, 0);
  process->close(process);
  g_assert_nonnull(strstr(screen, "got word"));
  g_assert_nonnull(strstr(screen, "/dev/pts/"));
  remove_sandbox(sandbox);
}

/* Closing the streams of a command that still runs ends it. */
static void test_exec_close(void)
{
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  const char *const argv[] = { "sh", "-c", "echo up; exec sleep 12345", NULL };
  g_autoptr(GError) error = NULL;
  char word[3];
  NodeProcess *process = runtime->exec(runtime, id, argv, false, false, &error);
  g_assert_no_error(error);
  g_assert_cmpint(read(process->stdout_fd, word, sizeof word), ==, 3);
  process->close(process);
  assert_exec(id, "ps | grep -c 'sleep 1234[5]' || true", "0\n");
  const char *const early[] = { "sleep", "12346", NULL }; /* before it can have begun */
  process = runtime->exec(runtime, id, early, false, false, &error);
  g_assert_no_error(error);
  process->close(process);
  assert_exec(id, "ps | grep -c 'sleep 1234[6]' || true", "0\n");
  remove_sandbox(sandbox);
}

static void test_attach(void)
{
  char *sandbox = run_sandbox(NULL);
  ContainerSpec changes = { .stdin_ = true, .stdin_once = true };
  g_autofree char *id = run_script(sandbox, "read word; echo \"got $word\"; echo bad >&2; exit 3", &changes);
  g_autoptr(GError) error = NULL;
  NodeProcess *process = runtime->attach(runtime, id, true, false, &error);
  g_assert_no_error(error);
  g_assert_cmpint(write(process->stdin_fd, "hello\n", 6), ==, 6);
  g_autofree char *out = read_all(process->stdout_fd);
  g_autofree char *err = read_all(process->stderr_fd);
  g_assert_cmpstr(out, ==, "got hello\n");
  g_assert_cmpstr(err, ==, "bad\n");
  g_assert_cmpint(process->wait(process, &error), ==, 3);
  process->close(process);
  remove_sandbox(sandbox);
}

static void test_stop(void)
{
  char *sandbox = run_sandbox(NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *polite = run_script(sandbox, "trap 'exit 5' TERM; while :; do sleep 0.05; done", NULL);
  g_autofree char *stubborn = run_script(sandbox, "trap '' TERM; while :; do sleep 0.05; done", NULL);
  g_usleep(200000); /* the shells set their traps */
  g_assert_true(runtime->stop_container(runtime, polite, 30, &error));
  g_assert_true(runtime->stop_container(runtime, stubborn, 1, &error));
  g_autoptr(ContainerStatus) one = runtime->container_status(runtime, polite, &error);
  g_autoptr(ContainerStatus) other = runtime->container_status(runtime, stubborn, &error);
  g_assert_cmpint(one->exit_code, ==, 5);
  g_assert_cmpint(other->exit_code, ==, 128 + SIGKILL);
  g_assert_true(runtime->stop_container(runtime, polite, 30, &error));
  remove_sandbox(sandbox);
}

/* An image may say by which signal its containers are asked to end. */
static void test_stop_signal(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) loaded = NULL;
  file_autofd int fd = open(g_getenv("PRELOADED_ARCHIVE"), O_RDONLY | O_CLOEXEC);
  g_assert_true(runtime->load_image(runtime, fd, &loaded, &error));
  g_assert_no_error(error);
  char *sandbox = run_sandbox(NULL);
  ContainerSpec changes = { .image_id = "preloaded:1" };
  g_autofree char *id = run_script(sandbox, "trap 'exit 5' USR1; trap '' TERM; while :; do sleep 0.05; done", &changes);
  int status;
  g_free(exec_script(id, "until grep -q 'SigIgn:.*[4-7c-f]...$' /proc/1/status; do sleep 0.05; done", &status));
  g_assert_true(runtime->stop_container(runtime, id, 3600, &error));
  g_assert_no_error(error);
  g_autoptr(ContainerStatus) ended = wait_exited(id);
  g_assert_cmpint(ended->exit_code, ==, 5);
  remove_sandbox(sandbox);
}

static void *stop_slowly(void *id)
{
  GError *error = NULL;
  g_assert_false(runtime->stop_container(runtime, id, 3600, &error));
  return error;
}

/* Stops are called off, the one in progress and later ones; the container runs on, and the next runtime can end it. */
static void test_interrupt(void)
{
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "trap 'touch /asked' TERM; touch /set; while :; do sleep 0.05; done", NULL);
  int status = 0;
  g_free(exec_script(id, "until [ -e /set ]; do sleep 0.05; done", &status));
  GThread *stop = g_thread_new("stop", stop_slowly, id);
  g_free(exec_script(id, "until [ -e /asked ]; do sleep 0.05; done", &status));
  runtime->interrupt(runtime);
  g_autoptr(GError) error = g_thread_join(stop), later = stop_slowly(id);
  g_assert_error(error, LAUNCHER_ERROR, REASON_INTERRUPTED);
  g_assert_error(later, LAUNCHER_ERROR, REASON_INTERRUPTED);
  g_autoptr(GError) refused = NULL;
  g_assert_false(runtime->stop_sandbox(runtime, sandbox, &refused));
  g_assert_error(refused, LAUNCHER_ERROR, REASON_INTERRUPTED);
  assert_exec(id, "echo runs", "runs\n");
  runtime->free(runtime);
  open_runtime();
  remove_sandbox(sandbox);
}

static void test_oom(void)
{
  char *sandbox = run_sandbox(NULL);
  ContainerSpec changes = { .memory_limit_bytes = 16 << 20 };
  g_autofree char *id = run_script(sandbox, "x=a; while :; do x=$x$x$x$x; done", &changes);
  g_autoptr(ContainerStatus) status = wait_exited(id);
  g_assert_cmpint(status->exit_code, !=, 0);
  if (access("/sys/fs/cgroup/memory/memory.oom_control", F_OK) == 0 || access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0)
    g_assert_true(status->oom_killed);
  remove_sandbox(sandbox);
}

static void test_pod_shares(void)
{
  char *sandbox = run_sandbox(NULL);
  SandboxStatus status = { 0 };
  g_autofree char *one = run_script(sandbox, "httpd -f -p 8080 -h /etc", NULL);
  g_autofree char *other = run_script(sandbox, "sleep 1000", NULL);
  g_assert_true(runtime->sandbox_status(runtime, sandbox, &status, NULL));
  g_assert_true(status.ready);
  g_assert_true(g_str_has_prefix(status.ip, "10.244.0."));
  g_usleep(200000);
  assert_exec(other, "wget -qO- http://127.0.0.1:8080/hostname", "pod-host\n");
  assert_exec(one, "echo x > /dev/shm/f", "");
  assert_exec(other, "cat /dev/shm/f; ps | grep -c [h]ttpd || true", "x\n0\n");
  int fd = runtime->connect(runtime, sandbox, 8080, NULL);
  g_assert_cmpint(fd, >=, 0);
  close(fd);
  g_autoptr(GError) error = NULL;
  g_assert_cmpint(runtime->connect(runtime, sandbox, 8081, &error), <, 0);
  g_autoptr(GPtrArray) own = runtime->list_containers(runtime, sandbox, NULL);
  g_autoptr(GPtrArray) all = runtime->list_containers(runtime, NULL, NULL);
  g_assert_cmpuint(own->len, ==, 2);
  g_assert_cmpuint(all->len, ==, 2);
  g_assert_nonnull(error);
  /* another pod reaches it through the node */
  char *second = run_sandbox(NULL);
  g_autofree char *script = g_strdup_printf(
      "ping -c1 -w3 %s >/dev/null; printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 5 %s 8080 | tail -1", status.ip,
      status.ip);
  g_autofree char *third = run_script(second, "sleep 1000", NULL);
  assert_exec(third, script, "pod-host\n");
  sandbox_status_clear(&status);
  remove_sandbox(sandbox);
  remove_sandbox(second);
}

static void test_shared_process_namespace(void)
{
  SandboxSpec changes = { .share_process_namespace = true };
  char *sandbox = run_sandbox(&changes);
  g_autofree char *one = run_script(sandbox, "exec sleep 4321", NULL);
  g_autofree char *other = run_script(sandbox, "sleep 1000", NULL);
  assert_exec(other, "ps -o pid,args | grep -c '[s]leep 4321'; ps -o args | sed -n 2p", "1\n/pause\n");
  remove_sandbox(sandbox);
}

/* A container may look into another one: it sees its processes and files, and goes with it. */
static void test_target(void)
{
  char *sandbox = run_sandbox(NULL);
  g_autofree char *main_id = run_script(sandbox, "echo inside >/mark; exec sleep 4321", NULL);
  g_autofree char *other = run_script(sandbox, "exec sleep 5432", NULL);
  int status;
  g_free(exec_script(
      main_id, "until [ \"$(cat /proc/1/cmdline | tr '\\0' ' ')\" = 'sleep 4321 ' ]; do sleep 0.05; done", &status));
  ContainerSpec changes = { .target_id = main_id };
  g_autofree char *debugger = run_script(sandbox, "sleep 1000", &changes);
  assert_exec(debugger, "ps -o pid,args | sed -n 2p; ps -o args | grep -c '[s]leep 5432'; cat /proc/1/root/mark",
              "    1 sleep 4321\n0\ninside\n");
  assert_exec(main_id, "ps -o args | grep -c '[s]leep 1000'", "1\n");
  assert_exec(other, "ps -o args | grep -c '[s]leep 4321' || true", "0\n");
  g_autoptr(GError) error = NULL;
  g_assert_true(runtime->stop_container(runtime, main_id, 0, &error));
  g_autoptr(ContainerStatus) ended = wait_exited(debugger);
  g_assert_cmpint(ended->exit_code, ==, 128 + SIGKILL);
  const char *const command[] = { "true", NULL };
  ContainerSpec late = {
    .name = "late", .image_id = IMAGE, .command = command, .log_path = LOG_DIR "/late.log", .target_id = main_id
  };
  g_autofree char *id = runtime->create_container(runtime, sandbox, &late, &error);
  g_assert_true(!id || !runtime->start_container(runtime, id, &error));
  g_test_message("%s", error->message);
  g_assert_nonnull(strstr(error->message, "not running"));
  remove_sandbox(sandbox);
}

/* The node's processes and its memory, but not its network. */
static void test_host_processes(void)
{
  SandboxSpec changes = { .host_pid = true, .host_ipc = true };
  char *sandbox = run_sandbox(&changes), *usual = run_sandbox(NULL);
  g_autofree char *one = run_script(sandbox, "sleep 1000", NULL);
  g_autofree char *other = run_script(usual, "sleep 1000", NULL);
  static const char *const kinds[] = { "pid", "ipc", "net" };
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *path = g_strconcat("/proc/self/ns/", kinds[i], NULL);
    g_autofree char *script = g_strconcat("readlink ", path, NULL);
    g_autofree char *ours = g_file_read_link(path, NULL);
    int status;
    g_autofree char *theirs = exec_script(one, script, &status), *others = exec_script(other, script, &status);
    g_strchomp(theirs);
    g_strchomp(others);
    g_test_message("%s: %s %s %s", kinds[i], ours, theirs, others);
    g_assert_cmpint(g_str_equal(theirs, ours), ==, !g_str_equal(kinds[i], "net"));
    g_assert_true(*others && !g_str_equal(others, ours));
  }
  remove_sandbox(sandbox);
  remove_sandbox(usual);
}

static void test_host_network(void)
{
  SandboxSpec changes = { .host_network = true };
  char *sandbox = run_sandbox(&changes);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  SandboxStatus status = { 0 };
  g_assert_true(runtime->sandbox_status(runtime, sandbox, &status, NULL));
  g_assert_null(status.ip);
  g_assert_null(status.network_namespace);
  assert_exec(id, "ip -o link show pods0 | grep -c pods0", "1\n");
  remove_sandbox(sandbox);
}

static void test_security(void)
{
  g_autoptr(json_t) security =
      json_pack("{s:i, s:i, s:b, s:b, s:{s:[s], s:[s]}}", "runAsUser", 33, "runAsGroup", 77, "readOnlyRootFilesystem",
                1, "allowPrivilegeEscalation", 0, "capabilities", "drop", "ALL", "add", "NET_BIND_SERVICE");
  g_autoptr(json_t) pod = json_pack("{s:i, s:[i]}", "fsGroup", 2000, "supplementalGroups", 3000);
  ContainerSpec changes = { .security_context = security, .pod_security_context = pod };
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", &changes);
  assert_exec(id, "id -u; id -g; id -G; touch /x 2>/dev/null || echo read-only; echo $HOME",
              fixture_is("docker") ? "33\n77\n77 2000 3000\nread-only\n/var/www\n" /* with a group given, no others */
                                   : "33\n77\n77 10 2000 3000\nread-only\n/var/www\n");
  assert_exec(id, "grep -E 'CapBnd|NoNewPrivs' /proc/1/status", "CapBnd:\t0000000000000400\nNoNewPrivs:\t1\n");
  remove_sandbox(sandbox);
}

static void test_privileged(void)
{
  g_autoptr(json_t) security = json_pack("{s:b}", "privileged", 1);
  ContainerSpec changes = { .security_context = security };
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", &changes);
  assert_exec(id, "mkdir /m && mount -t tmpfs x /m && echo mounted", "mounted\n");
  remove_sandbox(sandbox);
}

static void test_mounts(void)
{
  g_autofree char *folder = g_dir_make_tmp("mounts-XXXXXX", NULL);
  g_autofree char *file = g_build_filename(folder, "f", NULL);
  g_autofree char *inner = g_build_filename(folder, "inner", NULL);
  g_assert_true(g_file_set_contents(file, "content", -1, NULL));
  g_assert_cmpint(mkdir(inner, 0755), ==, 0);
  /* the inner one is written first: it must be mounted last */
  ContainerMount mounts[] = { { .host_path = inner, .container_path = "/data/sub" },
                              { .host_path = folder, .container_path = "/data", .read_only = true } };
  ContainerSpec changes = { .mounts = mounts, .n_mounts = G_N_ELEMENTS(mounts) };
  const char *const env[] = { "A=1", "PATH=/bin", NULL };
  changes.env = env;
  changes.working_dir = "/data";
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", &changes);
  assert_exec(id, "pwd; cat f; touch new 2>/dev/null || echo no; touch sub/new && echo yes; echo $A $PATH",
              "/data\ncontentno\nyes\n1 /bin\n");
  remove_sandbox(sandbox);
  file_remove_tree(folder, NULL);
}

static void test_failures(void)
{
  char *sandbox = run_sandbox(NULL);
  const char *const command[] = { "/no/such/program", NULL };
  ContainerSpec spec = { .name = "main", .image_id = IMAGE, .command = command, .log_path = LOG_DIR "/fail.log" };
  g_autoptr(GError) error = NULL;
  g_autofree char *id = runtime->create_container(runtime, sandbox, &spec, &error);
  g_assert_true(!id || !runtime->start_container(runtime, id, &error));
  g_assert_nonnull(strstr(error->message, "/no/such/program"));
  g_autoptr(ContainerStatus) status = id ? runtime->container_status(runtime, id, NULL) : NULL;
  if (g_str_equal(runtime->name, "native")) {
    g_assert_nonnull(status);
    g_assert_cmpint(status->state, ==, CONTAINER_EXITED);
    g_assert_cmpint(status->exit_code, ==, 127);
    g_assert_cmpstr(status->reason, ==, "ContainerCannotRun");
    g_assert_cmpint(status->started_us, ==, 0);
  }
  g_clear_error(&error);
  spec.image_id = "nosuchimage";
  g_assert_null(runtime->create_container(runtime, sandbox, &spec, &error));
  g_assert_true(reason_is(error, REASON_RUNTIME_NOT_FOUND));
  remove_sandbox(sandbox);
}

/* A second runtime over the same folders, as after a restart of clusterd. */
static void test_restart(void)
{
  g_autoptr(GError) error = NULL;
  char *sandbox = run_sandbox(NULL);
  g_autofree char *alive = run_script(sandbox, "sleep 1000", NULL);
  g_autofree char *done = run_script(sandbox, "exit 9", NULL);
  g_autofree char *ends = run_script(sandbox, "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 4", NULL);
  container_status_free(wait_exited(done));
  assert_exec(ends, "touch /tmp/go", "");
  runtime->free(runtime);
  g_usleep(300000); /* it ends while nobody looks */
  open_runtime();
  g_autoptr(ContainerStatus) one = runtime->container_status(runtime, alive, &error);
  g_autoptr(ContainerStatus) two = runtime->container_status(runtime, done, &error);
  g_autoptr(ContainerStatus) three = runtime->container_status(runtime, ends, &error);
  g_assert_cmpint(one->state, ==, CONTAINER_RUNNING);
  g_assert_cmpint(two->exit_code, ==, 9);
  g_assert_cmpint(three->state, ==, CONTAINER_EXITED);
  g_assert_cmpint(three->exit_code, ==, 4);
  assert_exec(alive, "echo still here", "still here\n");
  g_assert_true(runtime->stop_container(runtime, alive, 0, &error));
  remove_sandbox(sandbox);
}

/* After a reboot nothing of the run folder is left. */
static void test_reboot(void)
{
  g_autoptr(GError) error = NULL;
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  g_autoptr(ContainerStatus) before = runtime->container_status(runtime, id, &error);
  kill(before->pid, SIGKILL);
  container_status_free(wait_exited(id));
  g_autofree char *state = g_strdup_printf("/var/lib/launcher/containers/%s/state.json", id);
  g_autoptr(json_t) value = json_read_file(state, &error);
  json_object_set_new(value, "state", json_integer(CONTAINER_RUNNING)); /* a power cut: nobody saw the end */
  g_autofree char *text = json_text(value);
  runtime->free(runtime);
  g_assert_true(g_file_set_contents(state, text, -1, NULL));
  g_autofree char *net = g_strdup_printf("/run/launcher/sandboxes/%s/net", sandbox);
  umount2(net, MNT_DETACH);
  file_remove_tree("/run/launcher/exits", NULL);
  file_remove_tree("/run/launcher/crun", NULL);
  open_runtime();
  g_autoptr(ContainerStatus) after = runtime->container_status(runtime, id, &error);
  SandboxStatus status = { 0 };
  g_assert_true(runtime->sandbox_status(runtime, sandbox, &status, NULL));
  g_assert_false(status.ready);
  g_assert_cmpint(after->state, ==, CONTAINER_EXITED);
  g_assert_cmpint(after->exit_code, ==, 255);
  sandbox_status_clear(&status);
  remove_sandbox(sandbox);
}

/* A container whose monitor is killed does not stay "running" for ever. */
static void test_monitor_killed(void)
{
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  g_autofree char *path = g_strdup_printf("/run/launcher/containers/%s/conmon.pid", id);
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_test_expect_message("node", G_LOG_LEVEL_WARNING, "the monitor of container * died*");
  kill((pid_t)g_ascii_strtoll(text, NULL, 10), SIGKILL);
  g_autoptr(ContainerStatus) status = wait_exited(id);
  g_test_assert_expected_messages();
  g_assert_cmpint(status->exit_code, ==, 255);
  remove_sandbox(sandbox);
}

static void test_image_in_use(void)
{
  g_autoptr(GError) error = NULL;
  char *sandbox = run_sandbox(NULL);
  g_autofree char *id = run_script(sandbox, "sleep 1000", NULL);
  g_assert_false(runtime->remove_image(runtime, IMAGE, &error));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  remove_sandbox(sandbox);
}

static bool has_pod_links(void)
{
  struct if_nameindex *links = if_nameindex();
  bool found = false;
  for (struct if_nameindex *link = links; link->if_name; link++)
    found = found || (g_str_has_prefix(link->if_name, "pod") && !g_str_equal(link->if_name, "pods0"));
  if_freenameindex(links);
  return found;
}

/* Everything a pod took is given back: no sandbox is known, and no link is left, once the kernel has taken the network
 * namespaces apart. */
static void test_nothing_left(void)
{
  g_autoptr(json_t) sandboxes = runtime->list_sandboxes(runtime, NULL);
  g_assert_cmpuint(json_array_size(sandboxes), ==, 0);
  for (int i = 0; i < 2000 && has_pod_links(); i++)
    g_usleep(10000);
  g_assert_false(has_pod_links());
  if (fixture_is("docker")) {
    g_assert_false(g_file_test("/sys/fs/cgroup/pids/kubepods/burstable/poduid", G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test("/sys/fs/cgroup/kubepods/burstable/poduid", G_FILE_TEST_EXISTS));
  }
}

static void test_no_files_left(void)
{
  static const char *const folders[] = { "/run/launcher/containers",     "/run/launcher/sandboxes",
                                         "/run/launcher/crun",           "/run/launcher/exits",
                                         "/var/lib/launcher/containers", "/var/lib/launcher/sandboxes" };
  g_autofree char *mounts = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autoptr(GDir) folder = g_dir_open(folders[i], 0, NULL);
    g_assert_cmpstr(folder ? g_dir_read_name(folder) : NULL, ==, NULL);
  }
  g_assert_true(g_file_get_contents("/proc/self/mounts", &mounts, NULL, NULL));
  g_assert_null(strstr(mounts, "/run/launcher/"));
}

/* The daemon is killed and comes back: what ran runs on, and what ended meanwhile is told of, with its exit code. */
static void test_containerd_killed(void)
{
  g_autoptr(GError) error = NULL;
  char *sandbox = run_sandbox(NULL);
  g_autofree char *alive = run_script(sandbox, "sleep 1000", NULL);
  g_autofree char *ends = run_script(sandbox, "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 6", NULL);
  g_autoptr(ContainerStatus) running = runtime->container_status(runtime, ends, &error);
  g_autofree char *flag = g_strdup_printf("/proc/%d/root/tmp/go", running->pid);
  g_autofree char *process = g_strdup_printf("/proc/%d/stat", running->pid);
  fixture_kill_containerd();
  int before = g_atomic_int_get(&events);
  g_assert_true(g_file_set_contents(flag, "", 0, NULL));
  for (int i = 0; i < 2000 && access(process, F_OK) == 0; i++)
    g_usleep(10000);
  g_assert_cmpint(access(process, F_OK), <, 0);
  fixture_start_containerd();
  for (int i = 0; i < 3000 && g_atomic_int_get(&events) == before; i++)
    g_usleep(10000);
  g_assert_cmpint(g_atomic_int_get(&events), >, before);
  g_autoptr(ContainerStatus) ended = wait_exited(ends);
  g_assert_cmpint(ended->exit_code, ==, 6);
  assert_exec(alive, "echo still here", "still here\n");
  g_assert_true(runtime->stop_container(runtime, alive, 0, &error));
  remove_sandbox(sandbox);
}

/* A runtime's call to the plugin of the pods' network, which is this program; its exit status. */
static int call_plugin(const char *command, const char *id, const char *config, char **output)
{
  g_autofree char *command_is = g_strconcat("CNI_COMMAND=", command, NULL);
  g_autofree char *id_is = g_strconcat("CNI_CONTAINERID=", id, NULL);
  g_autofree char *quoted = g_shell_quote(config);
  g_autofree char *script = g_strdup_printf("printf %%s %s | /run/launcher/cni/bin/" CNI_PODS, quoted);
  char *argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c", script, NULL };
  char *env[] = { command_is, id_is, (char *)(uintptr_t) "CNI_IFNAME=eth0",
                  (char *)(uintptr_t) "CNI_NETNS=/no/such/namespace", NULL };
  int status;
  g_assert_true(g_spawn_sync(NULL, argv, env, G_SPAWN_DEFAULT, NULL, NULL, output, NULL, &status, NULL));
  return status;
}

static void test_network_plugin(void)
{
  static const struct {
    const char *command, *id, *config, *wanted;
    bool good;
  } rows[] = {
    { "VERSION", "", "{\"cniVersion\":\"1.0.0\"}", "\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\"]",
      true },
    { "ADD", "x", "{\"cniVersion\":\"9.9\"}", "\"code\":1", false },
    { "ADD", "x", "no JSON", "\"code\":6", false },
    { "ADD", "../x", "{\"addresses\":\"/run/launcher/cni/addresses\"}", "\"code\":4", false },
    { "ADD", "x",
      "{\"addresses\":\"/run/launcher/cni/addresses\",\"podCIDR\":\"10.9.0.0/24\",\"state\":\"/run/launcher/cni/"
      "state\"}",
      "cannot enter /no/such/namespace", false },
    { "CHECK", "x", "{\"addresses\":\"/run/launcher/cni/addresses\"}", "\"code\":100", false },
    { "DEL", "x", "{\"addresses\":\"/run/launcher/cni/addresses\"}", "", true },
    { "GC", "x", "{}", "\"code\":4", false },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *output = NULL;
    int status = call_plugin(rows[i].command, rows[i].id, rows[i].config, &output);
    g_test_message("%s: %s", rows[i].command, output);
    g_assert_cmpint(status == 0, ==, rows[i].good);
    g_assert_nonnull(strstr(output, rows[i].wanted));
  }
}

/* Every sandbox that is gone, and every one that could not be made, has given its address back. */
static void test_addresses_left(void)
{
  g_autoptr(GDir) folder = g_dir_open("/run/launcher/cni/addresses", 0, NULL);
  g_assert_nonnull(folder);
  g_assert_cmpstr(g_dir_read_name(folder), ==, NULL);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*run)(void);
    const char *only; /* the runtime it is about; NULL: all */
  } tests[] = { { "exit-code-and-log", test_exit_code_and_log, NULL },
                { "log-rotation", test_log_rotation, NULL },
                { "exec", test_exec, NULL },
                { "exec-close", test_exec_close, NULL },
                { "attach", test_attach, NULL },
                { "stop", test_stop, NULL },
                { "interrupt", test_interrupt, NULL },
                { "oom", test_oom, NULL },
                { "pod-shares", test_pod_shares, NULL },
                { "shared-process-namespace", test_shared_process_namespace, NULL },
                { "target", test_target, NULL },
                { "host-processes", test_host_processes, NULL },
                { "host-network", test_host_network, NULL },
                { "security", test_security, NULL },
                { "privileged", test_privileged, NULL },
                { "mounts", test_mounts, NULL },
                { "failures", test_failures, NULL },
                { "restart", test_restart, NULL },
                { "image-in-use", test_image_in_use, NULL },
                { "image-volume", image_test_volume, NULL },
                { "image-collection", image_test_collection, NULL },
                { "names", docker_test_names, "docker" },
                { "pause-image", docker_test_pause_image, "docker" },
                { "preload", docker_test_preload, "docker" },
                { "daemon-killed", docker_test_daemon_killed, "docker" },
                { "daemons-restarted", docker_test_daemons_restarted, "docker" },
                { "stop-signal", test_stop_signal, NULL },
                { "containerd-killed", test_containerd_killed, "containerd" },
                { "network-plugin", test_network_plugin, "containerd" },
                { "addresses-left", test_addresses_left, "containerd" },
                { "nothing-left", test_nothing_left, NULL },
                { "reboot", test_reboot, "native" },
                { "monitor-killed", test_monitor_killed, "native" },
                { "no-files-left", test_no_files_left, "native" } };
  if (g_str_equal(argv[0], PAUSE_NAME))
    return pause_child_main();
  if (cni_plugin_named(argv[0]))
    return cni_plugin_main(argv[0]);
  g_test_init(&argc, &argv, NULL);
  if (argc != 3) {
    g_printerr("usage: %s RUNTIME ARCHIVE, inside sandbox.sh\n", argv[0]);
    return 2;
  }
  if (!fixture_begin(argv[1]))
    return 0;
  open_runtime();
  load_image(argv[2]);
  for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/%s/%s", argv[1], tests[i].path);
    if (!tests[i].only || fixture_is(tests[i].only))
      g_test_add_func(path, tests[i].run);
  }
  int status = g_test_run();
  runtime->free(runtime);
  fixture_end();
  return status;
}

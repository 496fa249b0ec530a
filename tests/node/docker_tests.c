/* What only the docker runtime promises. */
#include "docker_tests.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/logs/log_reader.h"
#include "runtime_fixture.h"

static json_t *inspect(const char *id)
{
  g_autoptr(GError) error = NULL;
  json_t *inspected = docker_get((DockerRuntime *)runtime, &error, "/containers/%s/json", id);
  g_assert_no_error(error);
  return inspected;
}

/* What people look for in `docker ps`, and other programs in labels. */
void docker_test_names(void)
{
  char *sandbox = run_sandbox(NULL);
  ContainerSpec changes = { .image_ref = "docker.io/library/busybox@sha256:1" };
  g_autofree char *id = run_script(sandbox, "sleep 1000", &changes);
  g_autoptr(json_t) pod = inspect(sandbox), container = inspect(id);
  g_autoptr(ContainerStatus) status = runtime->container_status(runtime, id, NULL);
  g_autofree char *name = g_strdup_printf("/k8s_main_pod_default_uid_%u", status->attempt);
  g_autofree char *network = g_strconcat("container:", sandbox, NULL);
  const json_t *labels = json_at(container, "Config", "Labels", NULL);
  g_assert_cmpstr(status->image_ref, ==, changes.image_ref);
  g_assert_cmpstr(json_str(container, "Name", ""), ==, name);
  g_assert_true(g_str_has_prefix(json_str(pod, "Name", ""), "/k8s_POD_pod_default_uid_"));
  g_assert_true(g_str_has_prefix(json_str(json_object_get(pod, "Config"), "Image", ""), "launcher/pause:"));
  g_assert_cmpstr(json_str(json_object_get(pod, "HostConfig"), "NetworkMode", ""), ==, "none");
  g_assert_cmpstr(json_str(json_object_get(container, "HostConfig"), "NetworkMode", ""), ==, network);
  g_assert_cmpstr(json_str(json_object_get(container, "HostConfig"), "CgroupParent", ""), ==,
                  "/kubepods/burstable/poduid");
  g_assert_cmpstr(json_str(labels, "io.kubernetes.pod.name", ""), ==, "pod");
  g_assert_cmpstr(json_str(labels, "io.kubernetes.pod.namespace", ""), ==, "default");
  g_assert_cmpstr(json_str(labels, "io.kubernetes.pod.uid", ""), ==, "uid");
  g_assert_cmpstr(json_str(labels, "io.kubernetes.container.name", ""), ==, "main");
  g_assert_cmpstr(json_str(labels, "io.kubernetes.sandbox.id", ""), ==, sandbox);
  g_assert_cmpstr(json_str(labels, "io.kubernetes.docker.type", ""), ==, "container");
  g_assert_cmpstr(json_str(json_at(pod, "Config", "Labels", NULL), "io.kubernetes.docker.type", ""), ==, "podsandbox");
  remove_sandbox(sandbox);
}

/* The pause image is not shown, and is made again when somebody cleaned it up. */
void docker_test_pause_image(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) images = runtime->list_images(runtime, &error);
  char *sandbox = run_sandbox(NULL);
  g_autoptr(json_t) pod = inspect(sandbox);
  g_autofree char *path = g_strconcat("/images/", json_str(json_object_get(pod, "Config"), "Image", ""), NULL);
  g_assert_cmpuint(images->len, ==, 1);
  const ImageStatus *busybox = images->pdata[0];
  g_assert_cmpstr(busybox->repo_tags[0], ==, "docker.io/library/" IMAGE);
  remove_sandbox(sandbox);
  g_assert_true(docker_call((DockerRuntime *)runtime, "DELETE", path, NULL, NULL, &error));
  remove_sandbox(run_sandbox(NULL));
}

/* An image of the machine's read-only store is imported when it is asked for, all layers, names and settings. */
void docker_test_preload(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ImageStatus) image = runtime->image_status(runtime, "preloaded:1", &error);
  g_assert_no_error(error);
  g_assert_cmpstr(image->user, ==, "33");
  g_assert_true(g_strv_contains((const char *const *)image->repo_tags, "docker.io/library/preloaded:2"));
  char *sandbox = run_sandbox(NULL);
  ContainerSpec spec = { .name = "preloaded", .image_id = image->id, .log_path = LOG_DIR "/preloaded/0.log" };
  g_autofree char *id = runtime->create_container(runtime, sandbox, &spec, &error);
  g_assert_no_error(error);
  g_assert_true(runtime->start_container(runtime, id, &error));
  assert_exec(id, "cat /layered; pwd; id -u; echo \"$A\"; tr '\\0' ' ' </proc/1/cmdline",
              "two\n/var/www\n33\nb \"c\" $d \\\nsleep 1000 ");
  g_autoptr(json_t) container = inspect(id);
  g_assert_cmpstr(json_str(json_object_get(container, "Config"), "StopSignal", ""), ==, "SIGUSR1");
  /* loaded once more, as `clusterd image load` does: dockerd gets it in the place of the other */
  fixture_load(DATA_DIR "/images");
  g_autoptr(ImageStatus) again = runtime->image_status(runtime, "preloaded:1", &error);
  g_assert_no_error(error);
  g_assert_cmpstr(again->id, !=, image->id);
  g_autoptr(ImageStatus) same = runtime->image_status(runtime, "preloaded:1", &error);
  g_assert_cmpstr(same->id, ==, again->id);
  g_assert_null(runtime->image_status(runtime, "preloaded:3", &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_RUNTIME_NOT_FOUND);
  remove_sandbox(sandbox);
}

/* How many lines the log has: whole, in order, none twice. What dockerd had read of a container's output and not
 * written yet when it was ended is lost with it. */
static unsigned count_lines(const char *path)
{
  LogOptions options = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  file_autofd int fd = log_reader_open(path, &options, NULL, NULL, NULL, NULL);
  g_autofree char *text = read_all(fd);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  unsigned count = 0;
  for (int last = -1, number; lines[count] && *lines[count]; count++, last = number) {
    g_assert_cmpint(sscanf(lines[count], "line %d", &number), ==, 1);
    g_assert_cmpint(number, >, last);
  }
  return count;
}

static void wait_for_lines(const char *path, unsigned more_than)
{
  for (int i = 0; i < 6000; i++) {
    if (count_lines(path) > more_than)
      return;
    g_usleep(10000);
  }
  g_error("%s does not grow", path);
}

/* A container that counts, and one that ends with 4 once there is a file GO in the folder that is mounted at /shared.
 */
typedef struct Pair {
  char *folder, *go, *sandbox, *counts, *ends;
  ContainerStatus *before;
  const char *log;
} Pair;

static Pair pair_start(const char *log)
{
  Pair pair = { .log = log, .folder = g_dir_make_tmp("shared-XXXXXX", NULL) };
  ContainerMount mount = { .host_path = pair.folder, .container_path = "/shared" };
  ContainerSpec changes = { .mounts = &mount, .n_mounts = 1 }, counting = { .log_path = log };
  pair.go = g_build_filename(pair.folder, "go", NULL);
  pair.sandbox = run_sandbox(NULL);
  pair.counts = run_script(pair.sandbox, "i=0; while :; do echo line $i; i=$((i + 1)); usleep 20000; done", &counting);
  pair.ends = run_script(pair.sandbox, "until [ -e /shared/go ]; do usleep 20000; done; exit 4", &changes);
  pair.before = runtime->container_status(runtime, pair.counts, NULL);
  wait_for_lines(log, 2);
  return pair;
}

static void wait_for_end(int pid)
{
  for (int i = 0; i < 6000 && kill(pid, 0) == 0; i++)
    g_usleep(10000);
  g_assert_cmpint(kill(pid, 0), <, 0);
}

/* Nothing was restarted, no exit code is lost, and the log goes on. */
static void pair_check(Pair *pair)
{
  g_autoptr(ContainerStatus) after = runtime->container_status(runtime, pair->counts, NULL);
  g_autoptr(ContainerStatus) ended = wait_exited(pair->ends);
  SandboxStatus status = { 0 };
  g_assert_cmpint(ended->exit_code, ==, 4);
  g_assert_cmpint(after->state, ==, CONTAINER_RUNNING);
  g_assert_cmpint(after->pid, ==, pair->before->pid);
  g_assert_cmpint(after->started_us, ==, pair->before->started_us);
  g_assert_true(runtime->sandbox_status(runtime, pair->sandbox, &status, NULL));
  g_assert_true(status.ready);
  sandbox_status_clear(&status);
  assert_exec(pair->counts, "echo still here", "still here\n");
  wait_for_lines(pair->log, count_lines(pair->log) + 5);
  remove_sandbox(pair->sandbox);
  file_remove_tree(pair->folder, NULL);
  container_status_free(pair->before);
  g_free(pair->folder);
  g_free(pair->go);
  g_free(pair->counts);
  g_free(pair->ends);
}

/* dockerd is killed, and comes back by itself. */
void docker_test_daemon_killed(void)
{
  Pair pair = pair_start(LOG_DIR "/killed/0.log");
  g_autoptr(ContainerStatus) ends = runtime->container_status(runtime, pair.ends, NULL);
  int before = g_atomic_int_get(&events);
  g_assert_true(g_file_set_contents(pair.go, "", 0, NULL));
  fixture_kill_daemon();
  wait_for_end(ends->pid);
  pair_check(&pair);
  g_assert_cmpint(g_atomic_int_get(&events), >, before);
}

/* clusterd goes with both daemons, and all three come back. */
void docker_test_daemons_restarted(void)
{
  Pair pair = pair_start(LOG_DIR "/restarted/0.log");
  g_autoptr(ContainerStatus) ends = runtime->container_status(runtime, pair.ends, NULL);
  runtime->free(runtime);
  fixture_end();
  g_assert_cmpint(kill(pair.before->pid, 0), ==, 0);
  g_assert_true(g_file_set_contents(pair.go, "", 0, NULL));
  wait_for_end(ends->pid);
  fixture_begin("docker");
  open_runtime();
  pair_check(&pair);
}

/* The CRI runtime's parts that need no container: calls, their errors, events of runtimes that are not here, results of
 * commands, and what containers are asked for with. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/container_config.h"
#include "clusterd/node/cri/events.h"
#include "clusterd/node/cri/stream.h"

#define WAIT_MS 30000

typedef struct World {
  char *folder, *socket_path;
  GPid server;
  int in;     /* of the server */
  FILE *said; /* what it writes */
  CriRuntime cri;
  GMutex lock;
  GCond changed;
  unsigned told; /* times of s1, c1 */
} World;

static void note(const char *sandbox_id, const char *container_id, void *data)
{
  World *world = data;
  g_assert_cmpstr(sandbox_id, ==, "s1");
  g_assert_cmpstr(container_id, ==, "c1");
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&world->lock);
  world->told++;
  g_cond_broadcast(&world->changed);
}

static void expect_line(World *world, const char *wanted)
{
  char line[64] = "";
  g_assert_nonnull(fgets(line, sizeof line, world->said));
  g_assert_cmpstr(g_strchomp(line), ==, wanted);
}

static void command(World *world, const char *line)
{
  g_assert_cmpint(write(world->in, line, strlen(line)), ==, (ssize_t)strlen(line));
}

static bool world_begin(World *world, char *mode)
{
  g_autoptr(GError) error = NULL;
  int out;
  g_autofree char *script = g_test_build_filename(G_TEST_DIST, "tests", "unit", "node", "cri-server.js", NULL);
  g_autofree char *node = g_find_program_in_path("node");
  if (!node) {
    g_test_skip("node is missing");
    return false;
  }
  *world = (World){ .folder = g_dir_make_tmp("cri-XXXXXX", NULL) };
  world->socket_path = g_build_filename(world->folder, "socket", NULL);
  char *argv[] = { node, script, world->socket_path, mode, NULL };
  g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &world->server, &world->in, &out,
                           NULL, &error);
  g_assert_no_error(error);
  world->said = fdopen(out, "r");
  expect_line(world, "ready");
  world->cri.channel = grpc_channel_new(world->socket_path, NULL, "test", -1);
  world->cri.interrupt_fd = -1;
  world->cri.handler = note;
  world->cri.handler_data = world;
  g_mutex_init(&world->cri.lock);
  return true;
}

static void world_end(World *world)
{
  grpc_channel_free(world->cri.channel);
  close(world->in);
  waitpid(world->server, NULL, 0);
  fclose(world->said);
  file_remove_tree(world->folder, NULL);
  g_free(world->socket_path);
  g_free(world->folder);
}

static void wait_told(World *world)
{
  int64_t until = g_get_monotonic_time() + WAIT_MS * INT64_C(1000);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&world->lock);
  while (world->told == 0)
    g_assert_true(g_cond_wait_until(&world->changed, &world->lock, until));
}

static void assert_told(World *world, unsigned times)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&world->lock);
  g_assert_cmpuint(world->told, ==, times);
}

static void assert_fails(GrpcChannel *channel, const char *method, int64_t timeout_ms, Reason reason, const char *text)
{
  g_auto(GrpcAnswer) answer = { 0 };
  g_autoptr(GError) error = NULL;
  const GrpcCall call = {
    .method = method, .request = "", .timeout_ms = timeout_ms, .reply_max = 50, .may_be_called_off = true
  };
  grpc_call(channel, &call, &answer);
  g_assert_false(grpc_answer_error(&answer, &error));
  g_assert_true(reason_is(error, reason));
  g_assert_cmpstr(error->message, ==, text);
}

static void test_errors(void)
{
  World world;
  if (!world_begin(&world, (char[]){ "silent" }))
    return;
  GrpcChannel *channel = world.cri.channel;
  assert_fails(channel, "/x/Refuse", WAIT_MS, REASON_RUNTIME_NOT_FOUND,
               "rpc error: code = NotFound desc = no such thing");
  assert_fails(channel, "/x/None", WAIT_MS, REASON_RUNTIME, "rpc error: code = Unimplemented desc = unknown method");
  assert_fails(channel, "/x/Hang", 50, REASON_TIMEOUT,
               "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
  assert_fails(channel, "/x/Large", WAIT_MS, REASON_RUNTIME,
               "rpc error: code = ResourceExhausted desc = received message larger than max (50)");
  int ends[2];
  g_assert_cmpint(pipe(ends), ==, 0);
  close(ends[1]);
  g_autoptr(GrpcChannel) off = grpc_channel_new(world.socket_path, NULL, "test", ends[0]);
  assert_fails(off, "/x/Hang", WAIT_MS, REASON_INTERRUPTED, "rpc error: code = Canceled desc = context canceled");
  close(ends[0]);
  g_autoptr(GrpcChannel) nobody = grpc_channel_new("/no/such/socket", NULL, "test", -1);
  assert_fails(
      nobody, "/x/Refuse", WAIT_MS, REASON_RUNTIME,
      "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix "
      "/no/such/socket: connect: no such file or directory\"");
  world_end(&world);
}

/* A runtime with the CRI's own events tells at once. */
static void test_events(void)
{
  World world;
  if (!world_begin(&world, (char[]){ "events" }))
    return;
  world.cri.events = cri_events_start(&world.cri);
  expect_line(&world, "subscribed");
  assert_told(&world, 0);
  command(&world, "exit\n");
  wait_told(&world);
  cri_events_stop(world.cri.events);
  world_end(&world);
}

/* What ends while nobody listens is found afterwards. */
static void test_reconnect(void)
{
  World world;
  if (!world_begin(&world, (char[]){ "events" }))
    return;
  world.cri.events = cri_events_start(&world.cri);
  expect_line(&world, "subscribed");
  command(&world, "drop\nexit\n");
  expect_line(&world, "subscribed");
  wait_told(&world);
  cri_events_stop(world.cri.events);
  world_end(&world);
}

/* A runtime without events is looked at each second. */
static void test_relist(void)
{
  World world;
  if (!world_begin(&world, (char[]){ "silent" }))
    return;
  world.cri.events = cri_events_start(&world.cri);
  command(&world, "exit\n");
  wait_told(&world);
  cri_events_stop(world.cri.events);
  world_end(&world);
}

static void test_exit_codes(void)
{
  static const struct {
    const char *text;
    int code;
    const char *message; /* when the code is -1 */
  } rows[] = {
    { "{\"metadata\":{},\"status\":\"Success\"}", 0, NULL },
    { "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"command terminated\",\"details\":"
      "{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"42\"}]}}",
      42, NULL },
    { "{\"status\":\"Failure\",\"reason\":\"InternalError\",\"message\":\"Internal error occurred: x\",\"details\":"
      "{\"causes\":[{\"message\":\"error executing command in container: no such program\"}]}}",
      -1, "no such program" },
    { "{\"status\":\"Failure\",\"message\":\"gone\"}", -1, "gone" },
    { "{\"status\":\"Failure\",\"message\":\"m\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"999\"}"
      "]}}",
      -1, "999" },
    { "no JSON", -1, "the streams ended without a result" },
    { "", -1, "the streams ended without a result" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(stream_exit_code(rows[i].text, strlen(rows[i].text), &error), ==, rows[i].code);
    g_assert_cmpstr(error ? error->message : NULL, ==, rows[i].message);
  }
}

/* A sandbox of which containers are made. */
static Cri__SandboxStatus *make_sandbox(CriArena *arena)
{
  Cri__SandboxStatus *sandbox = cri_arena_alloc(arena, sizeof *sandbox);
  cri__sandbox_status__init(sandbox);
  sandbox->metadata = cri_arena_alloc(arena, sizeof *sandbox->metadata);
  cri__sandbox_metadata__init(sandbox->metadata);
  sandbox->id = cri_arena_text(arena, "s1");
  sandbox->metadata->name = cri_arena_text(arena, "pod");
  sandbox->metadata->uid = cri_arena_text(arena, "uid");
  sandbox->annotations = cri_arena_alloc(arena, 2 * sizeof *sandbox->annotations);
  sandbox->annotations[sandbox->n_annotations++] = cri_arena_pair(arena, CRI_ANNOTATION_LOGS, "/logs");
  sandbox->annotations[sandbox->n_annotations++] = cri_arena_pair(arena, CRI_ANNOTATION_CGROUP, "/kubepods/poduid");
  return sandbox;
}

static void test_request(void)
{
  g_autoptr(GPtrArray) arena = cri_arena_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) security =
      json_pack("{s:i, s:b, s:b, s:{s:[s], s:[s]}, s:{s:s, s:s}}", "runAsGroup", 7, "allowPrivilegeEscalation", 0,
                "readOnlyRootFilesystem", 1, "capabilities", "drop", "ALL", "add", "NET_ADMIN", "seccompProfile",
                "type", "Localhost", "localhostProfile", "mine.json");
  g_autoptr(json_t) pod = json_pack("{s:i, s:[i]}", "fsGroup", 2000, "supplementalGroups", 3000);
  const char *const env[] = { "A=1=2", "EMPTY=", "BAD=\xff", NULL };
  ContainerMount mounts[] = {
    { .host_path = "/host", .container_path = "/inside", .read_only = true, .propagation = "rslave" }
  };
  const ContainerDevice devices[] = { { "/dev/loop0", "/dev/disk", "rw" } };
  ImageStatus image = { .user = (char *)(uintptr_t) "www:www" };
  ContainerSpec spec = { .name = "main",
                         .attempt = 3,
                         .image_id = "sha256:1",
                         .env = env,
                         .mounts = mounts,
                         .n_mounts = 1,
                         .devices = devices,
                         .n_devices = 1,
                         .log_path = "/logs/main/3.log",
                         .security_context = security,
                         .pod_security_context = pod,
                         .cpu_shares = 512,
                         .memory_limit_bytes = 1 << 20 };
  Cri__CreateContainerRequest *request = cri_container_request(arena, make_sandbox(arena), &spec, &image, &error);
  g_assert_no_error(error);
  const Cri__ContainerConfig *config = request->config;
  const Cri__ContainerSecurity *made = config->on_linux->security_context;
  g_assert_cmpstr(config->log_path, ==, "main/3.log");
  g_assert_cmpstr(request->sandbox_config->log_directory, ==, "/logs");
  g_assert_cmpstr(request->sandbox_config->on_linux->cgroup_parent, ==, "/kubepods/poduid");
  g_assert_cmpuint(config->n_envs, ==, 2); /* not what no message can carry */
  g_assert_cmpstr(config->envs[0]->value, ==, "1=2");
  g_assert_cmpint(config->mounts[0]->propagation, ==, CRI__MOUNT__PROPAGATION__HOST_TO_CONTAINER);
  g_assert_true(config->mounts[0]->readonly);
  g_assert_cmpstr(config->devices[0]->container_path, ==, "/dev/disk");
  g_assert_cmpstr(config->devices[0]->permissions, ==, "rw");
  g_assert_cmpint(config->on_linux->resources->cpu_shares, ==, 512);
  g_assert_cmpstr(made->run_as_username, ==, "www"); /* a group needs a user: the image's */
  g_assert_cmpint(made->run_as_group->value, ==, 7);
  g_assert_true(made->no_new_privs && made->readonly_rootfs && !made->privileged);
  g_assert_cmpuint(made->n_supplemental_groups, ==, 2);
  g_assert_cmpstr(made->seccomp->localhost_ref, ==, "/var/lib/kubelet/seccomp/mine.json");
  g_assert_cmpstr(made->capabilities->drop_capabilities[0], ==, "ALL");
  g_assert_true(g_strv_contains((const char *const *)made->masked_paths, "/proc/kcore"));
  g_assert_cmpint(made->namespace_options->pid, ==, CRI__MODE__CONTAINER);
  spec.log_path = "/elsewhere/3.log";
  g_assert_null(cri_container_request(arena, make_sandbox(arena), &spec, &image, &error));
  g_assert_nonnull(error);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/cri/errors", test_errors);
  g_test_add_func("/cri/events", test_events);
  g_test_add_func("/cri/reconnect", test_reconnect);
  g_test_add_func("/cri/relist", test_relist);
  g_test_add_func("/cri/exit-codes", test_exit_codes);
  g_test_add_func("/cri/request", test_request);
  return g_test_run();
}

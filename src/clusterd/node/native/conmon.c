#include "clusterd/node/native/conmon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/command.h"

#define REPORT_MAX 65536
#define REPORT_TIMEOUT_MS 120000 /* slow only under emulation with a loaded host */

char *conmon_exit_dir(const NativeRuntime *native)
{
  return g_build_filename(native->run_dir, "exits", NULL);
}

static GPtrArray *make_argv(const NativeRuntime *native, const ConmonStart *start)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
  const struct {
    const char *option;
    char *value;
  } pairs[] = {
    { "--cid", g_strdup(start->id) },
    { "--cuuid", g_strdup(start->id) },
    { "--name", g_strdup(start->id) },
    { "--bundle", g_strdup(start->bundle) },
    { "--persist-dir", g_strdup(start->bundle) },
    { "--runtime", g_strdup(native->crun) },
    { "--runtime-arg", g_strdup_printf("--root=%s", native->crun_root) },
    { "--runtime-arg", g_strdup("--cgroup-manager=cgroupfs") },
    { "--conmon-pidfile", g_build_filename(start->bundle, "conmon.pid", NULL) },
    { "--container-pidfile", g_build_filename(start->bundle, "pid", NULL) },
    { "--exit-dir", conmon_exit_dir(native) },
    { "--log-path", g_strdup_printf("k8s-file:%s", start->log_path) },
    { "--log-level", g_strdup("error") },
    { "--no-sync-log", NULL },
    { "--full-attach", NULL },
    { start->tty ? "--terminal" : NULL, NULL },
    { start->stdin_ ? "--stdin" : NULL, NULL },
    { start->stdin_ && !start->stdin_once ? "--leave-stdin-open" : NULL, NULL },
  };
  g_ptr_array_add(argv, g_strdup(native->conmon));
  for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
    if (pairs[i].option)
      g_ptr_array_add(argv, g_strdup(pairs[i].option));
    if (pairs[i].value)
      g_ptr_array_add(argv, pairs[i].value);
  }
  g_ptr_array_add(argv, NULL);
  return argv;
}

/* One line of JSON, {"pid": N} or {"pid": -1, "message": TEXT}. Empty when conmon went away without one. */
static char *read_report(int fd)
{
  GString *text = g_string_new(NULL);
  char block[4096];
  struct pollfd wait = { .fd = fd, .events = POLLIN };
  while (text->len < REPORT_MAX && !memchr(text->str, '\n', text->len)) {
    if (poll(&wait, 1, REPORT_TIMEOUT_MS) <= 0)
      break;
    ssize_t got = read(fd, block, sizeof block);
    if (got <= 0)
      break;
    g_string_append_len(text, block, got);
  }
  return g_string_free(text, FALSE);
}

static int parse_report(const char *text, GError **error)
{
  g_autofree char *clean = g_utf8_make_valid(text, -1);
  g_autoptr(json_t) report = json_parse(clean, strlen(clean), false, NULL);
  int pid = (int)json_int(report, "pid", -1);
  if (pid > 0)
    return pid;
  g_autofree char *message = g_strstrip(g_strdup(json_str(report, "message", "conmon ended without a report")));
  /* a message of its own comes from the OCI runtime */
  reason_set(error, json_object_get(report, "message") ? REASON_INVALID : REASON_RUNTIME,
             "OCI runtime create failed: %s", message);
  return -1;
}

int conmon_create(const NativeRuntime *native, const ConmonStart *start, GError **error)
{
  enum { SYNC_FD = 3 };
  int ends[2];
  static const char *const env[] = { "_OCI_SYNCPIPE=3", NULL };
  if (pipe2(ends, O_CLOEXEC) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a pipe");
    return -1;
  }
  CommandFd fds[] = { { ends[1], SYNC_FD } };
  CommandOptions options = { .cwd = start->bundle, .env = env, .fds = fds, .n_fds = G_N_ELEMENTS(fds) };
  g_autoptr(GPtrArray) argv = make_argv(native, start);
  pid_t conmon = command_start((const char *const *)argv->pdata, &options, error);
  close(ends[1]);
  int pid = -1;
  if (conmon > 0) {
    g_autofree char *report = read_report(ends[0]);
    command_wait(conmon); /* it has put itself into the background */
    pid = parse_report(report, error);
  }
  close(ends[0]);
  return pid;
}

int conmon_open(const char *bundle, const char *container_id)
{
  g_autofree char *pid_path = g_build_filename(bundle, "conmon.pid", NULL);
  g_autofree char *text = NULL, *arguments = NULL;
  gsize length = 0;
  if (!g_file_get_contents(pid_path, &text, NULL, NULL))
    return -1;
  int pid = (int)g_ascii_strtoll(text, NULL, 10);
  g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", pid);
  int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  /* after it was opened: only now the process behind the number cannot change any more */
  if (fd >= 0 && g_file_get_contents(path, &arguments, &length, NULL) &&
      memmem(arguments, length, container_id, strlen(container_id)))
    return fd;
  file_close(&fd);
  return -1;
}

/* conmon's orders are lines of three numbers; the first says what is to be done. */
static bool give_order(const char *bundle, const char *order)
{
  g_autofree char *path = g_build_filename(bundle, "ctl", NULL);
  file_autofd int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  return fd >= 0 && write(fd, order, strlen(order)) == (ssize_t)strlen(order);
}

void conmon_resize(const char *bundle, unsigned width, unsigned height)
{
  g_autofree char *order = g_strdup_printf("1 %u %u\n", MIN(height, 65535), MIN(width, 65535));
  if (!give_order(bundle, order))
    g_debug("resize of %s: %s", bundle, g_strerror(errno));
}

bool conmon_reopen_log(const char *bundle, GError **error)
{
  return give_order(bundle, "2 0 0\n") ||
         reason_set_errno(error, REASON_RUNTIME, errno, "conmon cannot be told to begin a new log");
}

int conmon_attach(const char *bundle, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  file_autofd int folder = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
  file_autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  /* the path itself may be longer than an address can be */
  g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/attach", folder);
  if (folder < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot attach to the container");
    return -1;
  }
  int connected = fd;
  fd = -1;
  return connected;
}

/* launcher logs: the machine's and the cluster's logs, also when nothing runs any more. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "launcher/live.h"
#include "launcher/ssh_command.h"

#define CONSOLE_TAIL_BYTES (256 * 1024)

static const Option options[] = {
  { "length", 'n', OPTION_INTEGER, "LINES", "60", NULL, "lines of each log" },
  { "follow", 'f', OPTION_FLAG, NULL, NULL, NULL, "go on with what is new in the cluster's log" },
  { "file", 0, OPTION_STRING, "PATH", NULL, NULL, "write to this file instead" },
  { "node", 0, OPTION_STRING, "NAME", NULL, NULL, "accepted for minikube's sake" },
  { .name = NULL },
};

/* The last LINES lines of the file, under a heading. An absent file has none. */
static void print_tail(FILE *out, const char *heading, const char *path, int64_t lines)
{
  fprintf(out, "==> %s <==\n", heading);
  file_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
  off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
  if (size <= 0)
    return;
  off_t from = MAX(0, size - CONSOLE_TAIL_BYTES);
  g_autofree char *text = g_malloc((gsize)(size - from) + 1);
  ssize_t got = pread(fd, text, (size_t)(size - from), from);
  text[MAX(got, 0)] = 0;
  const char *at = text + MAX(got, 0);
  for (int64_t seen = 0; at > text; at--)
    if (at[-1] == '\n' && ++seen > lines)
      break;
  fputs(at, out);
  fputc('\n', out);
}

/* Runs tail inside the machine, its output going to OUT's descriptor. */
static bool print_remote(const Invocation *invocation, const Live *live, FILE *out, GError **error)
{
  g_autoptr(GPtrArray) argv = ssh_command(invocation->home, live->profile, "docker");
  const char *lines = invocation_text(invocation, "length");
  g_ptr_array_add(
      argv,
      invocation_flag(invocation, "follow")
          ? g_strdup_printf("sudo tail -n %s -f /var/log/launcher/clusterd.log", lines)
          : g_strdup_printf("uname -a; for log in events clusterd; do echo \"==> $log (apiserver, kubelet) <==\"; "
                            "sudo tail -n %s /var/log/launcher/$log.log; done",
                            lines));
  g_ptr_array_add(argv, NULL);
  fflush(out);
  g_autoptr(GError) inner = NULL;
  GPid pid;
  if (!g_spawn_async_with_fds(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                              NULL, &pid, -1, fileno(out), -1, &inner))
    return reason_set(error, REASON_PROVIDER_NOT_FOUND, "ssh (package openssh-client): %s", inner->message);
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  return true;
}

static int run(const Invocation *invocation, GError **error)
{
  int64_t lines;
  const char *path = invocation_text(invocation, "file");
  g_autoptr(Live) live = live_load(invocation, LIVE_PROFILE, error);
  if (!live || !invocation_integer(invocation, "length", &lines, error))
    return 1;
  FILE *out = path ? fopen(path, "we") : stdout;
  if (!out) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", path);
    return 1;
  }
  g_autofree char *console = live->machine->driver->console_log(&live->machine->spec);
  g_autofree char *last_start = home_profile_file(invocation->home, live->profile->name, "events.json");
  bool good = true;
  if (!invocation_flag(invocation, "follow")) {
    print_tail(out, "Last Start", last_start, lines);
    print_tail(out, "console (Linux)", console, lines);
  }
  if (live->state == MACHINE_RUNNING)
    good = print_remote(invocation, live, out, error);
  if (path)
    fclose(out);
  return good ? 0 : 1;
}

const Command logs_command = {
  .name = "logs",
  .group = "Troubleshooting commands",
  .summary = "Show the logs of the machine and the cluster",
  .usage = "",
  .description = "",
  .options = options,
  .run = run,
};

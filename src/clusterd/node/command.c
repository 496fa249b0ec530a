#include "clusterd/node/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define STDERR_MAX 4096

/* Moves the descriptors in two rounds, so that no target overwrites a source that is still needed. */
static int add_fds(posix_spawn_file_actions_t *actions, const CommandOptions *options)
{
  enum { PARK = 900 };
  bool standard[3] = { false };
  int failed = 0;
  for (size_t i = 0; i < options->n_fds; i++)
    failed |= posix_spawn_file_actions_adddup2(actions, options->fds[i].from, PARK + (int)i);
  for (size_t i = 0; i < options->n_fds; i++) {
    int to = options->fds[i].to;
    failed |= posix_spawn_file_actions_adddup2(actions, PARK + (int)i, to);
    failed |= posix_spawn_file_actions_addclose(actions, PARK + (int)i);
    if (to < 3)
      standard[to] = true;
  }
  for (int fd = 0; fd < 3; fd++)
    if (!standard[fd])
      failed |= posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
  return failed;
}

static char **make_environment(const char *const *added)
{
  g_auto(GStrv) environment = g_get_environ();
  for (; added && *added; added++) {
    g_auto(GStrv) pair = g_strsplit(*added, "=", 2);
    environment = g_environ_setenv(environment, pair[0], pair[1] ? pair[1] : "", TRUE);
  }
  return g_steal_pointer(&environment);
}

static void reset_signals(posix_spawnattr_t *attributes)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
}

pid_t command_start(const char *const *argv, const CommandOptions *options, GError **error)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = -1;
  g_assert(options->n_fds <= COMMAND_FDS_MAX);
  g_auto(GStrv) environment = make_environment(options->env);
  g_auto(GStrv) copy = g_strdupv((char **)(uintptr_t)argv);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  reset_signals(&attributes);
  int failed = add_fds(&actions, options);
  if (options->cwd)
    failed |= posix_spawn_file_actions_addchdir_np(&actions, options->cwd);
  const char *program = options->program ? options->program : argv[0];
  failed = failed ? ENOMEM : posix_spawn(&pid, program, &actions, &attributes, copy, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) {
    reason_set_errno(error, REASON_RUNTIME, failed, "Cannot run %s", program);
    return -1;
  }
  return pid;
}

int command_wait(pid_t pid)
{
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return 255;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int command_run_heard(const char *const *argv, char **said, GError **error)
{
  file_autofd int talk = memfd_create("talk", MFD_CLOEXEC);
  CommandFd fds[] = { { talk, STDERR_FILENO } };
  CommandOptions options = { .fds = fds, .n_fds = talk >= 0 ? 1 : 0 };
  pid_t pid = command_start(argv, &options, error);
  if (pid < 0)
    return -1;
  int status = command_wait(pid);
  char text[STDERR_MAX + 1];
  ssize_t length = talk >= 0 ? pread(talk, text, STDERR_MAX, 0) : 0;
  text[length > 0 ? length : 0] = '\0';
  *said = g_utf8_make_valid(text, -1);
  return status;
}

bool command_run(const char *const *argv, GError **error)
{
  g_autofree char *said = NULL;
  int status = command_run_heard(argv, &said, error);
  if (status <= 0)
    return status == 0;
  return reason_set(error, REASON_RUNTIME, "%s %s: %s", argv[0], status > 128 ? "was killed" : "failed",
                    *g_strstrip(said) ? said : "no message");
}

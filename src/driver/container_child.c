#include "driver/container_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "driver/program.h"

enum { FDS_MAX = 8, FD_SAFE = 64 }; /* copies are made from descriptors that no number of the child's overwrites */

static int spawn_with(const char *path, char *const *argv, const int *safe, size_t n_fds, pid_t *pid)
{
  sigset_t none, all;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  for (size_t i = 0; i < n_fds; i++)
    if (safe[i] >= 0)
      posix_spawn_file_actions_adddup2(&actions, safe[i], (int)i);
  int code = posix_spawn(pid, path, &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return code;
}

pid_t child_start(const char *const *argv, const int *fds, size_t n_fds, GError **error)
{
  pid_t pid = -1;
  int safe[FDS_MAX];
  g_assert(n_fds <= FDS_MAX);
  g_autofree char *path = program_path(argv[0]);
  if (!path) {
    reason_set(error, REASON_PROVIDER_NOT_FOUND, "The program %s is not installed", argv[0]);
    return -1;
  }
  for (size_t i = 0; i < n_fds; i++)
    safe[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, FD_SAFE);
  g_auto(GStrv) words = g_strdupv((char **)(guintptr)argv);
  int code = spawn_with(path, words, safe, n_fds, &pid);
  for (size_t i = 0; i < n_fds; i++)
    file_close(&safe[i]);
  if (code == 0)
    return pid;
  reason_set_errno(error, REASON_DRIVER, code, "Cannot run %s", argv[0]);
  return -1;
}

bool child_wait(pid_t pid)
{
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

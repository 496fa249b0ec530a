#include "child.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Child {
  NodeProcess process;
  pid_t pid;
  bool reaped;
} Child;

static void ignore_size(NodeProcess *process, unsigned width, unsigned height)
{
}

static int child_wait(NodeProcess *process, GError **error)
{
  Child *child = (Child *)process;
  int status = 0;
  waitpid(child->pid, &status, 0);
  child->reaped = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void child_close(NodeProcess *process)
{
  Child *child = (Child *)process;
  int fds[] = { process->stdin_fd, process->stdout_fd, process->stderr_fd, process->exit_fd };
  for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
    if (fds[i] >= 0)
      close(fds[i]);
  if (!child->reaped) {
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
  }
  g_free(child);
}

NodeProcess *child_start(const char *const *argv, bool with_stdin,
                         void (*resize)(NodeProcess *process, unsigned width, unsigned height), GError **error)
{
  Child *child = g_new0(Child, 1);
  child->process = (NodeProcess){ -1, -1, -1, -1, resize ? resize : ignore_size, child_wait, child_close };
  int *in = with_stdin ? &child->process.stdin_fd : NULL;
  if (!g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH,
                                NULL, NULL, &child->pid, in, &child->process.stdout_fd, &child->process.stderr_fd,
                                error)) {
    g_free(child);
    return NULL;
  }
  child->process.exit_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
  return &child->process;
}

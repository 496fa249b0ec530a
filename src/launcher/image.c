/* launcher image: images in the machine, without a registry. The work is done by `clusterd image` in the machine; files are
 * streamed through ssh. */
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

static const char *const format_choices[] = { "short", "table", "json", "yaml", NULL };

static const Option options[] = {
  { "format", 0, OPTION_STRING, "FORMAT", "short", format_choices, "format of ls" },
  { "daemon", 0, OPTION_FLAG, NULL, NULL, NULL, "load: from the docker daemon of this host, not from a file" },
  { "overwrite", 0, OPTION_FLAG, NULL, "true", NULL, "accepted for minikube's sake: a loaded image replaces its name" },
  { .name = NULL },
};

/* Runs `clusterd image ARGUMENTS` in the machine with INPUT (-1: nothing) as its standard input. */
static int run_remote(const Invocation *invocation, const Live *live, const char *arguments, int input, GError **error)
{
  g_autoptr(GPtrArray) argv = ssh_command(invocation->home, live->profile, "docker");
  g_autoptr(GError) inner = NULL;
  GPid pid;
  int status;
  g_ptr_array_add(argv, g_strconcat("sudo clusterd image ", arguments, NULL));
  g_ptr_array_add(argv, NULL);
  file_autofd int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (!g_spawn_async_with_fds(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                              input >= 0 ? input : nothing, STDOUT_FILENO, STDERR_FILENO, &inner)) {
    reason_set(error, REASON_PROVIDER_NOT_FOUND, "ssh (package openssh-client): %s", inner->message);
    return 1;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The archive docker makes of a local image, as a pipe. */
static int open_docker_save(const char *image, GError **error)
{
  const char *argv[] = { "docker", "save", image, NULL };
  g_autoptr(GError) inner = NULL;
  int out = -1;
  if (!g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &out, NULL,
                                &inner))
    reason_set(error, REASON_PROVIDER_NOT_FOUND, "docker: %s", inner->message);
  return out;
}

static int open_source(const Invocation *invocation, const char *source, GError **error)
{
  if (strcmp(source, "-") == 0)
    return dup(STDIN_FILENO);
  int fd = invocation_flag(invocation, "daemon") ? -1 : open(source, O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    return fd;
  if (!invocation_flag(invocation, "daemon") && strchr(source, '/') && errno != ENOENT) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot read %s", source);
    return -1;
  }
  return open_docker_save(source, error);
}

static int load(const Invocation *invocation, const Live *live, GError **error)
{
  if (invocation->n_args < 2) {
    reason_set(error, REASON_USAGE, "usage: %s image load FILE...", invocation->home->program);
    return 1;
  }
  for (int i = 1; i < invocation->n_args; i++) {
    file_autofd int fd = open_source(invocation, invocation->args[i], error);
    int code = fd >= 0 ? run_remote(invocation, live, "load -", fd, error) : 1;
    if (code != 0) {
      if (fd >= 0 && error && !*error)
        reason_set(error, REASON_RUNTIME, "%s could not be loaded", invocation->args[i]);
      return 1;
    }
  }
  return 0;
}

static int remove_images(const Invocation *invocation, const Live *live, GError **error)
{
  g_autoptr(GString) arguments = g_string_new("rm");
  for (int i = 1; i < invocation->n_args; i++) {
    g_autofree char *quoted = g_shell_quote(invocation->args[i]);
    g_string_append_printf(arguments, " %s", quoted);
  }
  return run_remote(invocation, live, arguments->str, -1, error);
}

static int run(const Invocation *invocation, GError **error)
{
  g_autoptr(Live) live = live_load(invocation, LIVE_MACHINE, error);
  if (!live)
    return 1;
  const char *verb = invocation->args[0];
  if (strcmp(verb, "load") == 0)
    return load(invocation, live, error);
  if (strcmp(verb, "ls") == 0 || strcmp(verb, "list") == 0) {
    g_autofree char *arguments = g_strdup_printf("ls --format %s", invocation_text(invocation, "format"));
    return run_remote(invocation, live, arguments, -1, error);
  }
  if (strcmp(verb, "rm") == 0 || strcmp(verb, "remove") == 0 || strcmp(verb, "unload") == 0)
    return remove_images(invocation, live, error);
  reason_set(error, REASON_USAGE, "image: unknown command \"%s\": use load, ls or rm", verb);
  return 1;
}

const Command image_command = {
  .name = "image",
  .group = "Image commands",
  .summary = "Load, list and remove images of the cluster",
  .usage = "load FILE... | ls | rm IMAGE...",
  .description = "Loads docker archives and OCI archives (- is standard input). A name that is no file is taken from the docker daemon "
                 "of this host.",
  .min_args = 1,
  .max_args = -1,
  .options = options,
  .run = run,
};

/* launcher image: images in the machine, without a registry. The work is done by `clusterd image` in the machine; files
 * are streamed through ssh. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "launcher/image_list.h"
#include "launcher/live.h"
#include "launcher/ssh_command.h"

static const Option options[] = {
  { "format", 0, OPTION_STRING, "FORMAT", "short", image_list_formats, "format of ls" },
  { "daemon", 0, OPTION_FLAG, NULL, NULL, NULL, "load: from the docker daemon of this host, not from a file" },
  { "overwrite", 0, OPTION_FLAG, NULL, "true", NULL, "accepted for minikube's sake: a loaded image replaces its name" },
  { .name = NULL },
};

/* Starts `clusterd image ARGUMENTS` in the machine with INPUT (-1: nothing) and OUTPUT (-1: ours; never that by its
 * number, which g_spawn would close in the child). */
static bool start_remote(const Invocation *invocation, const Live *live, const char *arguments, int input, int output,
                         GPid *pid, GError **error)
{
  g_autoptr(GPtrArray) argv = ssh_command(invocation->home, live->profile, "docker");
  g_autoptr(GError) inner = NULL;
  g_ptr_array_add(argv, g_strconcat("sudo clusterd image ", arguments, NULL));
  g_ptr_array_add(argv, NULL);
  if (g_spawn_async_with_fds(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                             NULL, pid, input, output, -1, &inner))
    return true;
  return reason_set(error, REASON_PROVIDER_NOT_FOUND, "ssh (package openssh-client): %s", inner->message);
}

/* The exit code. */
static int wait_remote(GPid pid)
{
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_remote(const Invocation *invocation, const Live *live, const char *arguments, int input, GError **error)
{
  GPid pid;
  return start_remote(invocation, live, arguments, input, -1, &pid, error) ? wait_remote(pid) : 1;
}

/* What can be read from FD, JSON_TEXT_MAX at most. */
static GByteArray *read_all(int fd)
{
  GByteArray *bytes = g_byte_array_new();
  guint8 buffer[16384];
  ssize_t count;
  while (bytes->len < JSON_TEXT_MAX && ((count = read(fd, buffer, sizeof buffer)) > 0 || (count < 0 && errno == EINTR)))
    if (count > 0)
      g_byte_array_append(bytes, buffer, (guint)count);
  return bytes;
}

static int list(const Invocation *invocation, const Live *live, GError **error)
{
  int ends[2];
  GPid pid;
  if (!g_unix_open_pipe(ends, FD_CLOEXEC, NULL)) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot make a pipe");
    return 1;
  }
  file_autofd int reading = ends[0];
  file_autofd int writing = ends[1];
  if (!start_remote(invocation, live, "ls -o json", -1, writing, &pid, error))
    return 1;
  file_close(&writing);
  g_autoptr(GByteArray) bytes = read_all(reading);
  file_close(&reading);
  int code = wait_remote(pid);
  if (code != 0)
    return code;
  g_autoptr(json_t) images = json_parse((const char *)bytes->data, bytes->len, true, error);
  g_autofree char *text = images ? image_list_text(images, invocation_text(invocation, "format"), error) : NULL;
  if (text)
    fputs(text, stdout);
  return text ? 0 : 1;
}

/* The archive docker makes of a local image, as a pipe. */
static int open_docker_save(const char *image, GError **error)
{
  const char *argv[] = { "docker", "save", image, NULL };
  g_autoptr(GError) inner = NULL;
  int out = -1;
  if (!g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &out,
                                NULL, &inner))
    reason_set(error, REASON_PROVIDER_NOT_FOUND, "docker: %s", inner->message);
  return out;
}

/* What nobody would call an image: a path, or the name of an archive. */
static bool is_file_name(const char *source)
{
  return *source == '/' || *source == '.' || g_str_has_suffix(source, ".tar") || g_str_has_suffix(source, ".tar.gz") ||
         g_str_has_suffix(source, ".tgz");
}

static int open_source(const Invocation *invocation, const char *source, GError **error)
{
  if (strcmp(source, "-") == 0)
    return dup(STDIN_FILENO);
  int fd = invocation_flag(invocation, "daemon") ? -1 : open(source, O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    return fd;
  if (!invocation_flag(invocation, "daemon") && (is_file_name(source) || errno != ENOENT)) {
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

/* Saves the IMAGE of the arguments to their FILE, which is not there before it is whole, or to standard output. */
static int save(const Invocation *invocation, const Live *live, GError **error)
{
  if (invocation->n_args != 3) {
    reason_set(error, REASON_USAGE, "usage: %s image save IMAGE FILE|-", invocation->home->program);
    return 1;
  }
  const char *path = invocation->args[2];
  bool to_stdout = strcmp(path, "-") == 0;
  g_autofree char *quoted = g_shell_quote(invocation->args[1]), *part = g_strconcat(path, ".part", NULL);
  g_autofree char *arguments = g_strconcat("save ", quoted, NULL);
  file_autofd int fd = to_stdout ? -1 : open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  GPid pid;
  if (!to_stdout && fd < 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", part);
    return 1;
  }
  int code = start_remote(invocation, live, arguments, -1, fd, &pid, error) ? wait_remote(pid) : 1;
  if (!to_stdout && code == 0 && rename(part, path) < 0) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", path);
    code = 1;
  }
  if (!to_stdout && code != 0)
    unlink(part);
  return code;
}

/* VERB, that of `clusterd image`, with the arguments there are: at least LEAST, at most MOST of them. */
static int pass_on(const Invocation *invocation, const Live *live, const char *verb, int least, int most,
                   const char *usage, GError **error)
{
  g_autoptr(GString) arguments = g_string_new(verb);
  if (invocation->n_args - 1 < least || invocation->n_args - 1 > most) {
    reason_set(error, REASON_USAGE, "usage: %s image %s", invocation->home->program, usage);
    return 1;
  }
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
  if (strcmp(verb, "ls") == 0 || strcmp(verb, "list") == 0)
    return list(invocation, live, error);
  if (strcmp(verb, "rm") == 0 || strcmp(verb, "remove") == 0 || strcmp(verb, "unload") == 0)
    return pass_on(invocation, live, "rm", 1, INT_MAX, "rm IMAGE...", error);
  if (strcmp(verb, "pull") == 0)
    return pass_on(invocation, live, isatty(STDERR_FILENO) ? "pull --progress" : "pull", 1, INT_MAX, "pull IMAGE...",
                   error);
  if (strcmp(verb, "tag") == 0)
    return pass_on(invocation, live, "tag", 2, 2, "tag SOURCE TARGET", error);
  if (strcmp(verb, "save") == 0)
    return save(invocation, live, error);
  reason_set(error, REASON_USAGE, "image: unknown command \"%s\": use load, ls, pull, rm, save or tag", verb);
  return 1;
}

const Command image_command = {
  .name = "image",
  .group = "Image commands",
  .summary = "Load, pull, save, list and remove images of the cluster",
  .usage = "load FILE... | ls | pull IMAGE... | rm IMAGE... | save IMAGE FILE | tag SOURCE TARGET",
  .description = "Loads docker archives and OCI archives (- is standard input). A name that is no file is taken from "
                 "the docker daemon "
                 "of this host.",
  .min_args = 1,
  .max_args = -1,
  .options = options,
  .run = run,
};

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/reason.h"
#include "driver/container_holder.h"
#include "launcher/command.h"

/* The path of this program, for the processes it starts of itself. The caller frees. */
static char *own_path(const char *argv0)
{
  char *path = g_file_read_link("/proc/self/exe", NULL);
  return path ? path : g_strdup(argv0);
}

static int fail(Output *output, const GError *error)
{
  output_error(output, error);
  return reason_info(reason_of(error))->exit_code;
}

static void print_help(const Command *command, const char *program)
{
  g_autofree char *text = help_text(command, program);
  fputs(text, stdout);
}

/* The arguments of `kubectl …`: `kubectl -- …` of the profile that --context names. g_strfreev. */
static char **kubectl_arguments(char **argv)
{
  g_autoptr(GStrvBuilder) list = g_strv_builder_new();
  for (char **arg = argv + 1; *arg; arg++) {
    const char *context = g_str_has_prefix(*arg, "--context=") ? *arg + strlen("--context=") : NULL;
    if (!context && strcmp(*arg, "--context") == 0 && arg[1])
      context = arg[1];
    if (context)
      g_strv_builder_add_many(list, "-p", context, NULL);
  }
  g_strv_builder_add_many(list, "kubectl", "--", NULL);
  for (char **arg = argv + 1; *arg; arg++)
    g_strv_builder_add(list, *arg);
  return g_strv_builder_end(list);
}

static int run(Invocation *invocation, char **args)
{
  g_autoptr(GError) error = NULL;
  bool wants_help = false;
  if (!invocation_parse(invocation, args, &wants_help, &error))
    return fail(invocation->output, error);
  if (wants_help || !invocation->command) {
    print_help(invocation->command, invocation->home->program);
    return 0;
  }
  log_setup(invocation->verbosity);
  int code = invocation->command->run(invocation, &error);
  return error ? fail(invocation->output, error) : code;
}

int main(int argc, char **argv)
{
  if (argc > 1 && strcmp(argv[1], CONTAINER_HOLDER_VERB) == 0)
    return container_holder_main(argc - 1, argv + 1);
  g_autoptr(Home) home = home_new(argv[0]);
  g_autoptr(Output) output = output_new(home);
  g_autofree char *path = own_path(argv[0]);
  g_autofree char *name = g_path_get_basename(argv[0]);
  g_auto(GStrv) args = strcmp(name, "kubectl") == 0 ? kubectl_arguments(argv) : g_strdupv(argv + 1);
  Invocation invocation = { .home = home, .program_path = path, .output = output };
  signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  int code;
  if (args[0] && strcmp(args[0], "help") == 0) {
    print_help(args[1] ? command_find(args[1]) : NULL, home->program);
    code = 0;
  } else {
    code = run(&invocation, args);
  }
  invocation_clear(&invocation);
  curl_global_cleanup();
  return code;
}

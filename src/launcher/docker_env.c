/* launcher docker-env: shell commands that point docker's client to the machine. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "launcher/live.h"

static const char *const shells[] = { "bash", "zsh", "sh", "fish", "powershell", "cmd", "emacs", "tcsh", "none", NULL };
static const char *const output_choices[] = { "text", "json", "yaml", NULL };

static const Option options[] = {
  { "shell", 0, OPTION_STRING, "NAME", NULL, shells, "whose commands to print; $SHELL's when not given" },
  { "unset", 'u', OPTION_FLAG, NULL, NULL, NULL, "print what undoes it" },
  { "no-proxy", 0, OPTION_FLAG, NULL, NULL, NULL, "also add the machine's address to NO_PROXY" },
  { "ssh-host", 0, OPTION_FLAG, NULL, NULL, NULL, "reach docker through ssh" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "with --shell none: text, json or yaml" },
  { .name = NULL },
};

/* How one shell writes things. SET takes name and value, UNSET the name, HINT the command to evaluate. */
typedef struct Shell {
  const char *names; /* space-separated */
  const char *set_before, *set_between, *set_after;
  const char *unset_before, *unset_after;
  const char *comment;
  const char *hint_before, *hint_after;
} Shell;

static const Shell dialects[] = {
  { "bash zsh sh", "export ", "=\"", "\"\n", "unset ", ";\n", "# ", "eval $(", ")" },
  { "fish", "set -gx ", " \"", "\";\n", "set -e ", ";\n", "# ", "", " | source" },
  { "powershell", "$Env:", " = \"", "\"\n", "Remove-Item Env:\\\\", "\n", "# ", "& ", " | Invoke-Expression" },
  { "cmd", "SET ", "=", "\n", "SET ", "=\n", "REM ", "@FOR /f \"tokens=*\" %i IN ('", "') DO @%i" },
  { "emacs", "(setenv \"", "\" \"", "\")\n", "(setenv \"", "\" nil)\n", ";; ",
    "(with-temp-buffer (shell-command \"", "\" (current-buffer)) (eval-buffer))" },
  { "tcsh", "setenv ", " \"", "\";\n", "unsetenv ", ";\n", ": ", "eval `", "`" },
  { "none", "", "=", "\n", "", "\n", "", "", "" },
};

static const Shell *dialect_of(const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS(dialects); i++) {
    g_auto(GStrv) names = g_strsplit(dialects[i].names, " ", -1);
    if (g_strv_contains((const char *const *)names, name))
      return &dialects[i];
  }
  return &dialects[0];
}

static char *shell_name(const Invocation *invocation)
{
  const char *given = invocation_text(invocation, "shell");
  const char *variable = g_getenv("SHELL");
  if (given)
    return g_strdup(given);
  return variable && *variable ? g_path_get_basename(variable) : g_strdup("bash");
}

static void add(json_t *variables, const char *name, const char *value)
{
  json_object_set_new(variables, name, json_string(value));
}

/* docker's three variables; a value the user had is kept beside, so that --unset can bring it back. */
static const char *const docker_variables[] = { "DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH" };

static char *existing_name(const Invocation *invocation, const char *name)
{
  return g_strdup_printf("%s_EXISTING_%s", invocation->home->env_prefix, name);
}

static char *active_name(const Invocation *invocation)
{
  return g_strconcat(invocation->home->env_prefix, "_ACTIVE_DOCKERD", NULL);
}

static void keep_existing(const Invocation *invocation, json_t *variables)
{
  g_autofree char *active = active_name(invocation);
  if (g_getenv(active))
    return; /* the present values are ours already */
  for (size_t i = 0; i < G_N_ELEMENTS(docker_variables); i++) {
    const char *value = g_getenv(docker_variables[i]);
    g_autofree char *name = existing_name(invocation, docker_variables[i]);
    if (value && *value)
      add(variables, name, value);
  }
}

/* NO_PROXY (in the case the user has it) with ADDRESS once. */
static void add_no_proxy(json_t *variables, const char *address)
{
  const char *name = g_getenv("no_proxy") && !g_getenv("NO_PROXY") ? "no_proxy" : "NO_PROXY";
  const char *value = g_getenv(name);
  g_auto(GStrv) parts = g_strsplit(value ? value : "", ",", -1);
  if (g_strv_contains((const char *const *)parts, address)) {
    add(variables, name, value);
    return;
  }
  g_autofree char *longer = value && *value ? g_strconcat(value, ",", address, NULL) : g_strdup(address);
  add(variables, name, longer);
}

static json_t *variables_of(const Invocation *invocation, const Profile *profile)
{
  json_t *variables = json_object();
  g_autofree char *active = active_name(invocation);
  g_autofree char *certificates = home_profile_file(invocation->home, profile->name, "docker");
  if (invocation_flag(invocation, "ssh-host")) {
    g_autofree char *host = g_strdup_printf("ssh://docker@%s:%d", profile->address, MACHINE_PORT_SSH);
    add(variables, "DOCKER_HOST", host);
  } else {
    g_autofree char *host = g_strdup_printf("tcp://%s:%d", profile->address, MACHINE_PORT_DOCKER);
    add(variables, "DOCKER_TLS_VERIFY", "1");
    add(variables, "DOCKER_HOST", host);
    add(variables, "DOCKER_CERT_PATH", certificates);
  }
  add(variables, active, profile->name);
  keep_existing(invocation, variables);
  if (invocation_flag(invocation, "no-proxy"))
    add_no_proxy(variables, profile->address);
  return variables;
}

static void print_variables(const Invocation *invocation, const Shell *shell, json_t *variables, const char *name)
{
  const char *format = invocation_text(invocation, "output");
  const char *variable;
  json_t *value;
  if (shell == dialect_of("none") && strcmp(format, "text") != 0) {
    g_autofree char *text = strcmp(format, "json") == 0 ? json_text(variables) : yaml_text(variables);
    printf("%s%s", text, *format == 'j' ? "\n" : "");
    return;
  }
  json_object_foreach(variables, variable, value)
    printf("%s%s%s%s%s", shell->set_before, variable, shell->set_between, json_string_value(value), shell->set_after);
  if (*shell->comment) {
    const char *program = invocation->home->program;
    printf("\n%sTo point your shell to %s's docker-daemon, run:\n%s%s%s -p %s docker-env%s\n", shell->comment, program,
           shell->comment, shell->hint_before, program, name, shell->hint_after);
  }
}

/* Works without a cluster. Only what docker-env set is taken back. */
static void print_unset(const Invocation *invocation, const Shell *shell)
{
  g_autofree char *active = active_name(invocation);
  for (size_t i = 0; i < G_N_ELEMENTS(docker_variables); i++) {
    g_autofree char *existing = existing_name(invocation, docker_variables[i]);
    const char *value = g_getenv(existing);
    if (value && *value) {
      printf("%s%s%s%s%s", shell->set_before, docker_variables[i], shell->set_between, value, shell->set_after);
      printf("%s%s%s", shell->unset_before, existing, shell->unset_after);
    } else {
      printf("%s%s%s", shell->unset_before, docker_variables[i], shell->unset_after);
    }
  }
  printf("%s%s%s", shell->unset_before, active, shell->unset_after);
}

static int run(const Invocation *invocation, GError **error)
{
  g_autofree char *name = shell_name(invocation);
  const Shell *shell = dialect_of(name);
  if (shell != dialect_of("none") && strcmp(invocation_text(invocation, "output"), "text") != 0) {
    reason_set(error, REASON_USAGE, "--output: %s needs --shell none", invocation_text(invocation, "output"));
    return 1;
  }
  if (invocation_flag(invocation, "unset")) {
    print_unset(invocation, shell);
    return 0;
  }
  g_autoptr(GError) inner = NULL;
  g_autoptr(Live) live = live_load(invocation, LIVE_MACHINE, &inner);
  if (!live) {
    /* inside $(…) the shell evaluates what we print: make that fail, too */
    if (!isatty(STDOUT_FILENO))
      printf("false exit code %d\n", reason_info(reason_of(inner))->exit_code);
    g_propagate_error(error, g_steal_pointer(&inner));
    return 1;
  }
  g_autoptr(json_t) variables = variables_of(invocation, live->profile);
  print_variables(invocation, shell, variables, live->profile->name);
  return 0;
}

const Command docker_env_command = {
  .name = "docker-env",
  .group = "Image commands",
  .summary = "Print what points docker's client to the machine: eval $(launcher docker-env)",
  .usage = "",
  .description = "The machine's docker daemon starts at the first connection. What is built there, pods run without a copy.",
  .options = options,
  .run = run,
};

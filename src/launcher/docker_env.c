/* launcher docker-env: shell commands that point docker's client to the machine. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "launcher/docker_env_text.h"
#include "launcher/live.h"

static const char *const output_choices[] = { "text", "json", "yaml", NULL };

static const Option options[] = {
  { "shell", 0, OPTION_STRING, "NAME", NULL, docker_env_shells, "whose commands to print; $SHELL's when not given" },
  { "unset", 'u', OPTION_FLAG, NULL, NULL, NULL, "print what undoes it" },
  { "no-proxy", 0, OPTION_FLAG, NULL, NULL, NULL, "also add the machine's address to NO_PROXY" },
  { "ssh-host", 0, OPTION_FLAG, NULL, NULL, NULL, "reach docker through ssh" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "with --shell none: text, json or yaml" },
  { .name = NULL },
};

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

static char *active_name(const Invocation *invocation)
{
  return g_strconcat(invocation->home->env_prefix, "_ACTIVE_DOCKERD", NULL);
}

/* The spelling of NO_PROXY that the user has. */
static const char *no_proxy_name(void)
{
  return g_getenv("no_proxy") && !g_getenv("NO_PROXY") ? "no_proxy" : "NO_PROXY";
}

static void keep_one(const Invocation *invocation, json_t *variables, const char *name)
{
  const char *value = g_getenv(name);
  g_autofree char *existing = docker_env_existing_name(invocation->home->env_prefix, name);
  if (value && *value)
    add(variables, existing, value);
}

static void keep_existing(const Invocation *invocation, json_t *variables)
{
  g_autofree char *active = active_name(invocation);
  if (g_getenv(active))
    return; /* the present values are ours already */
  for (size_t i = 0; i < G_N_ELEMENTS(docker_variables); i++)
    keep_one(invocation, variables, docker_variables[i]);
  if (invocation_flag(invocation, "no-proxy"))
    keep_one(invocation, variables, no_proxy_name());
}

/* NO_PROXY with ADDRESS once. */
static void add_no_proxy(json_t *variables, const char *address)
{
  const char *name = no_proxy_name();
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

static void print_variables(const Invocation *invocation, const char *shell, json_t *variables, const char *profile)
{
  const char *format = invocation_text(invocation, "output");
  bool as_json = strcmp(format, "json") == 0;
  g_autofree char *text = NULL;
  if (strcmp(format, "text") == 0)
    text = docker_env_set_text(shell, variables, invocation->home->program, profile);
  else
    text = as_json ? json_text(variables) : yaml_text(variables);
  printf("%s%s", text, as_json ? "\n" : "");
}

/* Works without a cluster. Only what docker-env set is taken back. */
static void print_unset(const Invocation *invocation, const char *shell)
{
  g_autofree char *active = active_name(invocation);
  const char *names[] = { docker_variables[0],
                          docker_variables[1],
                          docker_variables[2],
                          active,
                          invocation_flag(invocation, "no-proxy") ? no_proxy_name() : NULL,
                          NULL };
  g_autofree char *text = docker_env_unset_text(shell, invocation->home->env_prefix, names);
  fputs(text, stdout);
}

static int run(const Invocation *invocation, GError **error)
{
  g_autofree char *name = shell_name(invocation);
  if (!docker_env_is_plain(name) && strcmp(invocation_text(invocation, "output"), "text") != 0) {
    reason_set(error, REASON_USAGE, "--output: %s needs --shell none", invocation_text(invocation, "output"));
    return 1;
  }
  if (invocation_flag(invocation, "unset")) {
    print_unset(invocation, name);
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
  print_variables(invocation, name, variables, live->profile->name);
  return 0;
}

const Command docker_env_command = {
  .name = "docker-env",
  .group = "Image commands",
  .summary = "Print what points docker's client to the machine: eval $(launcher docker-env)",
  .usage = "",
  .description =
      "The machine's docker daemon starts at the first connection. What is built there, pods run without a copy.",
  .options = options,
  .run = run,
};

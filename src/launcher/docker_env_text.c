#include "launcher/docker_env_text.h"

#include <string.h>

const char *const docker_env_shells[] = { "bash", "zsh",   "sh",   "fish", "powershell",
                                          "cmd",  "emacs", "tcsh", "none", NULL };

/* How one language writes things. ESCAPE stands before each of SPECIAL within a value. The hint is MESSAGE and the
 * command to evaluate. */
typedef struct Dialect {
  const char *shells; /* space-separated */
  const char *set_before, *set_between, *set_after;
  const char *unset_before, *unset_after;
  const char *hint_before, *hint_between, *hint_after; /* around message and command; NULL: no hint */
  const char *special;
  char escape;
} Dialect;

static const Dialect dialects[] = {
  { "bash zsh sh", "export ", "=\"", "\"\n", "unset ", ";\n", "\n# ", "\n# eval $(", ")\n", "\\\"$`", '\\' },
  { "fish", "set -gx ", " \"", "\";\n", "set -e ", ";\n", "\n# ", "\n# ", " | source\n", "\\\"$", '\\' },
  { "powershell", "$Env:", " = \"", "\"\n", "Remove-Item Env:\\\\", "\n", "# ", "\n# & ",
    " --shell powershell | Invoke-Expression\n", "`\"$", '`' },
  { "cmd", "SET ", "=", "\n", "SET ", "=\n", "REM ", "\nREM @FOR /f \"tokens=*\" %i IN ('", " --shell cmd') DO @%i\n",
    "", 0 },
  { "emacs", "(setenv \"", "\" \"", "\")\n", "(setenv \"", "\" nil)\n", ";; ",
    "\n;; (with-temp-buffer (shell-command \"", "\" (current-buffer)) (eval-buffer))\n", "\\\"", '\\' },
  { "tcsh", "setenv ", " \"", "\";\n", "unsetenv ", ";\n", "\n: \"", "\"\n: eval `", "`\n", "", 0 },
  { "none", "", "=", "\n", "", "\n", NULL, NULL, NULL, "", 0 },
};

static const Dialect *dialect_of(const char *shell)
{
  for (size_t i = 0; i < G_N_ELEMENTS(dialects); i++) {
    g_auto(GStrv) names = g_strsplit(dialects[i].shells, " ", -1);
    if (g_strv_contains((const char *const *)names, shell))
      return &dialects[i];
  }
  return &dialects[0];
}

bool docker_env_is_plain(const char *shell)
{
  return !dialect_of(shell)->hint_before;
}

char *docker_env_existing_name(const char *prefix, const char *name)
{
  return g_strdup_printf("%s_EXISTING_%s", prefix, name);
}

static void append_set(GString *text, const Dialect *dialect, const char *name, const char *value)
{
  g_string_append_printf(text, "%s%s%s", dialect->set_before, name, dialect->set_between);
  for (; *value; value++) {
    if (strchr(dialect->special, *value))
      g_string_append_c(text, dialect->escape);
    g_string_append_c(text, *value);
  }
  g_string_append(text, dialect->set_after);
}

static void append_unset(GString *text, const Dialect *dialect, const char *name)
{
  g_string_append_printf(text, "%s%s%s", dialect->unset_before, name, dialect->unset_after);
}

char *docker_env_set_text(const char *shell, json_t *variables, const char *program, const char *profile)
{
  const Dialect *dialect = dialect_of(shell);
  GString *text = g_string_new(NULL);
  const char *name;
  json_t *value;
  json_object_foreach (variables, name, value)
    append_set(text, dialect, name, json_string_value(value));
  if (dialect->hint_before)
    g_string_append_printf(text, "%sTo point your shell to %s's docker-daemon, run:%s%s -p %s docker-env%s",
                           dialect->hint_before, program, dialect->hint_between, program, profile, dialect->hint_after);
  return g_string_free(text, FALSE);
}

char *docker_env_unset_text(const char *shell, const char *prefix, const char *const *names)
{
  const Dialect *dialect = dialect_of(shell);
  GString *text = g_string_new(NULL);
  g_autoptr(GString) kept = g_string_new(NULL), set = g_string_new(NULL);
  for (; *names; names++) {
    g_autofree char *existing = docker_env_existing_name(prefix, *names);
    const char *value = g_getenv(existing);
    if (value && *value) {
      append_unset(kept, dialect, existing);
      append_set(set, dialect, *names, value);
    } else {
      append_unset(text, dialect, *names);
    }
  }
  g_string_append_printf(text, "%s%s", kept->str, set->str);
  return g_string_free(text, FALSE);
}

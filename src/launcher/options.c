/* Arguments into an Invocation, by the table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantity.h"
#include "base/reason.h"
#include "launcher/command.h"

#define ARGUMENTS_MAX 4096

static const Option global_options[] = {
  { "profile", 'p', OPTION_STRING, "NAME", NULL, NULL, "the cluster this command is about" },
  { "help", 'h', OPTION_FLAG, NULL, NULL, NULL, "show help" },
  { "v", 'v', OPTION_INTEGER, "LEVEL", "0", NULL, "how much to log to stderr: 0 to 3" },
  { "alsologtostderr", 0, OPTION_FLAG, NULL, NULL, NULL, "log to stderr (as -v 2)" },
  { "logtostderr", 0, OPTION_FLAG, NULL, NULL, NULL, "log to stderr (as -v 2)" },
  { "bootstrapper", 'b', OPTION_STRING, "NAME", NULL, NULL, "accepted for minikube's sake; there is one bootstrapper" },
  { "user", 0, OPTION_STRING, "NAME", NULL, NULL, "accepted for minikube's sake" },
  { "skip-audit", 0, OPTION_FLAG, NULL, NULL, NULL, "accepted for minikube's sake" },
  { "rootless", 0, OPTION_FLAG, NULL, NULL, NULL, "accepted for minikube's sake: nothing needs root" },
  { .name = NULL },
};

const Option *command_global_options(void)
{
  return global_options;
}

static const Option *find_in(const Option *options, const char *name, size_t length, char letter)
{
  for (; options && options->name; options++)
    if (letter ? options->letter == letter
               : strlen(options->name) == length && strncmp(options->name, name, length) == 0)
      return options;
  return NULL;
}

static const Option *find_option(const Command *command, const char *name, size_t length, char letter)
{
  const Option *option = command ? find_in(command->options, name, length, letter) : NULL;
  return option ? option : find_in(global_options, name, length, letter);
}

/* --- values ---------------------------------------------------------------------------------------------------------
 */

/* Go's duration notation, whole units only: "1h30m", "90s", "500ms". */
static bool parse_duration(const char *text, int64_t *milliseconds)
{
  static const struct {
    const char *unit;
    int64_t milliseconds;
  } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
  int64_t sum = 0;
  if (!*text)
    return false;
  while (*text) {
    char *end;
    gint64 number = g_ascii_strtoll(text, &end, 10);
    size_t i = 0, letters = strspn(end, "msh");
    while (i < G_N_ELEMENTS(units) && (strlen(units[i].unit) != letters || strncmp(units[i].unit, end, letters) != 0))
      i++;
    if (end == text || number < 0 || number > 1000000000 || i == G_N_ELEMENTS(units))
      return false;
    sum += number * units[i].milliseconds;
    text = end + letters;
  }
  *milliseconds = sum;
  return true;
}

bool option_parse_integer(const Option *option, const char *text, int64_t *value, GError **error)
{
  char *end;
  if (option->type == OPTION_SIZE)
    return quantity_parse_mebibytes(option->name, text, value, error);
  if (option->type == OPTION_DURATION)
    return parse_duration(text, value) ||
           reason_set(error, REASON_USAGE, "--%s: \"%s\" is not a duration: write it as 90s, 6m0s or 24h", option->name,
                      text);
  errno = 0;
  *value = g_ascii_strtoll(text, &end, 10);
  return (end != text && !*end && !errno) ||
         reason_set(error, REASON_USAGE, "--%s: \"%s\" is not a whole number", option->name, text);
}

static bool check_choice(const Option *option, const char *text, GError **error)
{
  if (!option->choices)
    return true;
  g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)option->choices);
  for (const char *const *choice = option->choices; *choice; choice++)
    if (strcmp(*choice, text) == 0)
      return true;
  return reason_set(error, REASON_USAGE, "--%s: \"%s\" is not one of %s", option->name, text, all);
}

static bool check_value(const Option *option, const char *text, GError **error)
{
  int64_t number;
  switch (option->type) {
  case OPTION_FLAG:
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
           reason_set(error, REASON_USAGE, "--%s: \"%s\" is neither true nor false", option->name, text);
  case OPTION_INTEGER:
  case OPTION_SIZE:
  case OPTION_DURATION:
    return (strcmp(text, "max") == 0 || strcmp(text, "no-limit") == 0) ||
           option_parse_integer(option, text, &number, error);
  case OPTION_STRING:
  case OPTION_LIST:
  default:
    return check_choice(option, text, error);
  }
}

static bool store(Invocation *invocation, const Option *option, const char *text, GError **error)
{
  if (!check_value(option, text, error))
    return false;
  const char *before = option->type == OPTION_LIST ? g_hash_table_lookup(invocation->values, option->name) : NULL;
  char *value = before ? g_strconcat(before, ",", text, NULL) : g_strdup(text);
  g_hash_table_replace(invocation->values, (gpointer)(uintptr_t)option->name, value);
  return true;
}

/* --- parsing --------------------------------------------------------------------------------------------------------
 */

typedef struct Parser {
  Invocation *invocation;
  char **args;
  int at, count;
  GPtrArray *rest;
} Parser;

static bool unknown_option(const Parser *parser, const char *text, GError **error)
{
  const Command *command = parser->invocation->command;
  return reason_set(error, REASON_USAGE, "unknown flag: %s%s%s", text, command ? " for " : "",
                    command ? command->name : "");
}

/* --name, --name=value, --name value */
static bool parse_long(Parser *parser, const char *arg, GError **error)
{
  const char *name = arg + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  const Option *option = find_option(parser->invocation->command, name, length, 0);
  if (!option)
    return unknown_option(parser, arg, error);
  if (equals)
    return store(parser->invocation, option, equals + 1, error);
  if (option->type == OPTION_FLAG)
    return store(parser->invocation, option, "true", error);
  if (parser->at >= parser->count)
    return reason_set(error, REASON_USAGE, "--%s needs a value", option->name);
  return store(parser->invocation, option, parser->args[parser->at++], error);
}

/* -x, -xvalue, -x value, -x=value; flags may be bundled */
static bool parse_short(Parser *parser, const char *arg, GError **error)
{
  for (const char *at = arg + 1; *at; at++) {
    const Option *option = find_option(parser->invocation->command, NULL, 0, *at);
    if (!option)
      return unknown_option(parser, arg, error);
    if (option->type == OPTION_FLAG) {
      if (!store(parser->invocation, option, "true", error))
        return false;
      continue;
    }
    const char *value = at[1] == '=' ? at + 2 : at + 1;
    if (!*value && parser->at >= parser->count)
      return reason_set(error, REASON_USAGE, "-%c needs a value", *at);
    return store(parser->invocation, option, *value ? value : parser->args[parser->at++], error);
  }
  return true;
}

static bool take_word(Parser *parser, char *word, GError **error)
{
  Invocation *invocation = parser->invocation;
  if (invocation->command) {
    g_ptr_array_add(parser->rest, g_strdup(word));
    return true;
  }
  invocation->command = command_find(word);
  return invocation->command || reason_set(error, REASON_USAGE, "unknown command \"%s\"", word);
}

static bool parse_all(Parser *parser, GError **error)
{
  bool options_over = false;
  while (parser->at < parser->count) {
    char *arg = parser->args[parser->at++];
    const Command *command = parser->invocation->command;
    bool good;
    if (options_over || arg[0] != '-' || arg[1] == 0) {
      good = take_word(parser, arg, error);
      options_over = options_over || (command && command->passes_through);
    } else if (strcmp(arg, "--") == 0) {
      options_over = good = true;
    } else {
      good = arg[1] == '-' ? parse_long(parser, arg, error) : parse_short(parser, arg, error);
    }
    if (!good)
      return false;
  }
  return true;
}

static bool check_arguments(const Invocation *invocation, GError **error)
{
  const Command *command = invocation->command;
  if (invocation->n_args < command->min_args)
    return reason_set(error, REASON_USAGE, "usage: %s %s %s", invocation->home->program, command->name, command->usage);
  if (command->max_args >= 0 && invocation->n_args > command->max_args)
    return reason_set(error, REASON_USAGE, "unexpected argument \"%s\"; usage: %s %s %s",
                      invocation->args[command->max_args], invocation->home->program, command->name, command->usage);
  return true;
}

/* --profile, else the one chosen by `launcher profile`, else LAUNCHER_PROFILE, else the default. */
static bool choose_profile(Invocation *invocation, GError **error)
{
  const char *given = g_hash_table_lookup(invocation->values, "profile");
  g_autofree char *chosen = given ? g_strdup(given) : home_config_get(invocation->home, "profile", NULL);
  if (!chosen)
    chosen = g_strdup(home_env(invocation->home, "PROFILE"));
  if (!chosen)
    chosen = g_strdup(invocation->home->default_profile);
  invocation->profile_given = given != NULL;
  if (!profile_check_name(chosen, error))
    return false;
  invocation->profile = g_steal_pointer(&chosen);
  return true;
}

bool invocation_parse(Invocation *invocation, char **args, bool *wants_help, GError **error)
{
  Parser parser = { .invocation = invocation, .args = args, .count = (int)g_strv_length(args) };
  int64_t verbosity = 0;
  if (parser.count > ARGUMENTS_MAX)
    return reason_set(error, REASON_USAGE, "more than %d arguments", ARGUMENTS_MAX);
  invocation->values = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  parser.rest = g_ptr_array_new();
  bool good = parse_all(&parser, error);
  g_ptr_array_add(parser.rest, NULL);
  invocation->n_args = (int)parser.rest->len - 1;
  invocation->args = (char **)g_ptr_array_free(parser.rest, FALSE);
  if (!good)
    return false;
  *wants_help = invocation_flag(invocation, "help");
  if (*wants_help || !invocation->command)
    return true;
  if (invocation_has(invocation, "v") && !invocation_integer(invocation, "v", &verbosity, error))
    return false;
  if (invocation_flag(invocation, "alsologtostderr") || invocation_flag(invocation, "logtostderr"))
    verbosity = MAX(verbosity, 2);
  invocation->verbosity = (int)CLAMP(verbosity, 0, 3);
  return check_arguments(invocation, error) && choose_profile(invocation, error);
}

void invocation_clear(Invocation *invocation)
{
  g_clear_pointer(&invocation->values, g_hash_table_unref);
  g_clear_pointer(&invocation->args, g_strfreev);
  g_free((gpointer)(uintptr_t)invocation->profile);
  invocation->profile = NULL;
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

bool invocation_has(const Invocation *invocation, const char *option)
{
  return g_hash_table_contains(invocation->values, option);
}

const char *invocation_text(const Invocation *invocation, const char *option)
{
  const char *given = g_hash_table_lookup(invocation->values, option);
  const Option *known = given ? NULL : find_option(invocation->command, option, strlen(option), 0);
  return given ? given : known ? known->fallback : NULL;
}

bool invocation_flag(const Invocation *invocation, const char *option)
{
  return g_strcmp0(invocation_text(invocation, option), "true") == 0;
}

bool invocation_integer(const Invocation *invocation, const char *option, int64_t *value, GError **error)
{
  const Option *known = find_option(invocation->command, option, strlen(option), 0);
  const char *text = invocation_text(invocation, option);
  g_assert(known); /* a verb asks for what its own table has */
  return option_parse_integer(known, text ? text : "", value, error);
}

char **invocation_list(const Invocation *invocation, const char *option)
{
  const char *text = invocation_text(invocation, option);
  return g_strsplit(text ? text : "", ",", -1);
}

char *invocation_setting(const Invocation *invocation, const char *option)
{
  const char *given = g_hash_table_lookup(invocation->values, option);
  if (given)
    return g_strdup(given);
  char *configured = home_config_get(invocation->home, option, NULL);
  if (configured)
    return configured;
  g_autofree char *variable = g_ascii_strup(option, -1);
  const char *exported = home_env(invocation->home, g_strdelimit(variable, "-", '_'));
  return g_strdup(exported ? exported : invocation_text(invocation, option));
}

bool invocation_integer_setting(const Invocation *invocation, const char *option, int64_t *value, GError **error)
{
  const Option *known = find_option(invocation->command, option, strlen(option), 0);
  g_autofree char *text = invocation_setting(invocation, option);
  g_assert(known);
  return option_parse_integer(known, text ? text : "", value, error);
}

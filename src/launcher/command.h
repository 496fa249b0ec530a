#pragma once
/*
 * The verbs of the command line. One verb is one file with one const Command; command_table.c lists them. Parsing,
 * --help, the man page and shell completion all come from these rows.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "launcher/output.h"
#include "profile/home.h"
#include "profile/profile.h"

typedef enum OptionType {
  OPTION_FLAG, /* --name, --name=false */
  OPTION_STRING,
  OPTION_INTEGER,
  OPTION_SIZE,     /* MiB; see quantity_parse_mebibytes */
  OPTION_DURATION, /* "90s", "6m0s", "26280h"; milliseconds */
  OPTION_LIST,     /* repeatable, comma-separated */
} OptionType;

typedef struct Option {
  const char *name; /* "memory" */
  char letter;      /* 'm', or 0 */
  OptionType type;
  const char *value;          /* "MIB": what --help calls the value; NULL for flags */
  const char *fallback;       /* text of the default, or NULL */
  const char *const *choices; /* NULL-terminated, or NULL */
  const char *help;
} Option;

typedef struct Command Command;

typedef struct Invocation {
  const Command *command;
  const Home *home;
  const char *program_path; /* of this program, absolute */
  const char *profile;      /* --profile, else `launcher profile NAME`'s, else the default */
  bool profile_given;       /* on the command line */
  int verbosity;            /* -v */
  GHashTable *values;       /* option name → text as given */
  char **args;              /* what is not an option; NULL-terminated */
  int n_args;
  Output *output;
} Invocation;

struct Command {
  const char *name;
  const char *alias; /* or NULL */
  const char *group; /* heading in --help; NULL: hidden */
  const char *summary;
  const char *usage;       /* "[NAME]": the arguments, "" for none */
  const char *description; /* paragraphs for --help and the man page; "" for none */
  int min_args, max_args;  /* max_args -1: any number */
  bool passes_through;     /* from the first argument on nothing is an option of ours */
  const Option *options;   /* ends with a NULL name; NULL for none */
  int (*run)(const Invocation *invocation, GError **error); /* the exit code; on an error the error's */
};

/* All commands in the order of --help; NULL-terminated; static. */
const Command *const *command_table(void);
const Command *command_find(const char *name);

/* The options every command takes; ends with a NULL name. */
const Option *command_global_options(void);

/* What an option says: on the command line, else (SETTING forms) in `launcher config`, else in the environment
 * (LAUNCHER_NAME), else its fallback. The type was checked when it was parsed; a bad setting is REASON_USAGE naming
 * where it stands. */
bool invocation_has(const Invocation *invocation, const char *option); /* given on the command line */
bool invocation_flag(const Invocation *invocation, const char *option);
const char *invocation_text(const Invocation *invocation, const char *option); /* NULL when nowhere; borrowed */
bool invocation_integer(const Invocation *invocation, const char *option, int64_t *value, GError **error);
char **invocation_list(const Invocation *invocation, const char *option); /* g_strfreev */
/* As invocation_text, with the setting. The caller frees. */
char *invocation_setting(const Invocation *invocation, const char *option);
bool invocation_integer_setting(const Invocation *invocation, const char *option, int64_t *value, GError **error);

/* Turns TEXT into the value of an option of this TYPE. REASON_USAGE names the option, the text and what is allowed. */
bool option_parse_integer(const Option *option, const char *text, int64_t *value, GError **error);

/* Fills INVOCATION from the arguments after the program's name. REASON_USAGE on anything unknown or malformed. Frees
 * with invocation_clear. *WANTS_HELP when --help was given. */
bool invocation_parse(Invocation *invocation, char **args, bool *wants_help, GError **error);
void invocation_clear(Invocation *invocation);

/* --help of the program (COMMAND NULL) or of one command, and the man page in roff. The caller frees. */
char *help_text(const Command *command, const char *program);
char *help_man_page(const char *program);

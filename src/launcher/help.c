/* --help and the man page, both from the table. */
#include <string.h>

#include "launcher/command.h"

#define COLUMN 30 /* where the explanations of options begin */

static void option_head(GString *text, const Option *option)
{
  if (option->letter)
    g_string_append_printf(text, "-%c, ", option->letter);
  g_string_append_printf(text, "--%s", option->name);
  if (option->value)
    g_string_append_printf(text, " %s", option->value);
}

static void append_options(GString *text, const Option *options)
{
  for (; options && options->name; options++) {
    g_autoptr(GString) head = g_string_new("  ");
    option_head(head, options);
    g_string_append_printf(text, "%-*s %s", COLUMN, head->str, options->help);
    if (options->choices) {
      g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)options->choices);
      g_string_append_printf(text, " (%s)", all);
    }
    if (options->fallback && *options->fallback)
      g_string_append_printf(text, " [%s]", options->fallback);
    g_string_append_c(text, '\n');
  }
}

static void append_commands(GString *text)
{
  const char *group = NULL;
  for (const Command *const *command = command_table(); *command; command++) {
    if (!(*command)->group)
      continue;
    if (g_strcmp0(group, (*command)->group) != 0)
      g_string_append_printf(text, "\n%s:\n", (*command)->group);
    group = (*command)->group;
    g_string_append_printf(text, "  %-14s %s\n", (*command)->name, (*command)->summary);
  }
}

char *help_text(const Command *command, const char *program)
{
  GString *text = g_string_new(NULL);
  if (command) {
    g_string_append_printf(text, "%s\n\nUsage:\n  %s %s [options] %s\n", command->summary, program, command->name,
                           command->usage);
    if (*command->description)
      g_string_append_printf(text, "\n%s\n", command->description);
    if (command->options) {
      g_string_append(text, "\nOptions:\n");
      append_options(text, command->options);
    }
    g_string_append(text, "\nOptions of every command:\n");
    append_options(text, command_global_options());
    return g_string_free(text, FALSE);
  }
  g_string_append_printf(
      text, "%s runs a whole Kubernetes cluster on this machine.\n\nUsage:\n  %s COMMAND [options] [arguments]\n",
      program, program);
  append_commands(text);
  g_string_append_printf(text, "\nRun \"%s COMMAND --help\" for more about a command.\n", program);
  return g_string_free(text, FALSE);
}

/* --- roff -----------------------------------------------------------------------------------------------------------
 */

/* Appends TEXT with roff's special characters escaped. */
static void roff(GString *page, const char *text)
{
  bool line_start = true;
  for (; *text; text++) {
    if (*text == '\\')
      g_string_append(page, "\\e");
    else if (*text == '-')
      g_string_append(page, "\\-");
    else if (line_start && (*text == '.' || *text == '\''))
      g_string_append_printf(page, "\\&%c", *text);
    else
      g_string_append_c(page, *text);
    line_start = *text == '\n';
  }
}

static void roff_options(GString *page, const Option *options)
{
  for (; options && options->name; options++) {
    g_autoptr(GString) head = g_string_new(NULL);
    option_head(head, options);
    g_string_append(page, ".TP\n.B ");
    roff(page, head->str);
    g_string_append_c(page, '\n');
    roff(page, options->help);
    if (options->fallback && *options->fallback) {
      g_string_append(page, " (default ");
      roff(page, options->fallback);
      g_string_append(page, ")");
    }
    g_string_append(page, ".\n");
  }
}

static void roff_command(GString *page, const Command *command, const char *program)
{
  g_string_append_printf(page, ".SS \"%s %s\"\n.B %s %s\n", program, command->name, program, command->name);
  roff(page, command->usage);
  g_string_append(page, "\n.PP\n");
  roff(page, command->summary);
  g_string_append(page, ".\n");
  if (*command->description) {
    g_string_append(page, ".PP\n");
    roff(page, command->description);
    g_string_append_c(page, '\n');
  }
  roff_options(page, command->options);
}

char *help_man_page(const char *program)
{
  GString *page = g_string_new(NULL);
  g_autofree char *upper = g_ascii_strup(program, -1);
  g_string_append_printf(page, ".TH %s 1\n.SH NAME\n%s \\- a Kubernetes cluster on this machine\n", upper, program);
  g_string_append_printf(page, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n[options] [arguments]\n", program);
  g_string_append(
      page, ".SH DESCRIPTION\nA whole Kubernetes cluster in a virtual machine or a container, in seconds, offline and "
            "without root. Every cluster is a profile, chosen with\n.BR \\-p .\n");
  g_string_append(page, ".SH OPTIONS OF EVERY COMMAND\n");
  roff_options(page, command_global_options());
  g_string_append(page, ".SH COMMANDS\n");
  for (const Command *const *command = command_table(); *command; command++)
    if ((*command)->group)
      roff_command(page, *command, program);
  g_string_append_printf(
      page,
      ".SH EXIT STATUS\n0 success; 14 usage; 20 to 29 resources of the host; 40 to 49 the boot image; 50 to 59 "
      "the driver; 60 to 69 its provider; 80 to 89 the machine (83 not running, 85 not found); 100 to 109 the "
      "control plane. \\fB%s status\\fR returns a bit mask: 1 machine, 2 cluster, 4 kubeconfig.\n",
      program);
  g_string_append(page,
                  ".SH FILES\n.I ~/.launcher\nprofiles, keys and the cached boot image (moved by LAUNCHER_HOME).\n.br\n"
                  ".I ~/.kube/config\nthe kubeconfig (moved by KUBECONFIG).\n");
  return g_string_free(page, FALSE);
}

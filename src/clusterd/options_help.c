/* --help and the man page, both from the table. */
#include "clusterd/options.h"

#define COLUMN 46 /* where the explanations of options begin */

static char *option_head(const Option *option)
{
  return g_strconcat("--", option->name, option->argument ? " " : NULL, option->argument, NULL);
}

/* What is used when nothing is given, as people write it; "" when there is nothing. The caller frees. */
static char *option_default(const Option *option)
{
  return g_strdup(option->fallback ? option->fallback : "");
}

char *options_help(void)
{
  GString *text = g_string_new("The embedded control plane and node agent of a launcher machine.\n\nUsage:\n"
                               "  clusterd --config FILE [options]\n"
                               "  clusterd --no-node [options]\n"
                               "  clusterd image load|ls|rm ...\n"
                               "  clusterd store backup|restore|check ...\n");
  for (const Option *option = option_table; option->name || option->member; option++) {
    if (option->section)
      g_string_append_printf(text, "\n%s:\n", option->section);
    if (!option->help)
      continue;
    g_autofree char *head = option_head(option);
    g_autofree char *fallback = option_default(option);
    g_string_append_printf(text, "  %-*s %s", COLUMN, head, option->help);
    if (option->choices) {
      g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)option->choices);
      g_string_append_printf(text, " (%s)", all);
    }
    if (*fallback)
      g_string_append_printf(text, " [%s]", fallback);
    g_string_append_c(text, '\n');
  }
  return g_string_free(text, FALSE);
}

/* Appends TEXT with roff's special characters escaped. */
static void roff(GString *page, const char *text)
{
  for (const char *c = text; *c; c++) {
    if (*c == '\\')
      g_string_append(page, "\\e");
    else if (*c == '-')
      g_string_append(page, "\\-");
    else if ((*c == '.' || *c == '\'') && (c == text || c[-1] == '\n'))
      g_string_append_printf(page, "\\&%c", *c);
    else
      g_string_append_c(page, *c);
  }
}

static void roff_option(GString *page, const Option *option)
{
  g_autofree char *head = option_head(option);
  g_autofree char *fallback = option_default(option);
  g_string_append(page, ".TP\n.B ");
  roff(page, head);
  g_string_append_c(page, '\n');
  roff(page, option->help);
  if (option->choices) {
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)option->choices);
    g_string_append(page, " (");
    roff(page, all);
    g_string_append_c(page, ')');
  }
  if (*fallback) {
    g_string_append(page, " [");
    roff(page, fallback);
    g_string_append_c(page, ']');
  }
  g_string_append(page, ".\n");
}

char *options_man_page(void)
{
  GString *page = g_string_new(".TH CLUSTERD 8\n.SH NAME\nclusterd \\- a Kubernetes control plane and node agent\n"
                               ".SH SYNOPSIS\n.B clusterd\n\\-\\-config FILE [options]\n.br\n"
                               ".B clusterd\n\\-\\-no\\-node [options]\n.br\n"
                               ".B clusterd image\nload|ls|rm ...\n.br\n"
                               ".B clusterd store\nbackup|restore|check ...\n"
                               ".SH DESCRIPTION\n");
  roff(page,
       "API server, controllers, scheduler, node agent, service proxy and cluster DNS in one process. In a machine "
       "of launcher(1) it is told by a cluster.json what to do. With --no-node it is a Kubernetes API for tests and "
       "tools: it needs no root, makes the keys and certificates it lacks, and leaves an administrator's kubeconfig "
       "as admin.conf beside them. Options are named as those of kube-apiserver and kube-controller-manager and mean "
       "the same.\n");
  g_string_append(page, ".SH OPTIONS\n");
  for (const Option *option = option_table; option->name || option->member; option++) {
    if (option->section)
      g_string_append_printf(page, ".SS %s\n", option->section);
    if (option->help)
      roff_option(page, option);
  }
  g_string_append(page, ".SH EXAMPLES\n.nf\n");
  roff(page, "clusterd --no-node --data-dir /tmp/c --secure-port 0 --write-kubeconfig /tmp/c/config &\n"
             "kubectl --kubeconfig /tmp/c/config get namespaces\n");
  g_string_append(page, ".fi\n.SH SIGNALS\nSIGTERM and SIGINT end it in good order.\n"
                        ".SH SEE ALSO\n.BR launcher (1)\n");
  return g_string_free(page, FALSE);
}

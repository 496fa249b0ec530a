#pragma once
/* What clusterd was called with. */
#include "clusterd/cluster_config.h"

typedef enum CommandLineAction { COMMAND_LINE_RUN, COMMAND_LINE_VERSION, COMMAND_LINE_HELP } CommandLineAction;

typedef struct CommandLine {
  CommandLineAction action;
  int verbosity;
  ClusterConfig *config; /* complete; the owner frees */
} CommandLine;

/* Reads the arguments and the cluster.json they name. On false *ERROR (REASON_USAGE) has everything that is wrong, one
 * line each. Reorders ARGV. Not thread-safe (getopt). */
bool command_line_read(CommandLine *line, int argc, char **argv, GError **error);

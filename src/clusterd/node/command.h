#pragma once
/* Running other programs: posix_spawn only, because a fork of a large process is slow and unsafe with threads. */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct CommandFd {
  int from, to;
} CommandFd;

typedef struct CommandOptions {
  const char *program;    /* NULL: argv[0] */
  const char *cwd;        /* NULL: ours */
  const char *const *env; /* added to ours; NULL: none */
  const CommandFd *fds;   /* beside 0, 1 and 2, which are /dev/null unless listed */
  size_t n_fds;
} CommandOptions;

#define COMMAND_FDS_MAX 8

/* Starts ARGV (the program is a path) with default signal handling and only the descriptors named. Its pid, which the
 * caller waits for; -1 with REASON_RUNTIME. */
pid_t command_start(const char *const *argv, const CommandOptions *options, GError **error);

/* Waits for PID. Its exit status, 128 + signal when killed. */
int command_wait(pid_t pid);

/* Runs ARGV to its end. False with REASON_RUNTIME and what it wrote to stderr when it does not exit with 0. */
bool command_run(const char *const *argv, GError **error);

/* Runs ARGV to its end. Its status as command_wait() tells it, and what it wrote to stderr (the first 4 KiB, the
 * caller's) in SAID; -1 with REASON_RUNTIME and no SAID when it cannot be run. */
int command_run_heard(const char *const *argv, char **said, GError **error);

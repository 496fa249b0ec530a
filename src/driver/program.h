#pragma once
/* Running another program to its end, without a shell. */
#include <glib.h>
#include <stdbool.h>

/* Runs ARGV (argv[0] is searched in PATH and the sbin folders) with no input. True when it exits 0; else REASON_DRIVER
 * with what it wrote to stderr, or REASON_PROVIDER_NOT_FOUND when there is no such program. Blocks. */
bool program_run(const char *const *argv, GError **error);

/* As program_run(), and calls SETUP in the child before the program takes its place. SETUP may only use what
 * signal-safety(7) allows, and system calls. May be NULL. */
bool program_run_after(const char *const *argv, void (*setup)(void *), GError **error);

/* The path of the program NAME in PATH or in /usr/sbin, /sbin, /usr/libexec, which ordinary users' PATH lacks. NULL
 * when absent. The caller frees. */
char *program_path(const char *name);

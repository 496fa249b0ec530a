#pragma once
/* What docker-env prints, in the language of each shell. The texts are minikube's, with our program's name; --unset
 * leaves the ssh agent's variables alone, which minikube's does not. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* Names --shell takes; NULL-terminated. */
extern const char *const docker_env_shells[];

/* The name of SHELL's language is "none": plain NAME=VALUE lines, without a hint. An unknown shell's is bash's. */
bool docker_env_is_plain(const char *shell);

/* Commands that set VARIABLES (name → string, in their order), and how to have them evaluated: `PROGRAM -p PROFILE
 * docker-env`. The caller frees. */
char *docker_env_set_text(const char *shell, json_t *variables, const char *program, const char *profile);

/* Commands that take back the variables NAMES (NULL-terminated): a value that was kept as PREFIX_EXISTING_NAME in the
 * environment comes back, the others go. The caller frees. */
char *docker_env_unset_text(const char *shell, const char *prefix, const char *const *names);

/* PREFIX_EXISTING_NAME. The caller frees. */
char *docker_env_existing_name(const char *prefix, const char *name);

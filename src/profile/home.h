#pragma once
/* Where launcher keeps its files, and the names it goes by. Invoked as `minikube` it takes minikube's names, so that
 * tools written for minikube work unchanged. */
#include <glib.h>
#include <stdbool.h>

typedef struct Home {
  char *path;                  /* ~/.launcher, or $LAUNCHER_HOME (with /.launcher appended unless it ends so) */
  const char *program;         /* "launcher" or "minikube": in texts */
  const char *env_prefix;      /* "LAUNCHER" or "MINIKUBE": of environment variables */
  const char *default_profile; /* "launcher" or "minikube" */
} Home;

/* For the program name of argv[0]. Makes nothing. */
Home *home_new(const char *program_path);
void home_free(Home *home);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Home, home_free)

/* The environment variable PREFIX_NAME ("LAUNCHER_DRIVER"), or NULL when unset or empty. */
const char *home_env(const Home *home, const char *name);

/* Paths below the home. The caller frees. */
char *home_file(const Home *home, const char *relative);                              /* HOME/RELATIVE */
char *home_profile_file(const Home *home, const char *profile, const char *relative); /* HOME/profiles/PROFILE/… */

/* Global settings (`launcher config`), HOME/config/config.json: the string value of KEY, or NULL when absent. The
 * caller frees. home_config_set with VALUE NULL removes the key. */
char *home_config_get(const Home *home, const char *key, GError **error);
bool home_config_set(const Home *home, const char *key, const char *value, GError **error);

#pragma once
/*
 * The user's kubeconfig: $KUBECONFIG's first file, else ~/.kube/config. Ours are the cluster, user and context named
 * after the profile; everything else is kept as it is. Writes are atomic, under the lock file kubectl itself uses
 * (CONFIG.lock).
 */
#include <glib.h>
#include <stdbool.h>

#include "profile/profile.h"

/* The file that is changed. The caller frees. */
char *kubeconfig_path(void);

typedef struct KubeconfigOptions {
  bool keep_context; /* do not make ours the current context */
  bool embed_certs;  /* data instead of paths */
} KubeconfigOptions;

/* Adds or replaces the profile's three entries. REASON_CONFIG when the file cannot be understood (it is left alone). */
bool kubeconfig_merge(const Home *home, const Profile *profile, const KubeconfigOptions *options, GError **error);

/* Removes them, and the current context when it is ours. A file or entries that are not there are success. */
bool kubeconfig_remove(const char *profile, GError **error);

/* Makes the profile's context the current one. */
bool kubeconfig_use(const char *profile, GError **error);

/* True when the file has the profile's cluster with exactly this server URL, and its context. */
bool kubeconfig_is_configured(const Profile *profile);

/* The current context, or NULL. The caller frees. */
char *kubeconfig_current_context(void);

/* "https://127.77.x.y:8443". The caller frees. */
char *kubeconfig_server_url(const Profile *profile);

#pragma once
/*
 * The controllers: each watches some kinds and brings the cluster nearer to what they ask for. Every controller is a
 * work queue fed by informers; none polls.
 */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"

typedef struct Controllers Controllers;

/* The token the Secret called SECRET holds for ACCOUNT. The caller frees; NULL with *ERROR. Any thread. */
typedef char *(*SecretTokenIssue)(void *issuer, const Object *account, const char *secret, GError **error);

typedef struct ControllersConfig {
  const char *root_ca_pem;             /* published in every namespace; NULL: not published */
  SecretTokenIssue issue_secret_token; /* NULL: Secrets get no tokens */
  void *issuer;
} ControllersConfig;

/* Makes all controllers and hooks them to INFORMERS, which must not be started yet; they begin to work when it is.
 * REGISTRY and INFORMERS must outlive them. */
Controllers *controllers_start(Registry *registry, InformerSet *informers, const ControllersConfig *config);

/* Ends all work and frees. INFORMERS must have been stopped before. */
void controllers_stop(Controllers *controllers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Controllers, controllers_stop)

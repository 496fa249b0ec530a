#pragma once
/* Who asks: the result of authentication. Source: authentication.k8s.io/v1 UserInfo. */
#include <glib.h>

typedef struct Identity {
  char *name;    /* "system:anonymous" when nobody */
  char *uid;     /* may be NULL */
  char **groups; /* NULL-terminated */
} Identity;

Identity *identity_new(const char *name, const char *uid, const char *const *groups);
Identity *identity_copy(const Identity *identity);
void identity_free(Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Identity, identity_free)

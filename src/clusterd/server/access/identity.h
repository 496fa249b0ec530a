#pragma once
/* Who asks: the result of authentication. Source: authentication.k8s.io/v1 UserInfo. */
#include <glib.h>
#include <jansson.h>

typedef struct Identity {
  char *name;    /* "system:anonymous" when nobody */
  char *uid;     /* may be NULL */
  char **groups; /* NULL-terminated */
  json_t *extra; /* what the authenticator knows besides: {key: [text]}; may be NULL, is never changed once shared */
} Identity;

Identity *identity_new(const char *name, const char *uid, const char *const *groups);
Identity *identity_copy(const Identity *identity);
void identity_free(Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Identity, identity_free)

/* Appends VALUE to what EXTRA has under KEY. The identity must not be shared yet. */
void identity_add_extra(Identity *identity, const char *key, const char *value);

/* {username, uid, groups, extra} as reviews, certificate requests and the audit log tell it. New reference. */
json_t *identity_user_info(const Identity *identity);

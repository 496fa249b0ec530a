#include "clusterd/server/identity.h"

#include <stdint.h>

Identity *identity_new(const char *name, const char *uid, const char *const *groups)
{
  Identity *identity = g_new0(Identity, 1);
  identity->name = g_strdup(name);
  identity->uid = g_strdup(uid);
  identity->groups = groups ? g_strdupv((char **)(uintptr_t)groups) : g_new0(char *, 1);
  return identity;
}

Identity *identity_copy(const Identity *identity)
{
  return identity_new(identity->name, identity->uid, (const char *const *)identity->groups);
}

void identity_free(Identity *identity)
{
  if (!identity)
    return;
  g_free(identity->name);
  g_free(identity->uid);
  g_strfreev(identity->groups);
  g_free(identity);
}

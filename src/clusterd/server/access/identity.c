#include "clusterd/server/access/identity.h"

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
  Identity *copy = identity_new(identity->name, identity->uid, (const char *const *)identity->groups);
  copy->extra = json_incref(identity->extra);
  return copy;
}

void identity_free(Identity *identity)
{
  if (!identity)
    return;
  g_free(identity->name);
  g_free(identity->uid);
  g_strfreev(identity->groups);
  json_decref(identity->extra);
  g_free(identity);
}

void identity_add_extra(Identity *identity, const char *key, const char *value)
{
  if (!identity->extra)
    identity->extra = json_object();
  json_t *values = json_object_get(identity->extra, key);
  if (values)
    json_array_append_new(values, json_string(value));
  else
    json_object_set_new(identity->extra, key, json_pack("[s]", value));
}

json_t *identity_user_info(const Identity *identity)
{
  json_t *user = json_pack("{s:s}", "username", identity->name);
  json_t *groups = json_array();
  if (identity->uid && *identity->uid)
    json_object_set_new(user, "uid", json_string(identity->uid));
  for (int i = 0; identity->groups[i]; i++)
    json_array_append_new(groups, json_string(identity->groups[i]));
  json_object_set_new(user, "groups", groups);
  if (identity->extra)
    json_object_set(user, "extra", identity->extra);
  return user;
}

#include "clusterd/server/registry/storage_key.h"

#include <string.h>

#define ROOT "/registry/"
#define SLASHES_MAX 4 /* in the longest prefix */

/* Groups whose resources are below their plural alone; all others have their group before it. */
static const char *const short_groups[] = {
  "",
  "admissionregistration.k8s.io",
  "apps",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "coordination.k8s.io",
  "discovery.k8s.io",
  "events.k8s.io",
  "extensions",
  "flowcontrol.apiserver.k8s.io",
  "networking.k8s.io",
  "node.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "resource.k8s.io",
  "scheduling.k8s.io",
  "settings.k8s.io",
  "storage.k8s.io",
};

/* Names older than the API's. */
static const struct {
  const char *plural, *name;
} old_names[] = {
  { "endpoints", "services/endpoints" },       { "ingresses", "ingress" },       { "nodes", "minions" },
  { "replicationcontrollers", "controllers" }, { "services", "services/specs" },
};

char *storage_prefix(const char *group, const char *plural)
{
  bool is_short = false;
  for (gsize i = 0; i < G_N_ELEMENTS(short_groups) && !is_short; i++)
    is_short = g_str_equal(group, short_groups[i]);
  if (!is_short)
    return g_strdup_printf(ROOT "%s/%s/", group, plural);
  for (gsize i = 0; i < G_N_ELEMENTS(old_names); i++)
    if (g_str_equal(plural, old_names[i].plural))
      return g_strdup_printf(ROOT "%s/", old_names[i].name);
  return g_strdup_printf(ROOT "%s/", plural);
}

gsize storage_prefix_length(const char *key, StoragePrefixKnown known, const void *data)
{
  const char *end = g_str_has_prefix(key, ROOT) ? key + strlen(ROOT) : NULL;
  for (int slashes = 3; end && slashes <= SLASHES_MAX; slashes++) {
    end = strchr(end, '/');
    if (!end)
      return 0;
    g_autofree char *prefix = g_strndup(key, (gsize)(++end - key));
    if (known(prefix, data))
      return (gsize)(end - key);
  }
  return 0;
}

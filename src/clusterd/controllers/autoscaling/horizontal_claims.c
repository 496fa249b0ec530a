#include "clusterd/controllers/autoscaling/horizontal_claims.h"

#include <string.h>

#include "clusterd/api/object.h"

struct HorizontalClaims {
  GMutex lock;
  GTree *selectors; /* key → LabelSelector*; under the lock */
};

static int compare(const void *a, const void *b, void *data)
{
  return strcmp(a, b);
}

static void selector_free(void *selector)
{
  label_selector_free(selector);
}

HorizontalClaims *horizontal_claims_new(void)
{
  HorizontalClaims *claims = g_new0(HorizontalClaims, 1);
  g_mutex_init(&claims->lock);
  claims->selectors = g_tree_new_full(compare, NULL, g_free, selector_free);
  return claims;
}

void horizontal_claims_free(HorizontalClaims *claims)
{
  g_tree_unref(claims->selectors);
  g_mutex_clear(&claims->lock);
  g_free(claims);
}

static bool matches_any(const LabelSelector *selector, const GPtrArray *pods)
{
  for (guint i = 0; i < pods->len; i++)
    if (label_selector_matches(selector, object_labels(pods->pdata[i])))
      return true;
  return false;
}

char *horizontal_claims_put(HorizontalClaims *claims, const char *key, LabelSelector *selector, const GPtrArray *pods)
{
  g_autofree char *prefix = g_strndup(key, (gsize)(strchr(key, '/') + 1 - key));
  g_autoptr(GString) names = g_string_new(NULL);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&claims->lock);
  unsigned count = 0;
  g_tree_replace(claims->selectors, g_strdup(key), selector);
  for (GTreeNode *node = g_tree_lower_bound(claims->selectors, prefix); node; node = g_tree_node_next(node)) {
    const char *other = g_tree_node_key(node);
    if (!g_str_has_prefix(other, prefix))
      break;
    if (matches_any(g_tree_node_value(node), pods))
      g_string_append_printf(names, "%s%s", count++ ? " " : "", other);
  }
  return count > 1 ? g_string_free(g_steal_pointer(&names), FALSE) : NULL;
}

void horizontal_claims_drop(HorizontalClaims *claims, const char *key)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&claims->lock);
  g_tree_remove(claims->selectors, key);
}

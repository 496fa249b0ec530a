#include "clusterd/api/apply/version_prune.h"

#include "base/json.h"
#include "clusterd/api/apply/field_set.h"
#include "clusterd/api/apply/version_changes.h"

typedef struct Pruning {
  const ApiKind *kind; /* of the value, and of all that is asked about */
  const ApiScheme *scheme;
  const OwnedFields *owned;
  gsize n_owned;
} Pruning;

/* What is owned by those who speak VERSION. New reference. */
static json_t *owned_in(const Pruning *pruning, const ApiKind *version)
{
  json_t *all = json_object();
  for (gsize i = 0; i < pruning->n_owned; i++) {
    if (version_of_kind(pruning->kind, pruning->scheme, pruning->owned[i].api_version) != version)
      continue;
    json_t *more = field_set_union(all, pruning->owned[i].set);
    json_decref(all);
    all = more;
  }
  return all;
}

/* PRUNED (of the version HOME, as WHOLE is) with what of WHOLE those who speak VERSION own. New reference. */
static json_t *put_back(const Pruning *pruning, const ApiKind *home, const ApiKind *version, const json_t *whole,
                        json_t *pruned)
{
  g_autoptr(json_t) there = version_convert(home, version, whole), left = version_convert(home, version, pruned);
  if (!there || !left)
    return json_incref(pruned);
  g_autoptr(json_t) all = field_set_of_value(version->message, there);
  g_autoptr(json_t) rest = field_set_of_value(version->message, left);
  g_autoptr(json_t) owned = owned_in(pruning, version);
  g_autoptr(json_t) lost = field_set_minus(all, rest), kept = field_set_union(owned, rest);
  g_autoptr(json_t) value = json_deep_copy(there);
  field_set_prune(version->message, value, lost, kept);
  json_t *back = version_convert(version, home, value);
  return back ? back : json_incref(pruned);
}

/* The versions owners speak, but for HOME: ApiKind*, each once. */
static GPtrArray *other_versions(const Pruning *pruning, const ApiKind *home)
{
  GPtrArray *versions = g_ptr_array_new();
  for (gsize i = 0; i < pruning->n_owned; i++) {
    const ApiKind *version = version_of_kind(pruning->kind, pruning->scheme, pruning->owned[i].api_version);
    if (version != home && !g_ptr_array_find(versions, version, NULL))
      g_ptr_array_add(versions, (gpointer)(uintptr_t)version);
  }
  return versions;
}

json_t *version_prune(const ApiKind *kind, const ApiScheme *scheme, const json_t *value, OwnedFields last,
                      const OwnedFields *owned, gsize n_owned)
{
  Pruning pruning = { kind, scheme, owned, n_owned };
  if (field_set_is_empty(last.set))
    return json_deep_copy(value);
  /* first in the version that LAST speaks */
  const ApiKind *home = version_of_kind(kind, scheme, last.api_version);
  g_autoptr(json_t) whole = home == kind ? json_deep_copy(value) : version_convert(kind, home, value);
  if (!whole)
    return json_deep_copy(value);
  g_autoptr(json_t) pruned = json_deep_copy(whole), own = owned_in(&pruning, home);
  field_set_prune(home->message, pruned, last.set, own);
  g_autoptr(GPtrArray) others = other_versions(&pruning, home);
  for (guint i = 0; i < others->len; i++) {
    json_t *more = put_back(&pruning, home, others->pdata[i], whole, pruned);
    json_decref(pruned);
    pruned = more;
  }
  json_t *result = home == kind ? json_incref(pruned) : version_convert(home, kind, pruned);
  return result ? result : json_deep_copy(value);
}

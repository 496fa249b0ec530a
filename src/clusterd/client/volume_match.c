#include "clusterd/client/volume_match.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/node_match.h"

#define CLASS_BETA "volume.beta.kubernetes.io/storage-class"

const char *volume_annotation(const json_t *object, const char *name)
{
  return json_str(json_at(object, "metadata", "annotations", NULL), name, NULL);
}

const char *volume_class(const json_t *object)
{
  const char *beta = volume_annotation(object, CLASS_BETA);
  return beta ? beta : json_str(json_object_get(object, "spec"), "storageClassName", "");
}

bool claim_says_class(const json_t *claim)
{
  return volume_annotation(claim, CLASS_BETA) || json_at(claim, "spec", "storageClassName", NULL);
}

static Quantity storage_in(const json_t *amounts)
{
  Quantity size = { 0 };
  quantity_parse(json_str(amounts, "storage", "0"), &size, NULL);
  return size;
}

Quantity claim_size(const json_t *claim)
{
  return storage_in(json_at(claim, "spec", "resources", "requests", NULL));
}

Quantity volume_size(const json_t *volume)
{
  return storage_in(json_at(volume, "spec", "capacity", NULL));
}

const char *volume_mode(const json_t *object)
{
  return json_str(json_object_get(object, "spec"), "volumeMode", "Filesystem");
}

bool volume_is_for(const json_t *volume, const json_t *claim)
{
  const json_t *reference = json_at(volume, "spec", "claimRef", NULL), *metadata = json_object_get(claim, "metadata");
  const char *uid = json_str(reference, "uid", "");
  return reference && strcmp(json_str(reference, "name", ""), json_str(metadata, "name", "")) == 0 &&
         strcmp(json_str(reference, "namespace", ""), json_str(metadata, "namespace", "")) == 0 &&
         (!*uid || strcmp(uid, json_str(metadata, "uid", "")) == 0);
}

bool volume_has_access_modes(const json_t *volume, const json_t *claim)
{
  const json_t *has = json_at(volume, "spec", "accessModes", NULL);
  size_t i;
  json_t *mode;
  json_array_foreach (json_at(claim, "spec", "accessModes", NULL), i, mode)
    if (!json_has_text(has, json_string_value(mode)))
      return false;
  return true;
}

const char *volume_mismatch(const json_t *volume, const json_t *claim)
{
  if (json_at(volume, "metadata", "deletionTimestamp", NULL))
    return "the volume is marked for deletion";
  if (quantity_compare(volume_size(volume), claim_size(claim)) < 0)
    return "requested PV is too small";
  if (strcmp(volume_class(volume), volume_class(claim)) != 0)
    return "storageClassName does not match";
  if (strcmp(volume_mode(volume), volume_mode(claim)) != 0)
    return "incompatible volumeMode";
  if (!volume_has_access_modes(volume, claim))
    return "incompatible accessMode";
  return NULL;
}

bool volume_fits(const json_t *volume, const json_t *claim)
{
  const json_t *wanted = json_at(claim, "spec", "selector", NULL);
  if (volume_mismatch(volume, claim))
    return false;
  g_autoptr(LabelSelector) selector = wanted ? label_selector_from_json(wanted, NULL) : NULL;
  return !wanted || (selector && label_selector_matches(selector, json_at(volume, "metadata", "labels", NULL)));
}

bool volume_reaches(const json_t *volume, const json_t *node)
{
  const json_t *required = json_at(volume, "spec", "nodeAffinity", "required", NULL);
  return !required || node_match_selector(required, node);
}

bool storage_class_waits(const json_t *class)
{
  return strcmp(json_str(class, "volumeBindingMode", ""), "WaitForFirstConsumer") == 0;
}

bool storage_class_is_default(const json_t *class)
{
  static const char *const names[] = { "storageclass.kubernetes.io/is-default-class",
                                       "storageclass.beta.kubernetes.io/is-default-class" };
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (g_strcmp0(volume_annotation(class, names[i]), "true") == 0)
      return true;
  return false;
}

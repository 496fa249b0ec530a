/* Claims and volumes: their finalizers, which hold up a deletion while they are in use (the storage protection
 * controller takes them away), and who may ask for more room. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/server/admission/admission.h"

#define CLAIM_FINALIZER "kubernetes.io/pvc-protection"
#define VOLUME_FINALIZER "kubernetes.io/pv-protection"
#define CLASS_BETA "volume.beta.kubernetes.io/storage-class"

static void add_finalizer(json_t *object, const char *name)
{
  json_t *metadata = json_ensure_object(object, "metadata", NULL);
  json_t *finalizers = json_object_get(metadata, "finalizers");
  if (json_has_text(finalizers, name))
    return;
  if (!json_is_array(finalizers)) {
    finalizers = json_array();
    json_object_set_new(metadata, "finalizers", finalizers);
  }
  json_array_append_new(finalizers, json_string(name));
}

static bool protect(void *state, AdmissionRequest *request, GError **error)
{
  if (admission_creates(request, "", "persistentvolumeclaims"))
    add_finalizer(request->object, CLAIM_FINALIZER);
  else if (admission_creates(request, "", "persistentvolumes"))
    add_finalizer(request->object, VOLUME_FINALIZER);
  return true;
}

static bool size_of(const json_t *claim, Quantity *size)
{
  const char *text = json_str(json_at(claim, "spec", "resources", "requests", NULL), "storage", NULL);
  return text && quantity_parse(text, size, NULL);
}

static const char *class_of(const json_t *claim)
{
  const char *beta = json_str(json_at(claim, "metadata", "annotations", NULL), CLASS_BETA, NULL);
  return beta ? beta : json_str(json_object_get(claim, "spec"), "storageClassName", "");
}

static bool may_grow(const AdmissionRequest *request)
{
  const char *name = class_of(request->object);
  if (!*name || !g_str_equal(name, class_of(request->old)))
    return false;
  g_autoptr(Object) class = admission_find(request, "storage.k8s.io", "v1", "storageclasses", NULL, name);
  return class && json_flag(object_json(class), "allowVolumeExpansion", false);
}

static bool check_size(void *state, const AdmissionRequest *request, GError **error)
{
  Quantity before, after;
  if (request->operation != ADMISSION_UPDATE || !admission_is_about(request, "", "persistentvolumeclaims") ||
      !size_of(request->old, &before) || !size_of(request->object, &after) || quantity_compare(after, before) <= 0)
    return true;
  if (!g_str_equal(json_str(json_object_get(request->old, "status"), "phase", ""), "Bound"))
    return admission_forbid(request, error, "only bound persistent volume claims can be expanded");
  return may_grow(request) ||
         admission_forbid(
             request, error,
             "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
             "must support resize");
}

const AdmissionPlugin admission_storage_object_in_use = { .name = "StorageObjectInUseProtection", .mutate = protect };
const AdmissionPlugin admission_volume_claim_resize = { .name = "PersistentVolumeClaimResize", .validate = check_size };

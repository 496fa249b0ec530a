#include <string.h>

#include "clusterd/api/table/cell_text.h"

#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

static json_t *access_modes_cell(const json_t *modes)
{
  static const struct {
    const char *mode, *shown;
  } known[] = {
    { "ReadWriteOnce", "RWO" },
    { "ReadOnlyMany", "ROX" },
    { "ReadWriteMany", "RWX" },
    { "ReadWriteOncePod", "RWOP" },
  };
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  for (gsize n = 0; n < G_N_ELEMENTS(known); n++) {
    size_t i;
    json_t *mode;
    json_array_foreach (modes, i, mode)
      if (json_is_string(mode) && strcmp(json_string_value(mode), known[n].mode) == 0) {
        g_ptr_array_add(texts, (gpointer)(uintptr_t)known[n].shown);
        break;
      }
  }
  return cell_take(cell_join_more(texts, texts->len, texts->len), "");
}

/* The class: of the old annotation, if there is one, else of the spec. */
static json_t *class_cell(const json_t *object)
{
  const json_t *annotation = json_at(object, "metadata", "annotations", CLASS_ANNOTATION, NULL);
  return cell_string(annotation ? annotation : json_at(object, "spec", "storageClassName", NULL), "");
}

static json_t *phase_cell(const json_t *object)
{
  if (json_at(object, "metadata", "deletionTimestamp", NULL))
    return json_string("Terminating");
  return cell_string(json_at(object, "status", "phase", NULL), "");
}

#define UNSET_CELL(name, member)                                                                                       \
  json_t *cell_##name(const json_t *object, int64_t now_us)                                                            \
  {                                                                                                                    \
    return cell_string(json_at(object, "spec", member, NULL), "<unset>");                                              \
  }

UNSET_CELL(persistent_volume_volume_mode, "volumeMode")
UNSET_CELL(persistent_volume_volume_attributes_class, "volumeAttributesClassName")
UNSET_CELL(persistent_volume_claim_volume_mode, "volumeMode")
UNSET_CELL(persistent_volume_claim_volume_attributes_class, "volumeAttributesClassName")

json_t *cell_persistent_volume_capacity(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "capacity", "storage", NULL), "0");
}

json_t *cell_persistent_volume_access_modes(const json_t *object, int64_t now_us)
{
  return access_modes_cell(json_at(object, "spec", "accessModes", NULL));
}

json_t *cell_persistent_volume_reclaim_policy(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "persistentVolumeReclaimPolicy", NULL), "");
}

json_t *cell_persistent_volume_status(const json_t *object, int64_t now_us)
{
  return phase_cell(object);
}

json_t *cell_persistent_volume_claim(const json_t *object, int64_t now_us)
{
  const json_t *claim = json_at(object, "spec", "claimRef", NULL);
  if (!claim)
    return json_string("");
  return cell_take(g_strdup_printf("%s/%s", json_str(claim, "namespace", ""), json_str(claim, "name", "")), "");
}

json_t *cell_persistent_volume_storage_class(const json_t *object, int64_t now_us)
{
  return class_cell(object);
}

json_t *cell_persistent_volume_reason(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "status", "reason", NULL), "");
}

json_t *cell_persistent_volume_claim_status(const json_t *object, int64_t now_us)
{
  return phase_cell(object);
}

json_t *cell_persistent_volume_claim_volume(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "volumeName", NULL), "");
}

/* Size and modes are shown once a volume is bound: those the claim asks for may not be those it gets. */
json_t *cell_persistent_volume_claim_capacity(const json_t *object, int64_t now_us)
{
  const char *volume = json_str(json_object_get(object, "spec"), "volumeName", "");
  return *volume ? cell_string(json_at(object, "status", "capacity", "storage", NULL), "0") : json_string("");
}

json_t *cell_persistent_volume_claim_access_modes(const json_t *object, int64_t now_us)
{
  const char *volume = json_str(json_object_get(object, "spec"), "volumeName", "");
  return *volume ? access_modes_cell(json_at(object, "status", "accessModes", NULL)) : json_string("");
}

json_t *cell_persistent_volume_claim_storage_class(const json_t *object, int64_t now_us)
{
  return class_cell(object);
}

json_t *cell_storage_class_name(const json_t *object, int64_t now_us)
{
  const json_t *metadata = json_object_get(object, "metadata"), *annotations = json_object_get(metadata, "annotations");
  bool is_default = strcmp(json_str(annotations, "storageclass.kubernetes.io/is-default-class", ""), "true") == 0 ||
                    strcmp(json_str(annotations, "storageclass.beta.kubernetes.io/is-default-class", ""), "true") == 0;
  return cell_take(g_strconcat(json_str(metadata, "name", ""), is_default ? " (default)" : "", NULL), "");
}

json_t *cell_storage_class_reclaim_policy(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(object, "reclaimPolicy"), "Delete");
}

json_t *cell_storage_class_volume_binding_mode(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(object, "volumeBindingMode"), "Immediate");
}

json_t *cell_storage_class_allow_volume_expansion(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_object_get(object, "allowVolumeExpansion"), false);
}

json_t *cell_csi_driver_attach_required(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_at(object, "spec", "attachRequired", NULL), true);
}

json_t *cell_csi_driver_pod_info_on_mount(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_at(object, "spec", "podInfoOnMount", NULL), false);
}

json_t *cell_csi_driver_storage_capacity(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_at(object, "spec", "storageCapacity", NULL), false);
}

json_t *cell_csi_driver_requires_republish(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_at(object, "spec", "requiresRepublish", NULL), false);
}

json_t *cell_csi_driver_token_requests(const json_t *object, int64_t now_us)
{
  return cell_take(cell_join(json_at(object, "spec", "tokenRequests", NULL), "audience", ","), "<unset>");
}

json_t *cell_csi_driver_modes(const json_t *object, int64_t now_us)
{
  return cell_take(cell_join(json_at(object, "spec", "volumeLifecycleModes", NULL), NULL, ","), "Persistent");
}

json_t *cell_csi_storage_capacity_capacity(const json_t *object, int64_t now_us)
{
  return cell_string(json_object_get(object, "capacity"), "<unset>");
}

json_t *cell_csi_node_drivers(const json_t *object, int64_t now_us)
{
  return json_integer((json_int_t)json_array_size(json_at(object, "spec", "drivers", NULL)));
}

json_t *cell_volume_attachment_pv(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "source", "persistentVolumeName", NULL), "");
}

json_t *cell_volume_attachment_node(const json_t *object, int64_t now_us)
{
  return cell_string(json_at(object, "spec", "nodeName", NULL), "");
}

json_t *cell_volume_attachment_attached(const json_t *object, int64_t now_us)
{
  return cell_boolean(json_at(object, "status", "attached", NULL), false);
}

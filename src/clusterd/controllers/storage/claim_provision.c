/* A claim no volume is there for: the class it gets if it has none, who is asked to make a volume, what people read. */
#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/storage/volume_binder_private.h"

#define IN_TREE "kubernetes.io/" /* makers of volumes that were once part of the control plane */

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

static const char *created(const Object *object)
{
  return json_str(json_object_get(value_of(object), "metadata"), "creationTimestamp", "");
}

/* Of several the newest, of those of one age the first by name. */
static Object *find_default_class(const VolumeBinder *binder)
{
  g_autoptr(GPtrArray) classes = informer_list(binder->classes);
  Object *found = NULL;
  for (unsigned i = 0; i < classes->len; i++) {
    Object *class = g_ptr_array_index(classes, i);
    if (!storage_class_is_default(object_json(class)))
      continue;
    int order = found ? strcmp(created(class), created(found)) : 1;
    if (order > 0 || (order == 0 && strcmp(object_name(class), object_name(found)) < 0))
      found = class;
  }
  return found ? object_ref(found) : NULL;
}

static bool set_class(json_t *value, void *data)
{
  if (claim_says_class(value))
    return false;
  json_object_set_new(json_ensure_object(value, "spec", NULL), "storageClassName", json_string(data));
  return true;
}

static bool set_provisioner(json_t *value, void *data)
{
  json_t *annotations = json_ensure_object(value, "metadata", "annotations", NULL);
  if (g_strcmp0(json_str(annotations, VOLUME_PROVISIONER, NULL), data) == 0 &&
      g_strcmp0(json_str(annotations, VOLUME_PROVISIONER_BETA, NULL), data) == 0)
    return false;
  json_object_set_new(annotations, VOLUME_PROVISIONER_BETA, json_string(data));
  json_object_set_new(annotations, VOLUME_PROVISIONER, json_string(data));
  return true;
}

static bool change_claim(VolumeBinder *binder, const Object *claim, RegistryChange change, const char *data,
                         GError **error)
{
  g_autoptr(Object) stored = client_modify(binder->client, "v1", "persistentvolumeclaims", object_namespace(claim),
                                           object_name(claim), NULL, change, (void *)(uintptr_t)data, error);
  if (stored)
    informer_wait_revision(binder->claims, object_revision(stored));
  return stored != NULL;
}

static void say_waiting(VolumeBinder *binder, const char *key, const Object *claim)
{
  unsigned count;
  g_autofree char *pods = binder_pods_of(binder, key, true, &count);
  g_autofree char *text = g_strdup_printf("waiting for pod%s %s to be scheduled", count > 1 ? "s" : "", pods);
  if (count > 0)
    binder_tell(binder, key, claim, "Normal", "WaitForPodScheduled", text);
  else
    binder_tell(binder, key, claim, "Normal", "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding");
}

/* Asks the provisioner that CLASS names for a volume. */
static bool ask(VolumeBinder *binder, const char *key, const Object *claim, const json_t *class, GError **error)
{
  const char *provisioner = json_str(class, "provisioner", "");
  g_autofree char *text = NULL;
  if (!class)
    text = g_strdup_printf("storageclass.storage.k8s.io \"%s\" not found", volume_class(value_of(claim)));
  else if (g_str_has_prefix(provisioner, IN_TREE))
    text = g_strdup_printf("no volume plugin matched name: %s", provisioner);
  if (text) {
    binder_tell(binder, key, claim, "Warning", "ProvisioningFailed", text);
    return true;
  }
  if (!change_claim(binder, claim, set_provisioner, provisioner, error))
    return false;
  text = g_strdup_printf("Waiting for a volume to be created either by the external provisioner '%s' or manually by "
                         "the system administrator. If volume creation is delayed, please verify that the provisioner "
                         "is running and correctly registered.",
                         provisioner);
  binder_tell(binder, key, claim, "Normal", "ExternalProvisioning", text);
  return true;
}

bool claim_provision(VolumeBinder *binder, const char *key, const Object *claim, const json_t *class, GError **error)
{
  const json_t *value = value_of(claim);
  g_autoptr(Object) by_default = claim_says_class(value) ? NULL : find_default_class(binder);
  if (by_default) /* the change leads here again */
    return change_claim(binder, claim, set_class, object_name(by_default), error);
  if (storage_class_waits(class) && !volume_annotation(value, VOLUME_SELECTED_NODE))
    say_waiting(binder, key, claim);
  else if (*volume_class(value))
    return ask(binder, key, claim, class, error);
  else
    binder_tell(binder, key, claim, "Normal", "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set");
  return binding_set_claim_phase(binder, claim, "Pending", NULL, error);
}

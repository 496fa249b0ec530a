#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/volume_match.h"
#include "clusterd/controllers/storage/volume_provisioner_private.h"

#define IDENTITY "hostPathProvisionerIdentity"

static const json_t *value_of(const Object *object)
{
  return object_json((Object *)(uintptr_t)object);
}

/* CLASS is asked for, and where it waits for a pod the scheduler has chosen a node. */
static bool is_asked(const json_t *claim, const json_t *class)
{
  const char *name = volume_annotation(claim, VOLUME_PROVISIONER);
  if (!name)
    name = volume_annotation(claim, VOLUME_PROVISIONER_BETA);
  return g_strcmp0(name, VOLUME_PROVISIONER_NAME) == 0 &&
         strcmp(json_str(class, "provisioner", ""), VOLUME_PROVISIONER_NAME) == 0 &&
         !*json_str(json_object_get(claim, "spec"), "volumeName", "") &&
         !json_at(claim, "metadata", "deletionTimestamp", NULL) &&
         (!storage_class_waits(class) || volume_annotation(claim, VOLUME_SELECTED_NODE));
}

static bool term_allows(const json_t *term, const json_t *labels)
{
  size_t i;
  json_t *requirement;
  json_array_foreach (json_object_get(term, "matchLabelExpressions"), i, requirement) {
    const char *label = json_str(labels, json_str(requirement, "key", ""), NULL);
    if (!label || !json_has_text(json_object_get(requirement, "values"), label))
      return false;
  }
  return true;
}

/* Whether CLASS allows volumes on the node that has the folders. */
static bool topology_allows(const VolumeProvisioner *provisioner, const json_t *class)
{
  const json_t *terms = json_object_get(class, "allowedTopologies");
  g_autoptr(Object) node = informer_get(provisioner->nodes, NULL, provisioner->folders->node_name);
  const json_t *labels = node ? json_at(object_json(node), "metadata", "labels", NULL) : NULL;
  size_t i;
  json_t *term;
  json_array_foreach (terms, i, term)
    if (term_allows(term, labels))
      return true;
  return json_array_size(terms) == 0;
}

/* Why no folder can be what CLAIM asks for; NULL: one can. The caller frees. */
static char *obstacle(const VolumeProvisioner *provisioner, const json_t *claim, const json_t *class)
{
  const json_t *spec = json_object_get(claim, "spec");
  const char *node = volume_annotation(claim, VOLUME_SELECTED_NODE), *ours = provisioner->folders->node_name;
  if (strcmp(volume_mode(claim), "Block") == 0)
    return g_strdup_printf("%s does not support block volume provisioning", VOLUME_PROVISIONER_NAME);
  if (json_object_get(spec, "selector"))
    return g_strdup("claim Selector is not supported");
  if (json_object_get(spec, "dataSource") || json_object_get(spec, "dataSourceRef"))
    return g_strdup_printf("%s does not support a data source", VOLUME_PROVISIONER_NAME);
  if (node && strcmp(node, ours) != 0)
    return g_strdup_printf("volumes are provisioned on node \"%s\" alone, not on \"%s\"", ours, node);
  if (!topology_allows(provisioner, class))
    return g_strdup_printf("StorageClass \"%s\" allows no topology that node \"%s\" is in",
                           json_str(json_object_get(class, "metadata"), "name", ""), ours);
  return NULL;
}

static bool drop_node(json_t *value, void *data)
{
  return json_object_del(json_at(value, "metadata", "annotations", NULL), VOLUME_SELECTED_NODE) == 0;
}

/* Tells why nothing is made. A node that the scheduler chose was the wrong one: it shall choose again. */
static bool refuse(VolumeProvisioner *provisioner, const Object *claim, const char *why, GError **error)
{
  recorder_event(provisioner->recorder, value_of(claim), NULL, "Warning", "ProvisioningFailed", "%s", why);
  if (!volume_annotation(value_of(claim), VOLUME_SELECTED_NODE))
    return true;
  g_autoptr(Object) stored = client_modify(provisioner->client, "v1", "persistentvolumeclaims", object_namespace(claim),
                                           object_name(claim), NULL, drop_node, NULL, error);
  return stored != NULL;
}

/* Where the volume of CLAIM is to be, below the root. A folder that belongs to a volume is never given to another: one
 * that will go is waited for (NULL, and its end leads here again), one that is kept keeps its place. */
static char *choose_folder(const VolumeProvisioner *provisioner, const Object *claim)
{
  g_autofree char *relative = g_strdup_printf("%s/%s", object_namespace(claim), object_name(claim));
  g_autofree char *path = g_build_filename(provisioner->folders->root, relative, NULL);
  g_autoptr(GPtrArray) others = informer_by_index(provisioner->volumes, VOLUMES_BY_PATH, path);
  for (unsigned i = 0; i < others->len; i++) {
    const json_t *spec = json_object_get(object_json(g_ptr_array_index(others, i)), "spec");
    if (strcmp(json_str(spec, "persistentVolumeReclaimPolicy", ""), "Delete") != 0)
      return g_strdup_printf("%s-%s", relative, object_uid(claim));
  }
  return others->len > 0 ? NULL : g_steal_pointer(&relative);
}

/* One cluster's provisioner is told from another's, before and after a restart. */
static char *identity(const VolumeProvisioner *provisioner)
{
  g_autoptr(Object) namespace_ = client_get(provisioner->client, "v1", "namespaces", NULL, "default", NULL);
  return g_strdup(namespace_ ? object_uid(namespace_) : VOLUME_PROVISIONER_NAME);
}

static json_t *make_volume(const VolumeProvisioner *provisioner, const char *name, const Object *claim,
                           const json_t *class, const char *path)
{
  const json_t *spec = json_object_get(value_of(claim), "spec");
  g_autofree char *own_identity = identity(provisioner);
  json_t *reference =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:O}", "kind", "PersistentVolumeClaim", "namespace", object_namespace(claim),
                "name", object_name(claim), "uid", object_uid(claim), "apiVersion", "v1", "resourceVersion",
                json_at(value_of(claim), "metadata", "resourceVersion", NULL));
  return json_pack("{s:{s:s, s:[s], s:{s:s, s:s}}, s:{s:{s:O}, s:O, s:s, s:s, s:s, s:{s:s, s:s}, s:o}}", "metadata",
                   "name", name, "finalizers", PROVISIONER_FINALIZER, "annotations", IDENTITY, own_identity,
                   VOLUME_PROVISIONED_BY, VOLUME_PROVISIONER_NAME, "spec", "capacity", "storage",
                   json_at(spec, "resources", "requests", "storage", NULL), "accessModes",
                   json_object_get(spec, "accessModes"), "persistentVolumeReclaimPolicy",
                   json_str(class, "reclaimPolicy", "Delete"), "storageClassName", volume_class(value_of(claim)),
                   "volumeMode", "Filesystem", "hostPath", "path", path, "type", "", "claimRef", reference);
}

/* The folder first: a volume whose folder is not there would be no use to a pod, and what is asked for again after a
 * stop in between finds the folder made. */
static bool provision(VolumeProvisioner *provisioner, const Object *claim, const json_t *class, const char *name,
                      const char *relative, GError **error)
{
  const VolumeFolders *folders = provisioner->folders;
  g_autofree char *path = g_build_filename(folders->root, relative, NULL);
  g_autoptr(GError) problem = NULL;
  recorder_event(provisioner->recorder, value_of(claim), NULL, "Normal", "Provisioning",
                 "External provisioner is provisioning volume for claim \"%s/%s\"", object_namespace(claim),
                 object_name(claim));
  g_autoptr(json_t) volume = make_volume(provisioner, name, claim, class, path);
  g_autoptr(Object) made = NULL;
  if (folders->make(folders->root, relative, &problem))
    made = client_create(provisioner->client, "v1", "persistentvolumes", NULL, volume, &problem);
  if (!made && !reason_is(problem, REASON_ALREADY_EXISTS)) {
    recorder_event(provisioner->recorder, value_of(claim), NULL, "Warning", "ProvisioningFailed", "%s",
                   problem->message);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  recorder_event(provisioner->recorder, value_of(claim), NULL, "Normal", "ProvisioningSucceeded",
                 "Successfully provisioned volume %s", name);
  if (made)
    informer_wait_revision(provisioner->volumes, object_revision(made));
  return true;
}

static bool sync_claim(VolumeProvisioner *provisioner, const Object *claim, GError **error)
{
  const json_t *value = value_of(claim);
  g_autoptr(Object) class = informer_get(provisioner->classes, NULL, volume_class(value));
  g_autofree char *name = g_strconcat("pvc-", object_uid(claim), NULL);
  g_autoptr(Object) there = informer_get(provisioner->volumes, NULL, name);
  if (there || !class || !is_asked(value, object_json(class)))
    return true;
  g_autofree char *why = obstacle(provisioner, value, object_json(class));
  if (why)
    return refuse(provisioner, claim, why, error);
  g_autofree char *relative = choose_folder(provisioner, claim);
  return !relative || provision(provisioner, claim, object_json(class), name, relative, error);
}

/* --- what leads to work --------------------------------------------------------------------------------------------
 */

bool provisioner_made(const json_t *volume)
{
  return g_strcmp0(volume_annotation(volume, VOLUME_PROVISIONED_BY), VOLUME_PROVISIONER_NAME) == 0;
}

static char **path_of(const Object *volume)
{
  const char *path = json_str(json_at(value_of(volume), "spec", "hostPath", NULL), "path", NULL);
  char **values = path ? g_new0(char *, 2) : NULL;
  if (path)
    values[0] = g_strdup(path);
  return values;
}

static void on_claim(Object *old, Object *new_object, void *data)
{
  VolumeProvisioner *provisioner = data;
  g_autofree char *key = new_object ? informer_key(new_object) : NULL;
  if (key)
    work_queue_add(provisioner->queue, key);
}

/* With a volume its place comes free, for which a claim of the same name may wait. */
static void on_volume(Object *old, Object *new_object, void *data)
{
  VolumeProvisioner *provisioner = data;
  if (new_object) {
    if (provisioner_made(object_json(new_object)))
      work_queue_add(provisioner->queue, object_name(new_object));
    return;
  }
  const json_t *reference = json_at(object_json(old), "spec", "claimRef", NULL);
  g_autofree char *claim =
      g_strdup_printf("%s/%s", json_str(reference, "namespace", ""), json_str(reference, "name", ""));
  if (reference)
    work_queue_add(provisioner->queue, claim);
}

/* Claims may have come before their class, or before the node was in a topology that it allows. */
static void on_class(Object *old, Object *new_object, void *data)
{
  VolumeProvisioner *provisioner = data;
  if (!new_object || strcmp(json_str(object_json(new_object), "provisioner", ""), VOLUME_PROVISIONER_NAME) != 0)
    return;
  g_autoptr(GPtrArray) claims = informer_list(provisioner->claims);
  for (unsigned i = 0; i < claims->len; i++)
    on_claim(NULL, g_ptr_array_index(claims, i), provisioner);
}

static bool reconcile(const char *key, void *data)
{
  VolumeProvisioner *provisioner = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  g_autoptr(GError) error = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) object = informer_get(namespace_ ? provisioner->claims : provisioner->volumes, namespace_, name);
  bool done = !object || (namespace_ ? sync_claim(provisioner, object, &error)
                                     : provisioner_sync_volume(provisioner, object, &error));
  if (!done)
    g_info("%s %s: %s", namespace_ ? "claim" : "volume", key, error ? error->message : "tried again");
  return done;
}

VolumeProvisioner *volume_provisioner_new(const ControllerContext *context)
{
  if (!context->config->volume_folders)
    return NULL;
  VolumeProvisioner *provisioner = g_new0(VolumeProvisioner, 1);
  provisioner->client = client_new(context->registry, VOLUME_PROVISIONER_NAME);
  provisioner->recorder = recorder_new(provisioner->client, NULL);
  provisioner->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  provisioner->volumes = informer_set_get(context->informers, "v1", "persistentvolumes");
  provisioner->classes = informer_set_get(context->informers, "storage.k8s.io/v1", "storageclasses");
  provisioner->nodes = informer_set_get(context->informers, "v1", "nodes");
  provisioner->folders = context->config->volume_folders;
  provisioner->queue = work_queue_new("volume-provisioner", 1, reconcile, provisioner);
  informer_add_index(provisioner->volumes, VOLUMES_BY_PATH, path_of);
  informer_add_handler(provisioner->claims, on_claim, provisioner);
  informer_add_handler(provisioner->volumes, on_volume, provisioner);
  informer_add_handler(provisioner->classes, on_class, provisioner);
  work_queue_start(provisioner->queue);
  return provisioner;
}

void volume_provisioner_free(VolumeProvisioner *provisioner)
{
  work_queue_free(provisioner->queue);
  recorder_free(provisioner->recorder);
  client_free(provisioner->client);
  g_free(provisioner);
}

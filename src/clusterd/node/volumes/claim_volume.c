#include "clusterd/node/volumes/claim_volume.h"

#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/volume_match.h"
#include "clusterd/node/volumes/block_volume.h"
#include "clusterd/node/volumes/host_path.h"
#include "clusterd/node/volumes/nfs_volume.h"
#include "clusterd/node/volumes/volume_owner.h"

bool claim_volume_handles(const json_t *pod, const json_t *volume, char **name)
{
  const json_t *source = json_object_get(volume, "persistentVolumeClaim");
  bool ephemeral = json_object_get(volume, "ephemeral") != NULL;
  if (name && source)
    *name = g_strdup(json_str(source, "claimName", ""));
  else if (name && ephemeral)
    *name =
        g_strdup_printf("%s-%s", json_str(json_object_get(pod, "metadata"), "name", ""), json_str(volume, "name", ""));
  return source || ephemeral;
}

static const char *uid_of(const json_t *object)
{
  return json_str(json_object_get(object, "metadata"), "uid", "");
}

/* A generic ephemeral volume's claim is the pod's own: one of the name that is not belongs to somebody else. */
static bool is_own(const json_t *pod, const json_t *claim)
{
  const json_t *owner = json_find(json_at(claim, "metadata", "ownerReferences", NULL), "uid", uid_of(pod));
  return owner && json_flag(owner, "controller", false);
}

/* Why CLAIM cannot be used by the pod, NULL: it can. A pod that runs already may have a claim that is being deleted:
 * the pod is what holds it. */
static char *obstacle(const VolumeContext *context, const json_t *volume, const char *name, const json_t *claim)
{
  if (!claim)
    return g_strdup_printf("failed to fetch PVC from API server: persistentvolumeclaims \"%s\" not found", name);
  if (json_object_get(volume, "ephemeral") && !is_own(context->pod, claim))
    return g_strdup("PVC was not created for pod (pod is not owner)");
  if (json_at(claim, "metadata", "deletionTimestamp", NULL) && !context->started)
    return g_strdup("PVC is being deleted");
  if (strcmp(json_str(json_object_get(claim, "status"), "phase", ""), "Bound") != 0)
    return g_strdup("PVC is not bound");
  if (!*json_str(json_object_get(claim, "spec"), "volumeName", ""))
    return g_strdup("PVC has empty pvc.Spec.VolumeName");
  return NULL;
}

static char *volume_obstacle(const char *name, const json_t *volume, const json_t *claim, VolumeUse use)
{
  const json_t *reference = json_at(volume, "spec", "claimRef", NULL);
  const char *uid = json_str(reference, "uid", "");
  if (!volume)
    return g_strdup_printf("failed to fetch PV %s from API server: persistentvolumes \"%s\" not found", name, name);
  if (!reference)
    return g_strdup_printf(
        "found PV object %s but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim", name);
  if (strcmp(uid, uid_of(claim)) != 0)
    return g_strdup_printf("found PV object %s but its pv.Spec.ClaimRef.UID %s does not point to claim.UID %s", name,
                           uid, uid_of(claim));
  bool is_block = strcmp(volume_mode(volume), "Block") == 0;
  if (!is_block && use.mapped)
    return g_strdup_printf("volume %s has volumeMode %s, but is specified in volumeDevices", name, volume_mode(volume));
  if (is_block && use.mounted)
    return g_strdup_printf("volume %s has volumeMode Block, but is specified in volumeMounts", name);
  return NULL;
}

static bool is_taken(const VolumeContext *context, const json_t *volume, const json_t *claim)
{
  const ClusterView *view = context->view;
  const json_t *modes = json_at(volume, "spec", "accessModes", NULL);
  return view->take_claim && json_array_size(modes) == 1 && json_has_text(modes, "ReadWriteOncePod") &&
         !view->take_claim(view->data, uid_of(claim), context->pod);
}

static bool is_reached(const VolumeContext *context, const json_t *volume)
{
  const ClusterView *view = context->view;
  g_autoptr(json_t) node = view->object(view->data, "nodes", NULL, context->node->name);
  return !node || volume_reaches(volume, node);
}

/* A local volume is the pod's own: its group gets what is there. (What a hostPath leads to belongs to the node.) */
static bool give_to_group(const json_t *pod, const char *path, GError **error)
{
  const json_t *context = json_at(pod, "spec", "securityContext", NULL);
  bool on_mismatch = g_str_equal(json_str(context, "fsGroupChangePolicy", "Always"), "OnRootMismatch");
  int64_t group = json_int(context, "fsGroup", -1);
  return group < 0 || volume_owner_set(path, (gid_t)group, on_mismatch, error);
}

static char *mount_local(const VolumeContext *context, const char *name, const json_t *source, GError **error)
{
  struct stat info;
  const char *path = json_str(source, "path", "");
  if (stat(path, &info) != 0) {
    reason_set(error, REASON_FILE,
               "MountVolume.NewMounter initialization failed for volume \"%s\" : path \"%s\" does "
               "not exist",
               name, path);
    return NULL;
  }
  g_autofree char *found = host_path_prepare(path, "Directory", error);
  if (found && give_to_group(context->pod, found, error))
    return g_steal_pointer(&found);
  g_prefix_error(error, "MountVolume.SetUp failed for volume \"%s\" : ", name);
  return NULL;
}

static char *mount(const VolumeContext *context, const char *folder, const char *name, const json_t *volume,
                   GError **error)
{
  const json_t *spec = json_object_get(volume, "spec"), *source = json_object_get(spec, "hostPath");
  if (json_object_get(spec, "local"))
    return mount_local(context, name, json_object_get(spec, "local"), error);
  char *path = NULL;
  if (source)
    path = host_path_prepare(json_str(source, "path", ""), json_str(source, "type", ""), error);
  else if (json_object_get(spec, "nfs"))
    path = nfs_volume_mount(folder, name, json_object_get(spec, "nfs"), json_object_get(spec, "mountOptions"), error);
  else
    reason_set(error, REASON_INVALID, "no volume plugin matched");
  if (!path)
    g_prefix_error(error, "MountVolume.SetUp failed for volume \"%s\" : ", name);
  return path;
}

static char *map(const char *folder, const char *name, const json_t *volume, GError **error)
{
  const json_t *local = json_at(volume, "spec", "local", NULL);
  if (!local) {
    reason_set(error, REASON_INVALID,
               "MapVolume.FindMapperPluginBySpec failed for volume \"%s\" : no volume plugin matched", name);
    return NULL;
  }
  char *device = block_volume_attach(folder, name, json_str(local, "path", ""), error);
  if (!device)
    g_prefix_error(error, "MapVolume.MapBlockVolume failed for volume \"%s\" : ", name);
  return device;
}

static bool refuse(const VolumeContext *context, const json_t *volume, const char *claim, char *why, GError **error)
{
  g_autofree char *owned = why;
  const char *name = json_str(volume, "name", "");
  return reason_set(error, REASON_INVALID,
                    "Unable to attach or mount volumes: unmounted volumes=[%s], unattached volumes=[], failed to "
                    "process volumes=[%s]: error processing PVC %s/%s: %s",
                    name, name, json_str(json_object_get(context->pod, "metadata"), "namespace", ""), claim, owned);
}

char *claim_volume_path(const VolumeContext *context, const char *folder, const json_t *volume, VolumeUse use,
                        GError **error)
{
  const ClusterView *view = context->view;
  g_autofree char *claim_name = NULL;
  claim_volume_handles(context->pod, volume, &claim_name);
  g_autoptr(json_t) claim =
      view->object(view->data, "persistentvolumeclaims",
                   json_str(json_object_get(context->pod, "metadata"), "namespace", ""), claim_name);
  char *why = obstacle(context, volume, claim_name, claim);
  if (why) {
    refuse(context, volume, claim_name, why, error);
    return NULL;
  }
  const char *name = json_str(json_object_get(claim, "spec"), "volumeName", "");
  g_autoptr(json_t) bound = view->object(view->data, "persistentvolumes", NULL, name);
  why = volume_obstacle(name, bound, claim, use);
  if (why)
    refuse(context, volume, claim_name, why, error);
  else if (!is_reached(context, bound))
    reason_set(error, REASON_INVALID,
               "%sVolume.NodeAffinity check failed for volume \"%s\" : no matching NodeSelectorTerms",
               use.mapped ? "Map" : "Mount", name);
  else if (is_taken(context, bound, claim))
    reason_set(error, REASON_INVALID,
               "%s failed for volume \"%s\" : volume uses the ReadWriteOncePod access mode and is already in use by "
               "another pod",
               use.mapped ? "MapVolume.SetUpDevice" : "MountVolume.SetUp", name);
  else if (use.mapped)
    return map(folder, name, bound, error);
  else
    return mount(context, folder, name, bound, error);
  return NULL;
}

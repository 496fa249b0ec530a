#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/kubelet_private.h"
#include "clusterd/node/volumes/volumes.h"

/* The uids of all pods there are: a set that borrows from PODS. */
static GHashTable *known_uids(const ObjectList *pods)
{
  GHashTable *uids = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < pods->objects->len; i++)
    g_hash_table_add(uids, (gpointer)(uintptr_t)object_uid(pods->objects->pdata[i]));
  return uids;
}

static bool is_known(Kubelet *kubelet, GHashTable *uids, const char *uid)
{
  return g_hash_table_contains(uids, uid) || (kubelet->static_pods && static_pods_has(kubelet->static_pods, uid));
}

/* What lies on the node, looked at before the pods are asked for: what a new pod makes meanwhile is not among it. */
typedef struct Remains {
  json_t *sandboxes;
  char **pod_folders; /* called by the uids */
  char **log_folders; /* called NAMESPACE_NAME_UID */
} Remains;

/* The names in the folder PATH. The caller frees. */
static char **names_in(const char *path)
{
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  for (const char *name; folder && (name = g_dir_read_name(folder));)
    g_strv_builder_add(names, name);
  return g_strv_builder_end(names);
}

static void remove_sandboxes(Kubelet *kubelet, const json_t *sandboxes, GHashTable *uids)
{
  Runtime *runtime = kubelet->runtime;
  const json_t *sandbox;
  size_t i;
  json_array_foreach (sandboxes, i, sandbox) {
    const char *id = json_str(sandbox, "id", "");
    g_autoptr(GError) error = NULL;
    if (is_known(kubelet, uids, json_str(sandbox, "uid", "")))
      continue;
    g_message("Pod %s/%s is no more: its containers are removed", json_str(sandbox, "namespace", ""),
              json_str(sandbox, "name", ""));
    if (!runtime->stop_sandbox(runtime, id, &error) || !runtime->remove_sandbox(runtime, id, &error))
      g_warning("Sandbox %s: %s", id, error->message);
  }
}

static void remove_pod_folders(Kubelet *kubelet, char **names, GHashTable *uids)
{
  for (char **name = names; *name; name++) {
    g_autofree char *dir = g_build_filename(kubelet->pods_dir, *name, NULL);
    g_autoptr(GError) error = NULL;
    if (is_known(kubelet, uids, *name))
      continue;
    g_autoptr(PodVolumes) volumes = pod_volumes_new(dir);
    if (!pod_volumes_tear_down(volumes, &error) || !file_remove_tree(dir, &error))
      g_warning("%s: %s", dir, error->message);
  }
}

static void remove_logs(Kubelet *kubelet, char **names, GHashTable *uids)
{
  for (char **name = names; *name; name++) {
    g_auto(GStrv) parts = g_strsplit(*name, "_", 3);
    g_autofree char *dir = g_build_filename(kubelet->logs_dir, *name, NULL);
    g_autoptr(GError) error = NULL;
    if (g_strv_length(parts) == 3 && !is_known(kubelet, uids, parts[2]) && !file_remove_tree(dir, &error))
      g_warning("%s: %s", dir, error->message);
  }
}

void kubelet_remove_orphans(Kubelet *kubelet)
{
  Remains remains = { kubelet->runtime->list_sandboxes(kubelet->runtime, NULL), names_in(kubelet->pods_dir),
                      names_in(kubelet->logs_dir) };
  g_autoptr(ObjectList) pods = client_list(kubelet->client, "v1", "pods", NULL, NULL, NULL);
  g_autoptr(GHashTable) uids = pods ? known_uids(pods) : NULL;
  if (uids) {
    remove_sandboxes(kubelet, remains.sandboxes, uids);
    remove_pod_folders(kubelet, remains.pod_folders, uids);
    remove_logs(kubelet, remains.log_folders, uids);
  }
  json_decref(remains.sandboxes);
  g_strfreev(remains.pod_folders);
  g_strfreev(remains.log_folders);
}

/* What pods see of the cluster: objects, services and tokens, from the informers. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/pod.h"
#include "clusterd/node/kubelet_private.h"

#define BY_NAMESPACE "kubelet-namespace"

void kubelet_view_register(Kubelet *kubelet, InformerSet *informers)
{
  kubelet->config_maps = informer_set_get(informers, "v1", "configmaps");
  kubelet->secrets = informer_set_get(informers, "v1", "secrets");
  kubelet->services = informer_set_get(informers, "v1", "services");
  kubelet->claims = informer_set_get(informers, "v1", "persistentvolumeclaims");
  kubelet->nodes = informer_set_get(informers, "v1", "nodes");
  informer_add_index(kubelet->services, BY_NAMESPACE, informer_index_by_namespace);
}

static json_t *get_object(void *data, const char *plural, const char *namespace_, const char *name)
{
  const Kubelet *kubelet = data;
  /* A pod comes here at the moment its claim is bound: what informers show of that may be a step behind. */
  bool rare = g_str_equal(plural, "runtimeclasses"); /* not worth a watch */
  if (rare || g_str_has_prefix(plural, "persistentvolume")) {
    const char *version = rare ? "node.k8s.io/v1" : "v1";
    g_autoptr(Object) now = client_get(kubelet->client, version, plural, namespace_, name, NULL);
    return now ? json_incref(object_json(now)) : NULL;
  }
  const struct {
    const char *plural;
    Informer *informer;
  } kinds[] = { { "configmaps", kubelet->config_maps }, { "secrets", kubelet->secrets }, { "nodes", kubelet->nodes } };
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    if (!g_str_equal(plural, kinds[i].plural))
      continue;
    g_autoptr(Object) object = informer_get(kinds[i].informer, namespace_, name);
    return object ? json_incref(object_json(object)) : NULL;
  }
  return NULL;
}

static GPtrArray *get_services(void *data, const char *namespace_)
{
  const Kubelet *kubelet = data;
  GPtrArray *values = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  g_autoptr(GPtrArray) objects = informer_by_index(kubelet->services, BY_NAMESPACE, namespace_);
  for (guint i = 0; i < objects->len; i++)
    g_ptr_array_add(values, json_incref(object_json(objects->pdata[i])));
  return values;
}

static char *get_token(void *data, const json_t *pod, const char *audience, int64_t lifetime_seconds,
                       int64_t *expires_us, GError **error)
{
  const Kubelet *kubelet = data;
  const json_t *metadata = json_object_get(pod, "metadata");
  const char *audiences[] = { audience, NULL };
  if (!kubelet->issue_token) {
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "no service account tokens are issued here");
    return NULL;
  }
  return kubelet->issue_token(kubelet->issuer, json_str(metadata, "namespace", ""),
                              json_str(json_object_get(pod, "spec"), "serviceAccountName", "default"),
                              audience && *audience ? audiences : NULL, lifetime_seconds,
                              json_str(metadata, "name", ""), json_str(metadata, "uid", ""), expires_us, error);
}

/* Whether the pod that HOLDER (as in claim_holders) stands for is there and not over. */
static bool still_holds(const Kubelet *kubelet, const char *holder)
{
  const char *uid = strchr(holder, ' ');
  g_autofree char *key = g_strndup(holder, (gsize)(uid - holder)), *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) pod = informer_get(kubelet->pods, namespace_, name);
  return pod && g_str_equal(object_uid(pod), uid + 1) && !pod_is_finished(object_json(pod));
}

/* Who held the claim before need not give it back: it is looked whether that pod still lives. */
static bool take_claim(void *data, const char *claim_uid, const json_t *pod)
{
  Kubelet *kubelet = data;
  const json_t *metadata = json_object_get(pod, "metadata");
  g_autofree char *own = g_strdup_printf("%s/%s %s", json_str(metadata, "namespace", ""),
                                         json_str(metadata, "name", ""), json_str(metadata, "uid", ""));
  g_mutex_lock(&kubelet->lock);
  g_autofree char *before = g_strdup(g_hash_table_lookup(kubelet->claim_holders, claim_uid));
  g_mutex_unlock(&kubelet->lock);
  if (before && !g_str_equal(before, own) && still_holds(kubelet, before))
    return false;
  g_mutex_lock(&kubelet->lock);
  bool free = g_strcmp0(g_hash_table_lookup(kubelet->claim_holders, claim_uid), before) == 0;
  if (free)
    g_hash_table_insert(kubelet->claim_holders, g_strdup(claim_uid), g_steal_pointer(&own));
  g_mutex_unlock(&kubelet->lock);
  return free;
}

ClusterView kubelet_view(Kubelet *kubelet)
{
  return (ClusterView){
    .data = kubelet, .object = get_object, .services = get_services, .take_claim = take_claim, .token = get_token
  };
}

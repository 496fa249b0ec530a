#include "clusterd/proxy/policy_pods.h"

#include "base/json.h"
#include "clusterd/proxy/pod_address.h"

static void pod_free(PolicyPod *pod)
{
  for (int i = 0; i < POLICY_DIRECTIONS; i++)
    g_ptr_array_unref(pod->isolated_by[i]);
  g_free(pod);
}

/* An address that is given out again is the newer pod's, however long the older one's object stays. */
static bool is_newer(const json_t *pod, const json_t *other)
{
  const json_t *one = json_object_get(pod, "metadata"), *two = json_object_get(other, "metadata");
  bool one_ends = json_object_get(one, "deletionTimestamp"), two_ends = json_object_get(two, "deletionTimestamp");
  if (one_ends != two_ends)
    return two_ends;
  return g_strcmp0(json_str(one, "creationTimestamp", ""), json_str(two, "creationTimestamp", "")) > 0;
}

static void add_pod(GHashTable *by_address, const json_t *object, const PolicyPodsInput *input)
{
  IpAddress address;
  const char *ip = pod_address_of(object, input->family);
  if (!ip || !ip_address_parse(ip, &address))
    return;
  PolicyPod *pod = g_hash_table_lookup(by_address, ip);
  if (!pod) {
    pod = g_new0(PolicyPod, 1);
    for (int i = 0; i < POLICY_DIRECTIONS; i++)
      pod->isolated_by[i] = g_ptr_array_new();
    g_hash_table_insert(by_address, g_strdup(ip), pod);
  } else if (!is_newer(object, pod->object)) {
    return;
  }
  pod->number = address.number;
  pod->ip = ip;
  pod->object = object;
  pod->is_local = g_strcmp0(json_str(json_object_get(object, "spec"), "nodeName", NULL), input->node_name) == 0;
}

/* Cluster DNS is part of the node here. Policies that let pods ask it name it as upstream's add-on is labelled. */
static json_t *make_dns_pod(const char *dns_ip)
{
  return json_pack("{s:{s:s,s:s,s:{s:s}},s:{s:[{s:[{s:s,s:s,s:i},{s:s,s:s,s:i}]}]},s:{s:s}}", "metadata", "namespace",
                   "kube-system", "name", "cluster-dns", "labels", "k8s-app", "kube-dns", "spec", "containers", "ports",
                   "name", "dns", "protocol", "UDP", "containerPort", 53, "name", "dns-tcp", "protocol", "TCP",
                   "containerPort", 53, "status", "podIP", dns_ip);
}

static gint compare_pods(gconstpointer a, gconstpointer b)
{
  const PolicyPod *left = *(PolicyPod *const *)a, *right = *(PolicyPod *const *)b;
  return left->number < right->number ? -1 : left->number > right->number;
}

static void index_pod(PolicyPods *pods, PolicyPod *pod)
{
  const char *namespace_ = json_str(json_object_get(pod->object, "metadata"), "namespace", "");
  GPtrArray *list = g_hash_table_lookup(pods->by_namespace, namespace_);
  if (!list) {
    list = g_ptr_array_new();
    g_hash_table_insert(pods->by_namespace, g_strdup(namespace_), list);
  }
  g_ptr_array_add(list, pod);
}

PolicyPods *policy_pods_read(const PolicyPodsInput *input)
{
  PolicyPods *pods = g_new0(PolicyPods, 1);
  g_autoptr(GHashTable) by_address = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  pods->all = g_ptr_array_new_with_free_func((GDestroyNotify)pod_free);
  pods->by_namespace = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  pods->labels_of_space = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < input->pods->len; i++)
    add_pod(by_address, input->pods->pdata[i], input);
  if (input->dns_ip) {
    pods->dns_pod = make_dns_pod(input->dns_ip);
    add_pod(by_address, pods->dns_pod, input);
  }
  GHashTableIter iter;
  gpointer pod;
  g_hash_table_iter_init(&iter, by_address);
  while (g_hash_table_iter_next(&iter, NULL, &pod))
    g_ptr_array_add(pods->all, pod);
  g_ptr_array_sort(pods->all, compare_pods);
  for (guint i = 0; i < pods->all->len; i++)
    index_pod(pods, pods->all->pdata[i]);
  for (guint i = 0; i < input->namespaces->len; i++) {
    const json_t *metadata = json_object_get(input->namespaces->pdata[i], "metadata");
    g_hash_table_insert(pods->labels_of_space, g_strdup(json_str(metadata, "name", "")),
                        json_object_get(metadata, "labels"));
  }
  return pods;
}

void policy_pods_free(PolicyPods *pods)
{
  if (!pods)
    return;
  g_hash_table_unref(pods->by_namespace);
  g_hash_table_unref(pods->labels_of_space);
  g_ptr_array_unref(pods->all);
  json_decref(pods->dns_pod);
  g_free(pods);
}

const GPtrArray *policy_pods_of(const PolicyPods *pods, const char *namespace_)
{
  return g_hash_table_lookup(pods->by_namespace, namespace_);
}

static uint16_t port_in(const json_t *containers, bool only_sidecars, const char *name, const char *protocol)
{
  const json_t *container, *port;
  size_t i, k;
  json_array_foreach (containers, i, container) {
    if (only_sidecars && !g_str_equal(json_str(container, "restartPolicy", ""), "Always"))
      continue;
    json_array_foreach (json_object_get(container, "ports"), k, port)
      if (g_str_equal(json_str(port, "name", ""), name) && g_str_equal(json_str(port, "protocol", "TCP"), protocol))
        return (uint16_t)json_int(port, "containerPort", 0);
  }
  return 0;
}

uint16_t policy_pod_port(const PolicyPod *pod, const char *name, const char *protocol)
{
  const json_t *spec = json_object_get(pod->object, "spec");
  uint16_t port = port_in(json_object_get(spec, "containers"), false, name, protocol);
  return port != 0 ? port : port_in(json_object_get(spec, "initContainers"), true, name, protocol);
}

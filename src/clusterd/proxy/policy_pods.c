#include "clusterd/proxy/policy_pods.h"

#include <arpa/inet.h>

#include "base/json.h"

static bool has_ended(const json_t *pod)
{
  const char *phase = json_str(json_object_get(pod, "status"), "phase", "");
  return g_str_equal(phase, "Succeeded") || g_str_equal(phase, "Failed");
}

static void pod_free(PolicyPod *pod)
{
  for (int i = 0; i < POLICY_DIRECTIONS; i++)
    g_ptr_array_unref(pod->isolated_by[i]);
  g_free(pod);
}

static bool read_address(const json_t *pod, uint32_t *address)
{
  struct in_addr parsed;
  const char *ip = json_str(json_object_get(pod, "status"), "podIP", NULL);
  if (!ip || inet_pton(AF_INET, ip, &parsed) != 1 || has_ended(pod) ||
      json_flag(json_object_get(pod, "spec"), "hostNetwork", false))
    return false;
  *address = ntohl(parsed.s_addr);
  return true;
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

static void add_pod(GHashTable *by_address, const json_t *object, const char *node_name)
{
  uint32_t address;
  if (!read_address(object, &address))
    return;
  PolicyPod *pod = g_hash_table_lookup(by_address, GUINT_TO_POINTER(address));
  if (!pod) {
    pod = g_new0(PolicyPod, 1);
    for (int i = 0; i < POLICY_DIRECTIONS; i++)
      pod->isolated_by[i] = g_ptr_array_new();
    g_hash_table_insert(by_address, GUINT_TO_POINTER(address), pod);
  } else if (!is_newer(object, pod->object)) {
    return;
  }
  pod->address = address;
  pod->object = object;
  pod->is_local = g_strcmp0(json_str(json_object_get(object, "spec"), "nodeName", NULL), node_name) == 0;
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
  return left->address < right->address ? -1 : left->address > right->address;
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
  g_autoptr(GHashTable) by_address = g_hash_table_new(NULL, NULL);
  pods->all = g_ptr_array_new_with_free_func((GDestroyNotify)pod_free);
  pods->by_namespace = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  pods->labels_of_space = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < input->pods->len; i++)
    add_pod(by_address, input->pods->pdata[i], input->node_name);
  if (input->dns_ip) {
    pods->dns_pod = make_dns_pod(input->dns_ip);
    add_pod(by_address, pods->dns_pod, input->node_name);
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

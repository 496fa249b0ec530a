/* What a node may write: its own Node, without labels and taints that would draw pods to it; mirror pods of its own,
 * and the status of the pods placed on it; tokens for those pods; its own lease and CSINode.
 * Source: plugin/pkg/admission/noderestriction. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/access/node_authorizer.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

#define MIRROR "kubernetes.io/config.mirror"
#define LEASES "kube-node-lease"
#define RESTRICTED "node-restriction.kubernetes.io"

typedef struct NodeWrite {
  const AdmissionRequest *request;
  const char *node;        /* who writes */
  const char *subresource; /* "" for none */
  GError **error;
} NodeWrite;

#define FORBID(write, ...) admission_forbid((write)->request, (write)->error, __VA_ARGS__)

static const json_t *member(const json_t *value, const char *name)
{
  return json_object_get(value, name);
}

static bool not_found(const NodeWrite *write, const char *plural, const char *name)
{
  const ApiScheme *scheme = registry_scheme(write->request->registry);
  return api_error_not_found(write->error, api_scheme_resource(scheme, "", "v1", plural), name);
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

/* The pod NAME of the request's namespace, new reference; NULL with the error. */
static Object *find_pod(const NodeWrite *write, const char *name)
{
  const AdmissionRequest *request = write->request;
  Object *pod = admission_find(request, "", "v1", "pods", request->target->namespace_, name);
  if (!pod)
    not_found(write, "pods", name);
  return pod;
}

static bool is_placed_here(const NodeWrite *write, const json_t *pod)
{
  return g_str_equal(json_str(member(pod, "spec"), "nodeName", ""), write->node);
}

static bool check_owner(const NodeWrite *write, const json_t *metadata)
{
  const json_t *owners = member(metadata, "ownerReferences"), *owner = json_array_get(owners, 0);
  if (json_array_size(owners) > 1)
    return FORBID(write, "node \"%s\" can only create pods with a single owner reference set to itself", write->node);
  if (!owner || !g_str_equal(json_str(owner, "apiVersion", ""), "v1") ||
      !g_str_equal(json_str(owner, "kind", ""), "Node") || !g_str_equal(json_str(owner, "name", ""), write->node))
    return FORBID(write, "node \"%s\" can only create pods with an owner reference set to itself", write->node);
  if (!json_flag(owner, "controller", false))
    return FORBID(write, "node \"%s\" can only create pods with a controller owner reference set to itself",
                  write->node);
  if (json_flag(owner, "blockOwnerDeletion", false))
    return FORBID(write, "node \"%s\" must not set blockOwnerDeletion on an owner reference", write->node);
  g_autoptr(Object) node = admission_find(write->request, "", "v1", "nodes", NULL, write->node);
  if (!node)
    return not_found(write, "nodes", write->node);
  const char *uid = json_str(owner, "uid", ""), *actual = object_uid(node);
  return g_str_equal(uid, actual) ||
         FORBID(write, "node %s UID mismatch: expected %s got %s", write->node, uid, actual);
}

/* A mirror pod stands by itself: what it referred to, the node could read. */
static bool check_references(const NodeWrite *write, const json_t *spec)
{
  static const char *const resources[] = { "secrets", "configmaps", "clustertrustbundles", "persistentvolumeclaims" };
  if (*json_str(spec, "serviceAccountName", ""))
    return FORBID(write, "node \"%s\" can not create pods that reference a service account", write->node);
  for (gsize i = 0; i < G_N_ELEMENTS(resources); i++)
    if (pod_refers_to(spec, resources[i], NULL))
      return FORBID(write, "node \"%s\" can not create pods that reference %s", write->node, resources[i]);
  return true;
}

static bool check_new_pod(const NodeWrite *write)
{
  const json_t *pod = write->request->object, *metadata = member(pod, "metadata");
  if (!json_str(member(metadata, "annotations"), MIRROR, NULL))
    return FORBID(write, "pod does not have \"" MIRROR "\" annotation, node \"%s\" can only create mirror pods",
                  write->node);
  if (!is_placed_here(write, pod))
    return FORBID(write, "node \"%s\" can only create pods with spec.nodeName set to itself", write->node);
  return check_owner(write, metadata) && check_references(write, member(pod, "spec"));
}

static bool check_pod_itself(const NodeWrite *write)
{
  switch (write->request->operation) {
  case ADMISSION_CREATE:
    return check_new_pod(write);
  case ADMISSION_DELETE:
    return is_placed_here(write, write->request->old) ||
           FORBID(write, "node \"%s\" can only delete pods with spec.nodeName set to itself", write->node);
  default:
    return FORBID(write, "unexpected operation \"%s\", node \"%s\" can only create and delete mirror pods",
                  admission_operation_name(write->request->operation), write->node);
  }
}

/* What resource claims the pod's status says it has, without what does not name them. */
static json_t *claims_of(const json_t *pod)
{
  json_t *claims = json_array();
  size_t i;
  json_t *claim;
  json_array_foreach (json_at(pod, "status", "resourceClaimStatuses", NULL), i, claim)
    json_array_append_new(
        claims, json_pack("[s, s?]", json_str(claim, "name", ""), json_str(claim, "resourceClaimName", NULL)));
  return claims;
}

static bool check_pod_status(const NodeWrite *write)
{
  const AdmissionRequest *request = write->request;
  if (request->operation != ADMISSION_UPDATE)
    return FORBID(write, "unexpected operation \"%s\"", admission_operation_name(request->operation));
  if (!is_placed_here(write, request->old))
    return FORBID(write, "node \"%s\" can only update pod status for pods with spec.nodeName set to itself",
                  write->node);
  if (!json_same(json_at(request->old, "metadata", "labels", NULL),
                 json_at(request->object, "metadata", "labels", NULL)))
    return FORBID(write, "node \"%s\" cannot update labels through pod status", write->node);
  g_autoptr(json_t) before = claims_of(request->old), after = claims_of(request->object);
  return json_equal(before, after) || FORBID(write, "node \"%s\" cannot update resource claim statues", write->node);
}

static bool check_eviction(const NodeWrite *write)
{
  const AdmissionRequest *request = write->request;
  if (request->operation != ADMISSION_CREATE)
    return FORBID(write, "unexpected operation %s", admission_operation_name(request->operation));
  g_autoptr(Object) pod = find_pod(write, request->target->name);
  if (!pod)
    return false;
  return is_placed_here(write, object_json(pod)) ||
         FORBID(write, "node %s can only evict pods with spec.nodeName set to itself", write->node);
}

static bool check_pod(const NodeWrite *write)
{
  if (!*write->subresource)
    return check_pod_itself(write);
  if (g_str_equal(write->subresource, "status"))
    return check_pod_status(write);
  if (g_str_equal(write->subresource, "eviction"))
    return check_eviction(write);
  return FORBID(write, "unexpected pod subresource \"%s\", only 'status' and 'eviction' are allowed",
                write->subresource);
}

/* --- nodes ---------------------------------------------------------------------------------------------------------
 */

/* Whether NAME is DOMAIN or below it. */
static bool is_within(const char *name, const char *domain)
{
  g_autofree char *below = g_strconcat(".", domain, NULL);
  return g_str_equal(name, domain) || g_str_has_suffix(name, below);
}

/* Labels of Kubernetes' own that a kubelet sets. */
static bool is_kubelets(const char *label, const char *domain)
{
  static const char *const labels[] = { "kubernetes.io/hostname",
                                        "topology.kubernetes.io/zone",
                                        "topology.kubernetes.io/region",
                                        "failure-domain.beta.kubernetes.io/zone",
                                        "failure-domain.beta.kubernetes.io/region",
                                        "beta.kubernetes.io/instance-type",
                                        "node.kubernetes.io/instance-type",
                                        "kubernetes.io/os",
                                        "kubernetes.io/arch",
                                        "beta.kubernetes.io/os",
                                        "beta.kubernetes.io/arch",
                                        NULL };
  return g_strv_contains(labels, label) || is_within(domain, "kubelet.kubernetes.io") ||
         is_within(domain, "node.kubernetes.io");
}

static bool is_forbidden(const char *label)
{
  const char *slash = strchr(label, '/');
  g_autofree char *domain = slash ? g_strndup(label, (gsize)(slash - label)) : g_strdup("");
  return is_within(domain, RESTRICTED) ||
         ((is_within(domain, "kubernetes.io") || is_within(domain, "k8s.io")) && !is_kubelets(label, domain));
}

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds to FOUND the labels of A that B has not, or otherwise, and that no node may change. */
static void add_forbidden(const json_t *a, const json_t *b, GPtrArray *found)
{
  const char *label;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)a, label, value)
    if (!json_same(value, json_object_get(b, label)) && is_forbidden(label) &&
        !g_ptr_array_find_with_equal_func(found, label, g_str_equal, NULL))
      g_ptr_array_add(found, (void *)(uintptr_t)label);
}

/* The labels the write changes and no node may, with commas; NULL: none. The caller frees. */
static char *forbidden_labels(const AdmissionRequest *request)
{
  const json_t *before = json_at(request->old, "metadata", "labels", NULL);
  const json_t *after = json_at(request->object, "metadata", "labels", NULL);
  g_autoptr(GPtrArray) found = g_ptr_array_new();
  add_forbidden(after, before, found);
  add_forbidden(before, after, found);
  if (found->len == 0)
    return NULL;
  g_ptr_array_sort(found, compare_texts);
  g_ptr_array_add(found, NULL);
  return g_strjoinv(", ", (char **)found->pdata);
}

static bool check_node(const NodeWrite *write)
{
  const AdmissionRequest *request = write->request;
  const json_t *spec = member(request->object, "spec"), *before = member(request->old, "spec");
  const char *name = admission_name(request);
  bool creates = request->operation == ADMISSION_CREATE;
  if (!g_str_equal(name, write->node))
    return FORBID(write, "node \"%s\" is not allowed to modify node \"%s\"", write->node, name);
  if (!creates && request->operation != ADMISSION_UPDATE)
    return true;
  if (creates && member(spec, "configSource"))
    return FORBID(write, "node \"%s\" is not allowed to create pods with a non-nil configSource", write->node);
  if (member(spec, "configSource") && !json_same(member(spec, "configSource"), member(before, "configSource")))
    return FORBID(write, "node \"%s\" is not allowed to update configSource to a new non-nil configSource",
                  write->node);
  if (!creates && !json_same(member(spec, "taints"), member(before, "taints")))
    return FORBID(write, "node \"%s\" is not allowed to modify taints", write->node);
  g_autofree char *labels = forbidden_labels(request);
  if (labels && creates)
    return FORBID(write, "node \"%s\" is not allowed to set the following labels: %s", write->node, labels);
  return !labels || FORBID(write, "is not allowed to modify labels: %s", labels);
}

/* --- the others ----------------------------------------------------------------------------------------------------
 */

/* CLAIM without what a node may tell of it. New reference. */
static json_t *without_status(const json_t *claim)
{
  static const char *const told[] = { "capacity", "conditions", "allocatedResourceStatuses", "allocatedResources" };
  json_t *copy = json_deep_copy(claim);
  json_object_del(json_object_get(copy, "metadata"), "resourceVersion");
  json_object_del(json_object_get(copy, "metadata"), "managedFields");
  for (gsize i = 0; i < G_N_ELEMENTS(told); i++)
    json_object_del(json_object_get(copy, "status"), told[i]);
  return copy;
}

static bool check_claim(const NodeWrite *write)
{
  const AdmissionRequest *request = write->request;
  if (!g_str_equal(write->subresource, "status"))
    return FORBID(write, "may only update PVC status");
  if (request->operation != ADMISSION_UPDATE)
    return FORBID(write, "unexpected operation \"%s\"", admission_operation_name(request->operation));
  g_autoptr(json_t) before = without_status(request->old), after = without_status(request->object);
  return json_same(before, after) ||
         FORBID(write, "node \"%s\" is not allowed to update fields other than status.capacity and status.conditions",
                write->node);
}

static bool check_account(const NodeWrite *write)
{
  const AdmissionRequest *request = write->request;
  if (request->operation != ADMISSION_CREATE || !g_str_equal(write->subresource, "token"))
    return true;
  const json_t *bound = json_at(request->object, "spec", "boundObjectRef", NULL);
  const char *uid = json_str(bound, "uid", ""), *name = json_str(bound, "name", "");
  if (!g_str_equal(json_str(bound, "apiVersion", ""), "v1") || !g_str_equal(json_str(bound, "kind", ""), "Pod") ||
      !*name)
    return FORBID(write, "node requested token not bound to a pod");
  if (!*uid)
    return FORBID(write, "node requested token with a pod binding without a uid");
  g_autoptr(Object) pod = find_pod(write, name);
  if (!pod)
    return false;
  if (!g_str_equal(uid, object_uid(pod)))
    return FORBID(write,
                  "the UID in the bound object reference (%s) does not match the UID in record. The object might have "
                  "been deleted and then recreated",
                  uid);
  return is_placed_here(write, object_json(pod)) ||
         FORBID(write, "node requested token bound to a pod scheduled on a different node");
}

static bool check_lease(const NodeWrite *write)
{
  if (g_strcmp0(write->request->target->namespace_, LEASES) != 0)
    return FORBID(write, "can only access leases in the \"" LEASES "\" system namespace");
  return g_str_equal(admission_name(write->request), write->node) ||
         FORBID(write, "can only access node lease with the same name as the requesting node");
}

static bool check_csi_node(const NodeWrite *write)
{
  return g_str_equal(admission_name(write->request), write->node) ||
         FORBID(write, "can only access CSINode with the same name as the requesting node");
}

static const struct {
  const char *group, *plural;
  bool (*check)(const NodeWrite *write);
} rows[] = {
  { "", "pods", check_pod },
  { "", "nodes", check_node },
  { "", "persistentvolumeclaims", check_claim },
  { "", "serviceaccounts", check_account },
  { "coordination.k8s.io", "leases", check_lease },
  { "storage.k8s.io", "csinodes", check_csi_node },
};

static bool restrict_node(void *state, AdmissionRequest *request, GError **error)
{
  const Identity *identity = request->caller ? request->caller->identity : NULL;
  const char *subresource = request->target->subresource;
  const char *node = identity ? node_of_identity(identity) : NULL;
  if (!node || request->operation == ADMISSION_CONNECT)
    return true;
  NodeWrite write = { request, node, subresource ? subresource : "", error };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    if (g_str_equal(rows[i].group, request->kind->group) && g_str_equal(rows[i].plural, request->kind->plural))
      return *node ? rows[i].check(&write)
                   : FORBID(&write, "could not determine node from user \"%s\"", identity->name);
  return true;
}

const AdmissionPlugin admission_node_restriction = { .name = "NodeRestriction",
                                                     .takes_bodies = true,
                                                     .mutate = restrict_node };

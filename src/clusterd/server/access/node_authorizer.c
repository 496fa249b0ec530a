#include "clusterd/server/access/node_authorizer.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/server/registry/registry_private.h"

#define USER_PREFIX "system:node:"
#define LEASES "kube-node-lease"

typedef struct NodeQuestion {
  Registry *registry;
  const json_t *rules;
  const char *node;
  const Attributes *attributes;
  char **why; /* never NULL */
} NodeQuestion;

static bool refuse(const NodeQuestion *question, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(const NodeQuestion *question, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_free(*question->why);
  *question->why = g_strdup_vprintf(format, args);
  va_end(args);
  return false;
}

static bool is_verb(const NodeQuestion *question, const char *verbs)
{
  g_auto(GStrv) list = g_strsplit(verbs, " ", -1);
  return g_strv_contains((const char *const *)list, question->attributes->verb);
}

static bool by_rules(const NodeQuestion *question)
{
  size_t i;
  json_t *rule;
  json_array_foreach (question->rules, i, rule)
    if (rbac_rule_allows(rule, question->attributes))
      return true;
  return false;
}

/* --- what pods refer to --------------------------------------------------------------------------------------------
 */

/* How a part of a pod's spec names an object: a member that holds its name in another member. */
typedef struct Reference {
  const char *resource, *member, *name;
} Reference;

static const Reference references[] = {
  { "secrets", "secretKeyRef", "name" },
  { "secrets", "secretRef", "name" },
  { "secrets", "nodePublishSecretRef", "name" },
  { "secrets", "imagePullSecrets", "name" },
  { "secrets", "secret", "secretName" }, /* a volume */
  { "secrets", "secret", "name" },       /* a source of a projected volume */
  { "secrets", "azureFile", "secretName" },
  { "configmaps", "configMapKeyRef", "name" },
  { "configmaps", "configMapRef", "name" },
  { "configmaps", "configMap", "name" },
  { "persistentvolumeclaims", "persistentVolumeClaim", "claimName" },
  { "clustertrustbundles", "clusterTrustBundle", "path" }, /* its name may be left out */
};

static bool is_named(const json_t *value, const char *member, const char *name)
{
  const char *named = json_is_object(value) ? json_str(value, member, NULL) : NULL;
  return named && (!name || g_str_equal(named, name));
}

static bool names(const json_t *value, const char *member, const char *name)
{
  size_t i;
  json_t *item;
  json_array_foreach (value, i, item)
    if (is_named(item, member, name))
      return true;
  return is_named(value, member, name);
}

bool pod_refers_to(const json_t *value, const char *resource, const char *name)
{
  const char *key;
  size_t i;
  json_t *item;
  json_array_foreach (value, i, item)
    if (pod_refers_to(item, resource, name))
      return true;
  json_object_foreach ((json_t *)(uintptr_t)value, key, item) {
    for (gsize j = 0; j < G_N_ELEMENTS(references); j++)
      if (g_str_equal(references[j].resource, resource) && g_str_equal(references[j].member, key) &&
          names(item, references[j].name, name))
        return true;
    if (pod_refers_to(item, resource, name))
      return true;
  }
  return false;
}

typedef struct PodSearch {
  const char *node, *resource, *name;
  bool found;
} PodSearch;

static bool visit_pod(Object *pod, void *data)
{
  PodSearch *search = data;
  const json_t *spec = json_object_get(object_json(pod), "spec");
  if (!g_str_equal(json_str(spec, "nodeName", ""), search->node))
    return false;
  if (g_str_equal(search->resource, "pods"))
    search->found = g_str_equal(object_name(pod), search->name);
  else if (g_str_equal(search->resource, "serviceaccounts"))
    search->found = g_str_equal(json_str(spec, "serviceAccountName", ""), search->name);
  else
    search->found = pod_refers_to(spec, search->resource, search->name);
  return search->found;
}

static const ApiKind *core_kind(const NodeQuestion *question, const char *plural)
{
  return api_scheme_resource(registry_scheme(question->registry), "", "v1", plural);
}

/* Whether a pod of the node in NAMESPACE needs the object. */
static bool is_needed(const NodeQuestion *question, const char *resource, const char *namespace_, const char *name)
{
  PodSearch search = { question->node, resource, name, false };
  registry_visit(question->registry, core_kind(question, "pods"), namespace_, visit_pod, &search);
  return search.found;
}

/* A volume is needed where its claim is. */
static bool is_volume_needed(const NodeQuestion *question, const char *name)
{
  g_autoptr(Object) volume = registry_lookup(question->registry, core_kind(question, "persistentvolumes"), NULL, name);
  const json_t *claim = volume ? json_at(object_json(volume), "spec", "claimRef", NULL) : NULL;
  return claim &&
         is_needed(question, "persistentvolumeclaims", json_str(claim, "namespace", ""), json_str(claim, "name", ""));
}

static bool related(const NodeQuestion *question, bool is)
{
  return is || refuse(question, "no relationship found between node '%s' and this object", question->node);
}

/* --- resource by resource ------------------------------------------------------------------------------------------
 */

static bool may_read(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  if (!is_verb(question, "get list watch"))
    return refuse(question, "can only read resources of this type");
  if (attributes->subresource && *attributes->subresource)
    return refuse(question, "cannot read subresource");
  if (!attributes->namespace_)
    return refuse(question, "can only read namespaced object of this type");
  return related(question, attributes->name &&
                               is_needed(question, attributes->resource, attributes->namespace_, attributes->name));
}

static bool may_get_claim(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  bool status = g_strcmp0(attributes->subresource, "status") == 0;
  if (!is_verb(question, status ? "get update patch" : "get"))
    return refuse(question, "can only get individual resources of this type");
  return related(question, attributes->name && attributes->namespace_ &&
                               is_needed(question, attributes->resource, attributes->namespace_, attributes->name));
}

static bool may_get_volume(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  if (!is_verb(question, "get") || !attributes->name)
    return refuse(question, "can only get individual resources of this type");
  return related(question, is_volume_needed(question, attributes->name));
}

static bool may_make_token(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  if (!is_verb(question, "create") || g_strcmp0(attributes->subresource, "token") != 0)
    return refuse(question, "can only create tokens for individual service accounts");
  return related(question, attributes->name && attributes->namespace_ &&
                               is_needed(question, "serviceaccounts", attributes->namespace_, attributes->name));
}

static bool may_use_own(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  if (!is_verb(question, "get create update patch delete"))
    return refuse(question, "can only get, create, update, patch, or delete a %s",
                  g_str_equal(attributes->resource, "leases") ? "node lease" : "CSINode");
  if (g_str_equal(attributes->resource, "leases") && g_strcmp0(attributes->namespace_, LEASES) != 0)
    return refuse(question, "can only access leases in the \"" LEASES "\" system namespace");
  if (!is_verb(question, "create") && g_strcmp0(attributes->name, question->node) != 0)
    return refuse(question, "can only access %s with the same name as the requesting node",
                  g_str_equal(attributes->resource, "leases") ? "node lease" : "CSINode");
  return true;
}

static bool may_use_node(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  bool own = g_strcmp0(attributes->name, question->node) == 0;
  if (is_verb(question, "get list watch") && !own)
    return attributes->name
               ? refuse(question, "node '%s' cannot read '%s', only its own Node object", question->node,
                        attributes->name)
               : refuse(question, "node '%s' cannot read all nodes, only its own Node object", question->node);
  if (!is_verb(question, "get list watch create") && !own)
    return refuse(question, "node '%s' is not allowed to modify node '%s'", question->node,
                  attributes->name ? attributes->name : "");
  return by_rules(question);
}

static bool may_use_pod(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  g_autofree char *own = g_strconcat("spec.nodeName=", question->node, NULL);
  g_auto(GStrv) fields = g_strsplit(attributes->fields ? attributes->fields : "", ",", -1);
  if (is_verb(question, "list watch") && !g_strv_contains((const char *const *)fields, own))
    return refuse(question, "can only list/watch pods with spec.nodeName field selector");
  if (is_verb(question, "get") && attributes->name && attributes->namespace_ &&
      !is_needed(question, "pods", attributes->namespace_, attributes->name))
    return related(question, false);
  return by_rules(question);
}

static const struct {
  const char *group, *resource;
  bool (*may)(const NodeQuestion *question);
} rows[] = {
  { "", "secrets", may_read },
  { "", "configmaps", may_read },
  { "", "persistentvolumeclaims", may_get_claim },
  { "", "persistentvolumes", may_get_volume },
  { "", "serviceaccounts", may_make_token },
  { "", "nodes", may_use_node },
  { "", "pods", may_use_pod },
  { "coordination.k8s.io", "leases", may_use_own },
  { "storage.k8s.io", "csinodes", may_use_own },
};

static bool decide(const NodeQuestion *question)
{
  const Attributes *attributes = question->attributes;
  for (gsize i = 0; !attributes->path && i < G_N_ELEMENTS(rows); i++)
    if (g_str_equal(rows[i].group, attributes->group) && g_str_equal(rows[i].resource, attributes->resource))
      return rows[i].may(question);
  return by_rules(question);
}

const char *node_of_identity(const Identity *identity)
{
  bool is_node = g_str_has_prefix(identity->name, USER_PREFIX) &&
                 g_strv_contains((const char *const *)identity->groups, "system:nodes");
  return is_node ? identity->name + strlen(USER_PREFIX) : NULL;
}

bool node_authorizer_allows(Registry *registry, const json_t *rules, const Identity *identity,
                            const Attributes *attributes, char **why)
{
  g_autofree char *unread = NULL;
  const char *node = node_of_identity(identity);
  if (!node || !*node)
    return false;
  NodeQuestion question = { registry, rules, node, attributes, why ? why : &unread };
  return decide(&question);
}

#include "clusterd/scheduler/pod_info.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/pod.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

/* What a pod that asks for nothing is taken to use when nodes are compared. Source: scheduler/util/pod_resources.go. */
#define USUAL_CPU_MILLI 100
#define USUAL_MEMORY ((int64_t)200 << 20)

const json_t *pod_info_spec(const PodInfo *info)
{
  return json_object_get(object_json(info->object), "spec");
}

const json_t *pod_info_labels(const PodInfo *info)
{
  return json_at(object_json(info->object), "metadata", "labels", NULL);
}

static void read_requests(PodInfo *info)
{
  g_auto(ResourceList) list = resource_list_of_pod(object_json(info->object), "requests", true);
  info->request = resources_from_list(&list);
  info->usual_cpu = info->request.cpu ? info->request.cpu : USUAL_CPU_MILLI;
  info->usual_memory = info->request.memory ? info->request.memory : USUAL_MEMORY;
}

/* Containers and sidecars hold their ports as long as the pod runs. */
static void read_ports(PodInfo *info, const char *list)
{
  size_t i, k;
  json_t *container, *port;
  json_array_foreach (json_object_get(pod_info_spec(info), list), i, container) {
    if (strcmp(list, "initContainers") == 0 && strcmp(json_str(container, "restartPolicy", ""), "Always") != 0)
      continue;
    json_array_foreach (json_object_get(container, "ports"), k, port) {
      if (json_int(port, "hostPort", 0) <= 0)
        continue;
      const char *ip = json_str(port, "hostIP", "");
      bool any = !*ip || strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
      HostPort one = { .ip = any ? "" : g_intern_string(ip),
                       .protocol = g_intern_string(json_str(port, "protocol", "TCP")),
                       .port = (int)json_int(port, "hostPort", 0) };
      if (!info->ports)
        info->ports = g_array_new(FALSE, FALSE, sizeof(HostPort));
      g_array_append_val(info->ports, one);
    }
  }
}

bool host_port_conflicts(const HostPort *a, const HostPort *b)
{
  return a->port == b->port && a->protocol == b->protocol && (!*a->ip || !*b->ip || strcmp(a->ip, b->ip) == 0);
}

/* SELECTOR with one requirement more for each of KEYS that LABELS has: the pod's own value, with OPERATOR. New
 * reference. The server may have written them there already, which changes nothing. */
static json_t *with_label_keys(const json_t *selector, const json_t *keys, const char *operator, const json_t * labels)
{
  if (json_array_size(keys) == 0 || !selector)
    return selector ? json_incref((json_t *)(uintptr_t)selector) : NULL;
  json_t *result = json_deep_copy(selector);
  json_t *expressions = json_object_get(result, "matchExpressions");
  if (!expressions)
    json_object_set_new(result, "matchExpressions", expressions = json_array());
  size_t i;
  json_t *key;
  json_array_foreach (keys, i, key) {
    const char *value = json_str(labels, json_string_value(key), NULL);
    if (value)
      json_array_append_new(expressions,
                            json_pack("{s:O, s:s, s:[s]}", "key", key, "operator", operator, "values", value));
  }
  return result;
}

/* The namespaces TERM names; when it says nothing at all, the pod's own. New reference. */
static json_t *namespaces_of(const json_t *term, const char *own)
{
  const json_t *names = json_object_get(term, "namespaces");
  if (json_array_size(names) > 0)
    return json_incref((json_t *)(uintptr_t)names);
  if (json_object_get(term, "namespaceSelector"))
    return json_array();
  return json_pack("[s]", own);
}

static void carry(PodInfo *info, Tally *tally, const json_t *value, TermSort sort, int weight)
{
  const json_t *labels = pod_info_labels(info);
  g_autoptr(json_t) namespaces = namespaces_of(value, object_namespace(info->object));
  g_autoptr(json_t) matched =
      with_label_keys(json_object_get(value, "labelSelector"), json_object_get(value, "matchLabelKeys"), "In", labels);
  g_autoptr(json_t) selector = with_label_keys(matched, json_object_get(value, "mismatchLabelKeys"), "NotIn", labels);
  CarriedTerm carried = { .term = tally_term(tally, namespaces, json_object_get(value, "namespaceSelector"), selector,
                                             json_str(value, "topologyKey", ""), false),
                          .sort = sort,
                          .weight = weight };
  if (!info->carried)
    info->carried = g_array_new(FALSE, FALSE, sizeof(CarriedTerm));
  g_array_append_val(info->carried, carried);
}

/* The pods wanted as company are those that all terms select. */
static void join_terms(PodInfo *info, Tally *tally)
{
  g_autoptr(GPtrArray) parts = g_ptr_array_new();
  for (unsigned i = 0; info->carried && i < info->carried->len; i++) {
    const CarriedTerm *carried = &g_array_index(info->carried, CarriedTerm, i);
    if (carried->sort == TERM_AFFINE)
      g_ptr_array_add(parts, carried->term);
  }
  if (parts->len == 1)
    info->company = tally_term_ref(g_ptr_array_index(parts, 0));
  else if (parts->len > 1)
    info->company = tally_conjunction(tally, (Term *const *)parts->pdata, parts->len);
}

static void read_affinity(PodInfo *info, Tally *tally)
{
  static const struct {
    const char *member;
    TermSort required;
    int sign;
  } sorts[] = { { "podAffinity", TERM_AFFINE, 1 }, { "podAntiAffinity", TERM_ANTI, -1 } };
  const json_t *affinity = json_object_get(pod_info_spec(info), "affinity");
  if (!affinity)
    return;
  for (size_t k = 0; k < G_N_ELEMENTS(sorts); k++) {
    const json_t *rules = json_object_get(affinity, sorts[k].member);
    size_t i;
    json_t *term;
    json_array_foreach (json_object_get(rules, REQUIRED), i, term)
      carry(info, tally, term, sorts[k].required, 1);
    json_array_foreach (json_object_get(rules, PREFERRED), i, term)
      carry(info, tally, json_object_get(term, "podAffinityTerm"), TERM_PREFERRED,
            sorts[k].sign * (int)json_int(term, "weight", 0));
  }
  join_terms(info, tally);
}

SpreadRule spread_rule_from_json(Tally *tally, const json_t *constraint, const char *namespace_, const json_t *labels)
{
  g_autoptr(json_t) selector = with_label_keys(json_object_get(constraint, "labelSelector"),
                                               json_object_get(constraint, "matchLabelKeys"), "In", labels);
  g_autoptr(json_t) namespaces = json_pack("[s]", namespace_);
  const char *when = json_str(constraint, "whenUnsatisfiable", "DoNotSchedule");
  return (SpreadRule){
    .term = tally_term(tally, namespaces, NULL, selector, json_str(constraint, "topologyKey", ""), true),
    .hard = strcmp(when, "DoNotSchedule") == 0,
    .max_skew = json_int(constraint, "maxSkew", 1),
    .min_domains = json_int(constraint, "minDomains", 1),
    .honors_affinity = strcmp(json_str(constraint, "nodeAffinityPolicy", "Honor"), "Honor") == 0,
    .honors_taints = strcmp(json_str(constraint, "nodeTaintsPolicy", "Ignore"), "Honor") == 0,
  };
}

static void read_spread(PodInfo *info, Tally *tally)
{
  size_t i;
  json_t *constraint;
  json_array_foreach (json_object_get(pod_info_spec(info), "topologySpreadConstraints"), i, constraint) {
    SpreadRule rule = spread_rule_from_json(tally, constraint, object_namespace(info->object), pod_info_labels(info));
    if (!info->spread)
      info->spread = g_array_new(FALSE, FALSE, sizeof(SpreadRule));
    g_array_append_val(info->spread, rule);
  }
}

/* The claim VOLUME uses, also one that the controller of ephemeral volumes makes; NULL: none. The caller frees. */
static char *claim_of(const PodInfo *info, const json_t *volume)
{
  const char *name = json_str(json_object_get(volume, "persistentVolumeClaim"), "claimName", NULL);
  if (name || !json_object_get(volume, "ephemeral"))
    return g_strdup(name);
  return g_strdup_printf("%s-%s", object_name(info->object), json_str(volume, "name", ""));
}

/* Each once: several volumes may be of one claim. */
static void read_claims(PodInfo *info)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  size_t i;
  json_t *volume;
  json_array_foreach (json_object_get(pod_info_spec(info), "volumes"), i, volume) {
    g_autofree char *name = claim_of(info, volume);
    if (name && !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
      g_ptr_array_add(names, g_steal_pointer(&name));
  }
  if (names->len == 0)
    return;
  g_ptr_array_add(names, NULL);
  info->claims = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

PodInfo *pod_info_new(Tally *tally, Object *object)
{
  PodInfo *info = g_new0(PodInfo, 1);
  info->refs = 1;
  info->object = object_ref(object);
  const json_t *value = object_json(object), *spec = pod_info_spec(info);
  info->priority = json_int(spec, "priority", 0);
  info->ending = pod_is_deleting(value);
  info->has_node_rules = json_object_size(json_object_get(spec, "nodeSelector")) > 0 ||
                         json_at(spec, "affinity", "nodeAffinity", NULL) != NULL;
  info->pod_class = tally_class(tally, object_namespace(object), pod_info_labels(info), info->ending);
  read_requests(info);
  read_ports(info, "containers");
  read_ports(info, "initContainers");
  read_affinity(info, tally);
  read_spread(info, tally);
  read_claims(info);
  return info;
}

PodInfo *pod_info_ref(PodInfo *info)
{
  info->refs++;
  return info;
}

void pod_info_unref(Tally *tally, PodInfo *info)
{
  if (--info->refs > 0)
    return;
  for (unsigned i = 0; info->carried && i < info->carried->len; i++)
    tally_term_unref(tally, g_array_index(info->carried, CarriedTerm, i).term);
  for (unsigned i = 0; info->spread && i < info->spread->len; i++)
    tally_term_unref(tally, g_array_index(info->spread, SpreadRule, i).term);
  if (info->company)
    tally_term_unref(tally, info->company);
  g_clear_pointer(&info->carried, g_array_unref);
  g_clear_pointer(&info->spread, g_array_unref);
  g_clear_pointer(&info->ports, g_array_unref);
  g_strfreev(info->claims);
  tally_class_unref(tally, info->pod_class);
  resources_clear(&info->request);
  object_unref(info->object);
  g_free(info);
}

#include "clusterd/scheduler/pod_terms.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/client/node_match.h"
#include "clusterd/client/pod.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"
#define SPREAD_WEIGHT 10 /* one pod more in a domain, against the weights 1..100 of preferred terms */

/* One rule with a topology key, and how many pods it counts in each domain (value of that key). */
typedef struct Rule {
  const char *key; /* borrowed from the pod */
  LabelSelector *selector;
  GHashTable *domains; /* value → count */
  int64_t max_skew, least, self;
} Rule;

struct PodTerms {
  PodInfo *pod;                        /* own copy */
  GPtrArray *spread, *affinity, *anti; /* Rule* */
  bool first_of_group;                 /* no pod matches the affinity but this one itself */
  GHashTable *forbidden;               /* set of "key\nvalue" that running pods keep this one from */
  GHashTable *weights;                 /* "key\nvalue" → score */
};

static void rule_free(void *pointer)
{
  Rule *rule = pointer;
  label_selector_free(rule->selector);
  g_hash_table_destroy(rule->domains);
  g_free(rule);
}

static Rule *rule_new(const json_t *term)
{
  LabelSelector *selector = label_selector_from_json(json_object_get(term, "labelSelector"), NULL);
  Rule *rule = g_new0(Rule, 1);
  rule->key = json_str(term, "topologyKey", "");
  rule->selector = selector ? selector : label_selector_from_json(NULL, NULL);
  rule->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return rule;
}

static const char *domain_of(const NodeState *node, const char *key)
{
  return node->node ? json_str(json_at(object_json(node->node), "metadata", "labels", NULL), key, NULL) : NULL;
}

static int64_t count_in(const Rule *rule, const char *domain)
{
  return domain ? GPOINTER_TO_INT(g_hash_table_lookup(rule->domains, domain)) : 0;
}

static void add_to(GHashTable *counts, const char *key, int64_t amount)
{
  int64_t known = GPOINTER_TO_INT(g_hash_table_lookup(counts, key));
  g_hash_table_insert(counts, g_strdup(key), GINT_TO_POINTER((int)(known + amount)));
}

static const json_t *labels_of(const Object *object)
{
  return json_at(object_json(object), "metadata", "labels", NULL);
}

static bool selects_namespace(const json_t *term, const char *own, const char *namespace_, Informer *namespaces)
{
  const json_t *names = json_object_get(term, "namespaces"), *selector = json_object_get(term, "namespaceSelector");
  if (json_array_size(names) == 0 && !selector)
    return strcmp(own, namespace_) == 0;
  if (json_has_text(names, namespace_))
    return true;
  g_autoptr(LabelSelector) by_label = selector ? label_selector_from_json(selector, NULL) : NULL;
  g_autoptr(Object) object = by_label ? informer_get(namespaces, NULL, namespace_) : NULL;
  return object && label_selector_matches(by_label, labels_of(object));
}

/* True when TERM of a pod in the namespace OWN means POD. */
static bool selects(const json_t *term, const char *own, const Object *pod, Informer *namespaces)
{
  g_autoptr(LabelSelector) selector = label_selector_from_json(json_object_get(term, "labelSelector"), NULL);
  return selector && label_selector_matches(selector, labels_of(pod)) &&
         selects_namespace(term, own, object_namespace(pod), namespaces);
}

static const json_t *terms_of(const PodInfo *pod, const char *sort, const char *strength)
{
  return json_at(object_json(pod->object), "spec", "affinity", sort, strength, NULL);
}

static bool selects_all(const json_t *terms, const char *own, const Object *pod, Informer *namespaces)
{
  size_t i;
  json_t *term;
  json_array_foreach (terms, i, term)
    if (!selects(term, own, pod, namespaces))
      return false;
  return true;
}

static void add_weight(PodTerms *terms, const NodeState *node, const char *key, int64_t weight)
{
  const char *domain = domain_of(node, key);
  if (!domain)
    return;
  g_autofree char *pair = g_strconcat(key, "\n", domain, NULL);
  add_to(terms->weights, pair, weight);
}

/* Counts the pod OTHER for the affinity rules of TERMS. */
static void count_affinity(PodTerms *terms, const PodInfo *other, Informer *namespaces)
{
  const PodInfo *pod = terms->pod;
  const char *own = object_namespace(pod->object);
  const json_t *affinity = terms_of(pod, "podAffinity", REQUIRED), *anti = terms_of(pod, "podAntiAffinity", REQUIRED);
  size_t i;
  json_t *entry;
  if (terms->affinity->len > 0 && selects_all(affinity, own, other->object, namespaces)) {
    terms->first_of_group = false;
    for (i = 0; i < terms->affinity->len; i++) {
      Rule *rule = g_ptr_array_index(terms->affinity, i);
      const char *domain = domain_of(other->node, rule->key);
      if (domain)
        add_to(rule->domains, domain, 1);
    }
  }
  json_array_foreach (anti, i, entry) {
    Rule *rule = g_ptr_array_index(terms->anti, i);
    const char *domain = domain_of(other->node, rule->key);
    if (domain && selects(entry, own, other->object, namespaces))
      add_to(rule->domains, domain, 1);
  }
  static const struct {
    const char *sort;
    int sign;
  } preferred[] = { { "podAffinity", 1 }, { "podAntiAffinity", -1 } };
  for (size_t k = 0; k < G_N_ELEMENTS(preferred); k++)
    json_array_foreach (terms_of(pod, preferred[k].sort, PREFERRED), i, entry) {
      const json_t *term = json_object_get(entry, "podAffinityTerm");
      if (selects(term, own, other->object, namespaces))
        add_weight(terms, other->node, json_str(term, "topologyKey", ""),
                   preferred[k].sign * json_int(entry, "weight", 0));
    }
}

static void count_forbidden(PodTerms *terms, const PodInfo *other, Informer *namespaces)
{
  size_t i;
  json_t *term;
  json_array_foreach (terms_of(other, "podAntiAffinity", REQUIRED), i, term) {
    const char *key = json_str(term, "topologyKey", ""), *domain = domain_of(other->node, key);
    if (domain && selects(term, object_namespace(other->object), terms->pod->object, namespaces))
      g_hash_table_add(terms->forbidden, g_strconcat(key, "\n", domain, NULL));
  }
}

static bool is_hard(const json_t *constraint)
{
  return strcmp(json_str(constraint, "whenUnsatisfiable", "DoNotSchedule"), "DoNotSchedule") == 0;
}

/* A node takes part in spreading when the pod could use it and it has the keys of all hard constraints. */
static bool takes_part(const PodTerms *terms, const NodeState *node)
{
  for (unsigned i = 0; i < terms->spread->len; i++)
    if (!domain_of(node, ((const Rule *)g_ptr_array_index(terms->spread, i))->key))
      return false;
  return node_match_required(object_json(terms->pod->object), object_json(node->node));
}

static int64_t matching_pods(const PodTerms *terms, const NodeState *node, const LabelSelector *selector)
{
  int64_t count = 0;
  GHashTableIter iter;
  void *pointer;
  g_hash_table_iter_init(&iter, node->pods);
  while (g_hash_table_iter_next(&iter, NULL, &pointer)) {
    const PodInfo *other = pointer;
    count += strcmp(object_namespace(other->object), object_namespace(terms->pod->object)) == 0 &&
             !pod_is_deleting(object_json(other->object)) && label_selector_matches(selector, labels_of(other->object));
  }
  return count;
}

static void count_spread(PodTerms *terms, const ClusterState *state)
{
  const json_t *constraints = json_at(object_json(terms->pod->object), "spec", "topologySpreadConstraints", NULL);
  size_t i;
  json_t *constraint;
  json_array_foreach (constraints, i, constraint) {
    Rule *rule = rule_new(constraint);
    if (is_hard(constraint)) {
      rule->max_skew = json_int(constraint, "maxSkew", 1);
      rule->self = label_selector_matches(rule->selector, labels_of(terms->pod->object));
      g_ptr_array_add(terms->spread, rule);
      continue;
    }
    for (unsigned k = 0; k < state->present->len; k++) {
      const NodeState *node = g_ptr_array_index(state->present, k);
      add_weight(terms, node, rule->key, -SPREAD_WEIGHT * matching_pods(terms, node, rule->selector));
    }
    rule_free(rule);
  }
  for (unsigned k = 0; k < state->present->len; k++) {
    const NodeState *node = g_ptr_array_index(state->present, k);
    for (i = 0; terms->spread->len > 0 && takes_part(terms, node) && i < terms->spread->len; i++) {
      Rule *rule = g_ptr_array_index(terms->spread, i);
      add_to(rule->domains, domain_of(node, rule->key), matching_pods(terms, node, rule->selector));
    }
  }
  size_t n_hard = 0;
  json_array_foreach (constraints, i, constraint) {
    if (!is_hard(constraint))
      continue;
    Rule *rule = g_ptr_array_index(terms->spread, n_hard++);
    GHashTableIter iter;
    void *count;
    bool any = false;
    g_hash_table_iter_init(&iter, rule->domains);
    while (g_hash_table_iter_next(&iter, NULL, &count)) {
      rule->least = any ? MIN(rule->least, GPOINTER_TO_INT(count)) : GPOINTER_TO_INT(count);
      any = true;
    }
    if ((int64_t)g_hash_table_size(rule->domains) < json_int(constraint, "minDomains", 1))
      rule->least = 0;
  }
}

static void add_rules(GPtrArray *rules, const json_t *terms)
{
  size_t i;
  json_t *term;
  json_array_foreach (terms, i, term)
    g_ptr_array_add(rules, rule_new(term));
}

PodTerms *pod_terms_new(const ClusterState *state, const PodInfo *pod, Informer *namespaces)
{
  const json_t *spec = json_object_get(object_json(pod->object), "spec");
  const json_t *affinity = json_object_get(spec, "affinity");
  bool has_affinity = json_object_get(affinity, "podAffinity") || json_object_get(affinity, "podAntiAffinity");
  if (!has_affinity && json_array_size(json_object_get(spec, "topologySpreadConstraints")) == 0 &&
      g_hash_table_size(state->anti_affine) == 0)
    return NULL;
  PodTerms *terms = g_new0(PodTerms, 1);
  terms->pod = pod_info_new(pod->object);
  terms->spread = g_ptr_array_new_with_free_func(rule_free);
  terms->affinity = g_ptr_array_new_with_free_func(rule_free);
  terms->anti = g_ptr_array_new_with_free_func(rule_free);
  terms->forbidden = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  terms->weights = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  add_rules(terms->affinity, terms_of(pod, "podAffinity", REQUIRED));
  add_rules(terms->anti, terms_of(pod, "podAntiAffinity", REQUIRED));
  terms->first_of_group =
      selects_all(terms_of(pod, "podAffinity", REQUIRED), object_namespace(pod->object), pod->object, namespaces);
  GHashTableIter iter;
  void *other;
  g_hash_table_iter_init(&iter, state->pods);
  while (has_affinity && g_hash_table_iter_next(&iter, NULL, &other))
    count_affinity(terms, other, namespaces);
  g_hash_table_iter_init(&iter, state->anti_affine);
  while (g_hash_table_iter_next(&iter, &other, NULL))
    count_forbidden(terms, other, namespaces);
  count_spread(terms, state);
  return terms;
}

void pod_terms_free(PodTerms *terms)
{
  if (!terms)
    return;
  g_hash_table_destroy(terms->weights);
  g_hash_table_destroy(terms->forbidden);
  g_ptr_array_free(terms->anti, TRUE);
  g_ptr_array_free(terms->affinity, TRUE);
  g_ptr_array_free(terms->spread, TRUE);
  pod_info_free(terms->pod);
  g_free(terms);
}

PodTermsResult pod_terms_check_spread(const PodTerms *terms, const NodeState *node)
{
  for (unsigned i = 0; i < terms->spread->len; i++) {
    const Rule *rule = g_ptr_array_index(terms->spread, i);
    const char *domain = domain_of(node, rule->key);
    if (!domain)
      return POD_TERMS_MISSING_LABEL;
    if (count_in(rule, domain) + rule->self - rule->least > rule->max_skew)
      return POD_TERMS_TOO_MANY;
  }
  return POD_TERMS_OK;
}

bool pod_terms_check_affinity(const PodTerms *terms, const NodeState *node)
{
  for (unsigned i = 0; i < terms->affinity->len; i++) {
    const Rule *rule = g_ptr_array_index(terms->affinity, i);
    const char *domain = domain_of(node, rule->key);
    if (!domain || (count_in(rule, domain) == 0 && !terms->first_of_group))
      return false;
  }
  return true;
}

bool pod_terms_check_anti_affinity(const PodTerms *terms, const NodeState *node)
{
  for (unsigned i = 0; i < terms->anti->len; i++) {
    const Rule *rule = g_ptr_array_index(terms->anti, i);
    if (count_in(rule, domain_of(node, rule->key)) > 0)
      return false;
  }
  return true;
}

/* Looks up every label of NODE in a table of "key\nvalue". */
static int64_t sum_of_labels(GHashTable *pairs, const NodeState *node, bool *found)
{
  int64_t sum = 0;
  const char *key;
  json_t *value;
  *found = false;
  if (g_hash_table_size(pairs) == 0)
    return 0;
  json_object_foreach (json_at(object_json(node->node), "metadata", "labels", NULL), key, value) {
    g_autofree char *pair = g_strconcat(key, "\n", json_string_value(value), NULL);
    void *amount;
    if (!g_hash_table_lookup_extended(pairs, pair, NULL, &amount))
      continue;
    *found = true;
    sum += GPOINTER_TO_INT(amount);
  }
  return sum;
}

bool pod_terms_check_others(const PodTerms *terms, const NodeState *node)
{
  bool found;
  sum_of_labels(terms->forbidden, node, &found);
  return !found;
}

int64_t pod_terms_score(const PodTerms *terms, const NodeState *node)
{
  bool found;
  return sum_of_labels(terms->weights, node, &found);
}

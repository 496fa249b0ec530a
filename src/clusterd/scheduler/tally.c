#include "clusterd/scheduler/tally.h"

#include <string.h>

#include "base/json.h"

#define SLOTS_FIRST 64
#define DOMAINS_SLACK 64 /* numbers of domains that may be unused before they are given anew */

struct Tally {
  unsigned n_slots;       /* allocated in every array */
  GPtrArray *labels;      /* of each slot: json_t*, or NULL */
  GHashTable *topologies; /* key → Topology*, borrowed from those who hold references */
  GHashTable *terms;      /* id → Term* */
  GHashTable *classes;    /* id → PodClass* */
  GHashTable *namespaces; /* name → labels (json_t*) */
};

static void unref_labels(void *labels)
{
  if (labels)
    json_decref(labels);
}

Tally *tally_new(void)
{
  Tally *tally = g_new0(Tally, 1);
  tally->labels = g_ptr_array_new_with_free_func(unref_labels);
  tally->topologies = g_hash_table_new(g_str_hash, g_str_equal);
  tally->terms = g_hash_table_new(g_str_hash, g_str_equal);
  tally->classes = g_hash_table_new(g_str_hash, g_str_equal);
  tally->namespaces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_labels);
  return tally;
}

void tally_free(Tally *tally)
{
  if (!tally)
    return;
  g_warn_if_fail(g_hash_table_size(tally->terms) == 0 && g_hash_table_size(tally->classes) == 0);
  g_hash_table_destroy(tally->namespaces);
  g_hash_table_destroy(tally->classes);
  g_hash_table_destroy(tally->terms);
  g_hash_table_destroy(tally->topologies);
  g_ptr_array_free(tally->labels, TRUE);
  g_free(tally);
}

/* --- nodes ------------------------------------------------------------------------------------------------------ */

static void place_node(Topology *topology, unsigned slot, const json_t *labels)
{
  const char *value = json_str(labels, topology->key, NULL);
  if (!value) {
    topology->domain[slot] = -1;
    return;
  }
  unsigned id = GPOINTER_TO_UINT(g_hash_table_lookup(topology->ids, value));
  if (!id) {
    id = ++topology->n_domains;
    g_hash_table_insert(topology->ids, g_strdup(value), GUINT_TO_POINTER(id));
  }
  topology->domain[slot] = (int32_t)id - 1;
}

static void place_nodes(Tally *tally, Topology *topology)
{
  g_hash_table_remove_all(topology->ids);
  topology->n_domains = 0;
  for (unsigned slot = 0; slot < tally->n_slots; slot++)
    place_node(topology, slot, slot < tally->labels->len ? g_ptr_array_index(tally->labels, slot) : NULL);
}

static int32_t *grown(int32_t *array, unsigned from, unsigned to, int32_t filler)
{
  array = g_renew(int32_t, array, to);
  for (unsigned i = from; i < to; i++)
    array[i] = filler;
  return array;
}

static void reserve(Tally *tally, unsigned slot)
{
  unsigned from = tally->n_slots, to = MAX(from, SLOTS_FIRST);
  while (to <= slot)
    to *= 2;
  if (to == from)
    return;
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, tally->topologies);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    ((Topology *)value)->domain = grown(((Topology *)value)->domain, from, to, -1);
  g_hash_table_iter_init(&iter, tally->terms);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Term *term = value;
    term->matches = grown(term->matches, from, to, 0);
    for (unsigned sort = 0; sort < TERM_SORTS; sort++)
      if (term->carried[sort])
        term->carried[sort] = grown(term->carried[sort], from, to, 0);
  }
  tally->n_slots = to;
}

void tally_set_node(Tally *tally, unsigned slot, const json_t *labels)
{
  reserve(tally, slot);
  if (slot >= tally->labels->len)
    g_ptr_array_set_size(tally->labels, (int)slot + 1);
  unref_labels(g_ptr_array_index(tally->labels, slot));
  g_ptr_array_index(tally->labels, slot) = labels ? json_incref((json_t *)(uintptr_t)labels) : NULL;
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, tally->topologies);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Topology *topology = value;
    place_node(topology, slot, labels);
    /* Names that come and go (hostnames) must not grow the numbers for ever. */
    if (topology->n_domains > 2 * tally->labels->len + DOMAINS_SLACK)
      place_nodes(tally, topology);
  }
}

static Topology *topology_ref(Tally *tally, const char *key)
{
  Topology *topology = g_hash_table_lookup(tally->topologies, key);
  if (!topology) {
    topology = g_new0(Topology, 1);
    topology->key = g_strdup(key);
    topology->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    topology->domain = g_new(int32_t, MAX(tally->n_slots, 1));
    g_hash_table_insert(tally->topologies, topology->key, topology);
    place_nodes(tally, topology);
  }
  topology->refs++;
  return topology;
}

static void topology_unref(Tally *tally, Topology *topology)
{
  if (--topology->refs > 0)
    return;
  g_hash_table_remove(tally->topologies, topology->key);
  g_hash_table_destroy(topology->ids);
  g_free(topology->domain);
  g_free(topology->key);
  g_free(topology);
}

/* --- matching --------------------------------------------------------------------------------------------------- */

bool tally_selects(const Tally *tally, const Term *term, const PodClass *pod_class)
{
  for (unsigned i = 0; term->parts && i < term->parts->len; i++)
    if (!tally_selects(tally, g_ptr_array_index(term->parts, i), pod_class))
      return false;
  if (term->parts)
    return true;
  if (term->skips_ending && pod_class->ending)
    return false;
  bool in = g_strv_contains((const char *const *)term->namespaces, pod_class->namespace_);
  if (!in && term->namespace_selector) {
    json_t *labels = g_hash_table_lookup(tally->namespaces, pod_class->namespace_);
    in = labels && label_selector_matches(term->namespace_selector, labels);
  }
  return in && label_selector_matches(term->selector, pod_class->labels);
}

static void add_matches(Term *term, const PodClass *pod_class, int sign)
{
  GHashTableIter iter;
  void *slot, *count;
  g_hash_table_iter_init(&iter, pod_class->on_node);
  while (g_hash_table_iter_next(&iter, &slot, &count))
    term->matches[GPOINTER_TO_UINT(slot) - 1] += sign * GPOINTER_TO_INT(count);
}

static void match(const Tally *tally, Term *term, PodClass *pod_class)
{
  if (!tally_selects(tally, term, pod_class))
    return;
  g_ptr_array_add(pod_class->matched_by, term);
  add_matches(term, pod_class, 1);
}

static bool asks_namespaces(const Term *term)
{
  bool asks = term->namespace_selector != NULL;
  for (unsigned i = 0; term->parts && i < term->parts->len; i++)
    asks |= asks_namespaces(g_ptr_array_index(term->parts, i));
  return asks;
}

static void rematch_namespace(Tally *tally, const char *name)
{
  GHashTableIter terms, classes;
  void *term, *pod_class;
  g_hash_table_iter_init(&terms, tally->terms);
  while (g_hash_table_iter_next(&terms, NULL, &term)) {
    if (!asks_namespaces(term))
      continue;
    g_hash_table_iter_init(&classes, tally->classes);
    while (g_hash_table_iter_next(&classes, NULL, &pod_class)) {
      PodClass *one = pod_class;
      if (strcmp(one->namespace_, name) != 0)
        continue;
      if (g_ptr_array_remove_fast(one->matched_by, term))
        add_matches(term, one, -1);
      match(tally, term, one);
    }
  }
}

void tally_set_namespace(Tally *tally, const char *name, const json_t *labels)
{
  if (labels)
    g_hash_table_insert(tally->namespaces, g_strdup(name), json_incref((json_t *)(uintptr_t)labels));
  else
    g_hash_table_remove(tally->namespaces, name);
  rematch_namespace(tally, name);
}

/* --- classes ---------------------------------------------------------------------------------------------------- */

PodClass *tally_class(Tally *tally, const char *namespace_, const json_t *labels, bool ending)
{
  g_autofree char *text = labels ? json_text_sorted(labels) : g_strdup("{}");
  g_autofree char *id = g_strconcat(namespace_, "\n", ending ? "-" : "+", text, NULL);
  PodClass *pod_class = g_hash_table_lookup(tally->classes, id);
  if (pod_class) {
    pod_class->refs++;
    return pod_class;
  }
  pod_class = g_new0(PodClass, 1);
  pod_class->id = g_steal_pointer(&id);
  pod_class->refs = 1;
  pod_class->namespace_ = g_strdup(namespace_);
  pod_class->labels = labels ? json_incref((json_t *)(uintptr_t)labels) : json_object();
  pod_class->ending = ending;
  pod_class->on_node = g_hash_table_new(NULL, NULL);
  pod_class->matched_by = g_ptr_array_new();
  g_hash_table_insert(tally->classes, pod_class->id, pod_class);
  GHashTableIter iter;
  void *term;
  g_hash_table_iter_init(&iter, tally->terms);
  while (g_hash_table_iter_next(&iter, NULL, &term))
    match(tally, term, pod_class);
  return pod_class;
}

void tally_class_unref(Tally *tally, PodClass *pod_class)
{
  if (--pod_class->refs > 0)
    return;
  g_hash_table_remove(tally->classes, pod_class->id);
  g_ptr_array_free(pod_class->matched_by, TRUE);
  g_hash_table_destroy(pod_class->on_node);
  json_decref(pod_class->labels);
  g_free(pod_class->namespace_);
  g_free(pod_class->id);
  g_free(pod_class);
}

void tally_count(Tally *tally, PodClass *pod_class, unsigned slot, int n)
{
  reserve(tally, slot);
  void *key = GUINT_TO_POINTER(slot + 1);
  int count = GPOINTER_TO_INT(g_hash_table_lookup(pod_class->on_node, key)) + n;
  if (count > 0)
    g_hash_table_insert(pod_class->on_node, key, GINT_TO_POINTER(count));
  else
    g_hash_table_remove(pod_class->on_node, key);
  for (unsigned i = 0; i < pod_class->matched_by->len; i++)
    ((Term *)g_ptr_array_index(pod_class->matched_by, i))->matches[slot] += n;
}

/* --- terms ------------------------------------------------------------------------------------------------------ */

static char *term_id(const json_t *namespaces, const json_t *namespace_selector, const json_t *selector,
                     const char *topology_key, bool skips_ending)
{
  g_autoptr(json_t) parts = json_array();
  json_array_append_new(parts, json_boolean(skips_ending));
  json_array_append_new(parts, json_string(topology_key));
  const json_t *values[] = { namespaces, namespace_selector, selector };
  for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
    json_array_append_new(parts, values[i] ? json_incref((json_t *)(uintptr_t)values[i]) : json_null());
  return json_text(parts);
}

static LabelSelector *selector_from(const json_t *value)
{
  LabelSelector *selector = label_selector_from_json(value, NULL);
  return selector ? selector : label_selector_from_json(NULL, NULL);
}

/* Makes a term known under its ID (taken over) and counts what it selects. */
static Term *admit(Tally *tally, Term *term, char *id, const char *topology_key)
{
  term->id = id;
  term->refs = 1;
  term->topology = topology_ref(tally, topology_key);
  term->matches = g_new0(int32_t, MAX(tally->n_slots, 1));
  g_hash_table_insert(tally->terms, term->id, term);
  GHashTableIter iter;
  void *pod_class;
  g_hash_table_iter_init(&iter, tally->classes);
  while (g_hash_table_iter_next(&iter, NULL, &pod_class))
    match(tally, term, pod_class);
  return term;
}

Term *tally_term(Tally *tally, const json_t *namespaces, const json_t *namespace_selector, const json_t *selector,
                 const char *topology_key, bool skips_ending)
{
  g_autofree char *id = term_id(namespaces, namespace_selector, selector, topology_key, skips_ending);
  Term *term = g_hash_table_lookup(tally->terms, id);
  if (term)
    return tally_term_ref(term);
  term = g_new0(Term, 1);
  term->selector = selector_from(selector);
  term->namespace_selector = json_is_object(namespace_selector) ? selector_from(namespace_selector) : NULL;
  term->skips_ending = skips_ending;
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  size_t i;
  json_t *name;
  json_array_foreach (namespaces, i, name)
    g_strv_builder_add(names, json_string_value(name));
  term->namespaces = g_strv_builder_end(names);
  return admit(tally, term, g_steal_pointer(&id), topology_key);
}

Term *tally_conjunction(Tally *tally, Term *const *parts, unsigned n)
{
  g_autoptr(GString) id = g_string_new(NULL);
  for (unsigned i = 0; i < n; i++)
    g_string_append_printf(id, "&%s", parts[i]->id);
  Term *term = g_hash_table_lookup(tally->terms, id->str);
  if (term)
    return tally_term_ref(term);
  term = g_new0(Term, 1);
  term->parts = g_ptr_array_new();
  for (unsigned i = 0; i < n; i++)
    g_ptr_array_add(term->parts, tally_term_ref(parts[i]));
  return admit(tally, term, g_string_free(g_steal_pointer(&id), FALSE), parts[0]->topology->key);
}

Term *tally_term_ref(Term *term)
{
  term->refs++;
  return term;
}

void tally_term_unref(Tally *tally, Term *term)
{
  if (--term->refs > 0)
    return;
  g_hash_table_remove(tally->terms, term->id);
  GHashTableIter iter;
  void *pod_class;
  g_hash_table_iter_init(&iter, tally->classes);
  while (g_hash_table_iter_next(&iter, NULL, &pod_class))
    g_ptr_array_remove_fast(((PodClass *)pod_class)->matched_by, term);
  for (unsigned sort = 0; sort < TERM_SORTS; sort++)
    g_free(term->carried[sort]);
  g_free(term->matches);
  g_strfreev(term->namespaces);
  label_selector_free(term->namespace_selector);
  label_selector_free(term->selector);
  topology_unref(tally, term->topology);
  for (unsigned i = 0; term->parts && i < term->parts->len; i++)
    tally_term_unref(tally, g_ptr_array_index(term->parts, i));
  g_clear_pointer(&term->parts, g_ptr_array_unref);
  g_free(term->id);
  g_free(term);
}

void tally_carry(Tally *tally, Term *term, TermSort sort, int weight, unsigned slot, int sign)
{
  reserve(tally, slot);
  if (!term->carried[sort])
    term->carried[sort] = g_new0(int32_t, tally->n_slots);
  term->carried[sort][slot] += sign * weight;
  term->n_carriers[sort] += (unsigned)sign;
}

/* InterPodAffinity: pods near other pods, or away from them; also what pods that run already say of this one. */
#include <string.h>

#include "clusterd/scheduler/plugins/plugin.h"

/* Domains of a topology with a number each. */
typedef struct Domains {
  const Topology *topology;
  int32_t *pods; /* of each domain */
} Domains;

struct AffinityCount {
  GArray *wanted;    /* Domains: pods that all affinity terms select, one for each term */
  GArray *avoided;   /* Domains: pods each anti-affinity term selects */
  GArray *forbidden; /* Domains: pods whose anti-affinity selects this one */
  GArray *rated;     /* Domains: weights */
  bool company;      /* there is a pod of those that are wanted, in some domain */
  bool is_first;     /* the pod is itself what it wants as company */
};

static void clear_domains(GArray *all)
{
  for (unsigned i = 0; i < all->len; i++)
    g_free(g_array_index(all, Domains, i).pods);
  g_array_unref(all);
}

void affinity_count_free(AffinityCount *count)
{
  if (!count)
    return;
  clear_domains(count->wanted);
  clear_domains(count->avoided);
  clear_domains(count->forbidden);
  clear_domains(count->rated);
  g_free(count);
}

static void add_domains(GArray *all, const Topology *topology, const int32_t *per_slot, const GPtrArray *nodes)
{
  Domains domains = { .topology = topology, .pods = topology_sums(topology, per_slot, nodes) };
  g_array_append_val(all, domains);
}

static bool is_any(const Domains *domains)
{
  for (unsigned i = 0; i < domains->topology->n_domains; i++)
    if (domains->pods[i] > 0)
      return true;
  return false;
}

static void count_wanted(const Cycle *cycle, AffinityCount *count, const GPtrArray *nodes)
{
  const PodInfo *pod = cycle->pod;
  for (unsigned i = 0; pod->carried && i < pod->carried->len; i++) {
    const CarriedTerm *carried = &g_array_index(pod->carried, CarriedTerm, i);
    if (carried->sort == TERM_AFFINE) {
      add_domains(count->wanted, carried->term->topology, pod->company->matches, nodes);
      count->company |= is_any(&g_array_index(count->wanted, Domains, count->wanted->len - 1));
    } else if (carried->sort == TERM_ANTI) {
      add_domains(count->avoided, carried->term->topology, carried->term->matches, nodes);
    }
  }
  count->is_first = pod->company && !count->company && tally_selects(cycle->state->tally, pod->company, pod->pod_class);
}

static bool prepare_filter(Cycle *cycle, Refusal *refusal)
{
  affinity_count_free(cycle->affinity);
  AffinityCount *count = cycle->affinity = g_new0(AffinityCount, 1);
  GArray **arrays[] = { &count->wanted, &count->avoided, &count->forbidden, &count->rated };
  for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
    *arrays[i] = g_array_new(FALSE, FALSE, sizeof(Domains));
  const GPtrArray *nodes = cluster_state_nodes(cycle->state), *matched_by = cycle->pod->pod_class->matched_by;
  count_wanted(cycle, count, nodes);
  for (unsigned i = 0; i < matched_by->len; i++) {
    const Term *term = g_ptr_array_index(matched_by, i);
    if (term->n_carriers[TERM_ANTI] > 0)
      add_domains(count->forbidden, term->topology, term->carried[TERM_ANTI], nodes);
  }
  cycle->skips[PLUGIN_POD_AFFINITY] = count->wanted->len + count->avoided->len + count->forbidden->len == 0;
  return true;
}

static bool is_in_any(const GArray *all, const NodeInfo *node)
{
  for (unsigned i = 0; i < all->len; i++) {
    const Domains *domains = &g_array_index(all, Domains, i);
    int32_t domain = topology_domain(domains->topology, node);
    if (domain >= 0 && domains->pods[domain] > 0)
      return true;
  }
  return false;
}

/* Every term's company is in the node's domain; or there is none anywhere and the pod is the first of its group. */
static bool is_wanted(const AffinityCount *count, const NodeInfo *node)
{
  bool there = true;
  for (unsigned i = 0; i < count->wanted->len; i++) {
    const Domains *domains = &g_array_index(count->wanted, Domains, i);
    int32_t domain = topology_domain(domains->topology, node);
    if (domain < 0)
      return false;
    there &= domains->pods[domain] > 0;
  }
  return there || count->is_first;
}

static bool keeps_company(Cycle *cycle, const NodeInfo *node, Refusal *refusal)
{
  const AffinityCount *count = cycle->affinity;
  if (!is_wanted(count, node))
    return cycle_refuse(cycle, refusal, true, "node(s) didn't match pod affinity rules");
  if (is_in_any(count->avoided, node))
    return cycle_refuse(cycle, refusal, false, "node(s) didn't match pod anti-affinity rules");
  if (is_in_any(count->forbidden, node))
    return cycle_refuse(cycle, refusal, false, "node(s) didn't satisfy existing pods anti-affinity rules");
  return true;
}

/* --- scoring ---------------------------------------------------------------------------------------------------- */

static void rate(const Cycle *cycle, AffinityCount *count, const Topology *topology, const int32_t *per_slot,
                 int64_t weight)
{
  g_autofree int32_t *sums = topology_sums(topology, per_slot, cluster_state_nodes(cycle->state));
  Domains *domains = NULL;
  for (unsigned i = 0; i < count->rated->len && !domains; i++)
    if (g_array_index(count->rated, Domains, i).topology == topology)
      domains = &g_array_index(count->rated, Domains, i);
  if (!domains) {
    Domains fresh = { .topology = topology, .pods = g_new0(int32_t, MAX(topology->n_domains, 1)) };
    g_array_append_val(count->rated, fresh);
    domains = &g_array_index(count->rated, Domains, count->rated->len - 1);
  }
  for (unsigned i = 0; i < topology->n_domains; i++)
    domains->pods[i] += (int32_t)(sums[i] * weight);
}

static bool prepare_score(Cycle *cycle, GPtrArray *nodes)
{
  const PodInfo *pod = cycle->pod;
  AffinityCount *count = cycle->affinity;
  if (!count)
    return false;
  bool has_own = false;
  for (unsigned i = 0; pod->carried && i < pod->carried->len; i++) {
    const CarriedTerm *carried = &g_array_index(pod->carried, CarriedTerm, i);
    if (carried->sort != TERM_PREFERRED)
      continue;
    has_own = true;
    rate(cycle, count, carried->term->topology, carried->term->matches, carried->weight);
  }
  if (cycle->profile->ignores_preferred_of_others && !has_own)
    return false;
  for (unsigned i = 0; i < pod->pod_class->matched_by->len; i++) {
    const Term *term = g_ptr_array_index(pod->pod_class->matched_by, i);
    if (term->n_carriers[TERM_PREFERRED] > 0)
      rate(cycle, count, term->topology, term->carried[TERM_PREFERRED], 1);
    if (term->n_carriers[TERM_AFFINE] > 0 && cycle->profile->hard_affinity_weight > 0)
      rate(cycle, count, term->topology, term->carried[TERM_AFFINE], cycle->profile->hard_affinity_weight);
  }
  return count->rated->len > 0;
}

static int64_t rate_company(Cycle *cycle, const NodeInfo *node)
{
  int64_t score = 0;
  for (unsigned i = 0; i < cycle->affinity->rated->len; i++) {
    const Domains *domains = &g_array_index(cycle->affinity->rated, Domains, i);
    int32_t domain = topology_domain(domains->topology, node);
    score += domain >= 0 ? domains->pods[domain] : 0;
  }
  return score;
}

static void normalize(Cycle *cycle, GPtrArray *nodes, int64_t *scores)
{
  int64_t least = INT64_MAX, most = INT64_MIN;
  for (unsigned i = 0; i < nodes->len; i++) {
    least = MIN(least, scores[i]);
    most = MAX(most, scores[i]);
  }
  for (unsigned i = 0; i < nodes->len; i++)
    scores[i] = most == least ? 0 : (scores[i] - least) * SCORE_MAX / (most - least);
}

const Plugin pod_affinity_plugin = { .pre_filter = prepare_filter,
                                     .filter = keeps_company,
                                     .pre_score = prepare_score,
                                     .score = rate_company,
                                     .normalize = NORMALIZE_OWN,
                                     .normalize_own = normalize };

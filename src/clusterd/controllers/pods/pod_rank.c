#include "clusterd/controllers/pods/pod_rank.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

typedef struct Ranked {
  Object *pod;
  bool assigned, ready;
  int phase;       /* Pending 0, Unknown 1, Running 2 */
  int64_t cost;    /* annotation controller.kubernetes.io/pod-deletion-cost */
  int64_t on_node; /* how many of these pods share its node */
  int64_t ready_us, created_us, restarts;
} Ranked;

static int rank_of_phase(const char *phase)
{
  if (strcmp(phase, "Pending") == 0)
    return 0;
  return strcmp(phase, "Running") == 0 ? 2 : 1;
}

static int64_t time_of(const json_t *value, const char *key)
{
  int64_t time_us = 0;
  return timestamp_parse(json_str(value, key, NULL), &time_us) ? time_us : 0;
}

static Ranked rank(Object *object, GHashTable *nodes)
{
  const json_t *pod = object_json(object);
  const json_t *metadata = json_object_get(pod, "metadata");
  const json_t *status = json_object_get(pod, "status");
  const char *cost =
      json_str(json_object_get(metadata, "annotations"), "controller.kubernetes.io/pod-deletion-cost", "0");
  return (Ranked){ .pod = object,
                   .assigned = *pod_node(pod) != '\0',
                   .ready = pod_is_ready(pod),
                   .phase = rank_of_phase(pod_phase(pod)),
                   .cost = g_ascii_strtoll(cost, NULL, 10),
                   .on_node = GPOINTER_TO_INT(g_hash_table_lookup(nodes, pod_node(pod))),
                   .ready_us = time_of(condition_get(status, "Ready"), "lastTransitionTime"),
                   .created_us = time_of(metadata, "creationTimestamp"),
                   .restarts = pod_restarts(pod) };
}

#define ASCENDING(left, right)                                                                                         \
  if ((left) != (right))                                                                                               \
  return (left) < (right) ? -1 : 1

/* Negative when A goes before B. */
static int compare(const void *left, const void *right)
{
  const Ranked *a = left, *b = right;
  ASCENDING(a->assigned, b->assigned);
  ASCENDING(a->phase, b->phase);
  ASCENDING(a->ready, b->ready);
  ASCENDING(a->cost, b->cost);
  ASCENDING(b->on_node, a->on_node);
  if (a->ready)
    ASCENDING(b->ready_us, a->ready_us);
  ASCENDING(b->restarts, a->restarts);
  ASCENDING(b->created_us, a->created_us);
  return strcmp(object_name(a->pod), object_name(b->pod));
}

static void unref_object(void *object)
{
  object_unref(object);
}

GPtrArray *pod_rank_victims(GPtrArray *pods, unsigned count)
{
  g_autoptr(GHashTable) nodes = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < pods->len; i++) {
    const char *node = pod_node(object_json(g_ptr_array_index(pods, i)));
    int known = GPOINTER_TO_INT(g_hash_table_lookup(nodes, node));
    g_hash_table_insert(nodes, (char *)(uintptr_t)node, GINT_TO_POINTER(known + 1));
  }
  g_autoptr(GArray) ranked = g_array_sized_new(FALSE, FALSE, sizeof(Ranked), pods->len);
  for (unsigned i = 0; i < pods->len; i++) {
    Ranked entry = rank(g_ptr_array_index(pods, i), nodes);
    g_array_append_val(ranked, entry);
  }
  g_array_sort(ranked, compare);
  GPtrArray *victims = g_ptr_array_new_with_free_func(unref_object);
  for (unsigned i = 0; i < MIN(count, ranked->len); i++)
    g_ptr_array_add(victims, object_ref(g_array_index(ranked, Ranked, i).pod));
  return victims;
}

#include "clusterd/controllers/pods/pod_rank.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

#define DELETION_COST "controller.kubernetes.io/pod-deletion-cost"
#define NS_PER_US 1000

typedef struct Ranked {
  Object *pod;
  bool assigned, ready;
  int phase;                              /* Pending 0, Unknown 1, Running 2 */
  int64_t cost;                           /* the annotation above */
  int64_t on_node;                        /* how many related pods share its node */
  int64_t ready_us, created_us;           /* 0: unknown */
  int ready_magnitude, created_magnitude; /* of the time since */
  int64_t restarts, sidecar_restarts;     /* of the container that restarted most */
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

/* A cost that is no plain 32-bit number counts as none. */
static int64_t deletion_cost(const json_t *metadata)
{
  const char *text = json_str(json_object_get(metadata, "annotations"), DELETION_COST, "0");
  bool plain = *text == '-' || (*text >= '1' && *text <= '9') || strcmp(text, "0") == 0;
  gint64 cost = 0;
  return plain && g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXINT32, &cost, NULL) ? cost : 0;
}

/* The power of two below the nanoseconds since TIME_US; -1 when it is still to come. */
static int magnitude(int64_t now_us, int64_t time_us)
{
  int64_t age_us = now_us - time_us;
  return age_us > 0 ? g_bit_nth_msf((gulong)(MIN(age_us, G_MAXINT64 / NS_PER_US) * NS_PER_US), -1) : -1;
}

static int64_t most_restarts(const json_t *statuses, const json_t *containers, bool sidecars)
{
  int64_t most = 0;
  size_t i;
  json_t *status;
  json_array_foreach (statuses, i, status) {
    const json_t *container = json_find(containers, "name", json_str(status, "name", ""));
    if (!sidecars || strcmp(json_str(container, "restartPolicy", ""), "Always") == 0)
      most = MAX(most, json_int(status, "restartCount", 0));
  }
  return most;
}

static Ranked rank(Object *object, GHashTable *nodes, int64_t now_us)
{
  const json_t *pod = object_json(object);
  const json_t *metadata = json_object_get(pod, "metadata");
  const json_t *status = json_object_get(pod, "status");
  int64_t ready_us = time_of(condition_get(status, "Ready"), "lastTransitionTime");
  int64_t created_us = time_of(metadata, "creationTimestamp");
  return (Ranked){ .pod = object,
                   .assigned = *pod_node(pod) != '\0',
                   .ready = pod_is_ready(pod),
                   .phase = rank_of_phase(pod_phase(pod)),
                   .cost = deletion_cost(metadata),
                   .on_node = GPOINTER_TO_INT(g_hash_table_lookup(nodes, pod_node(pod))),
                   .ready_us = ready_us,
                   .created_us = created_us,
                   .ready_magnitude = magnitude(now_us, ready_us),
                   .created_magnitude = magnitude(now_us, created_us),
                   .restarts = most_restarts(json_object_get(status, "containerStatuses"), NULL, false),
                   .sidecar_restarts = most_restarts(json_object_get(status, "initContainerStatuses"),
                                                     json_at(pod, "spec", "initContainers", NULL), true) };
}

#define ASCENDING(left, right)                                                                                         \
  if ((left) != (right))                                                                                               \
  return (left) < (right) ? -1 : 1

/* Negative when the younger of the two goes first; 0 when both times are the same. */
static int compare_times(const Ranked *a, const Ranked *b, int64_t a_us, int64_t b_us, int a_magnitude, int b_magnitude)
{
  if (a_us == b_us)
    return 0;
  ASCENDING(a_magnitude, b_magnitude);
  return strcmp(object_uid(a->pod), object_uid(b->pod));
}

/* Negative when A goes before B. */
static int compare(const void *left, const void *right)
{
  const Ranked *a = left, *b = right;
  ASCENDING(a->assigned, b->assigned);
  ASCENDING(a->phase, b->phase);
  ASCENDING(a->ready, b->ready);
  ASCENDING(a->cost, b->cost);
  ASCENDING(b->on_node, a->on_node);
  int order = a->ready ? compare_times(a, b, a->ready_us, b->ready_us, a->ready_magnitude, b->ready_magnitude) : 0;
  if (order)
    return order;
  ASCENDING(b->restarts, a->restarts);
  ASCENDING(b->sidecar_restarts, a->sidecar_restarts);
  order = compare_times(a, b, a->created_us, b->created_us, a->created_magnitude, b->created_magnitude);
  return order ? order : strcmp(object_name(a->pod), object_name(b->pod));
}

static void unref_object(void *object)
{
  object_unref(object);
}

GPtrArray *pod_rank_victims(GPtrArray *pods, GPtrArray *related, unsigned count, int64_t now_us)
{
  g_autoptr(GHashTable) nodes = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < related->len; i++) {
    const char *node = pod_node(object_json(g_ptr_array_index(related, i)));
    int known = GPOINTER_TO_INT(g_hash_table_lookup(nodes, node));
    g_hash_table_insert(nodes, (char *)(uintptr_t)node, GINT_TO_POINTER(known + 1));
  }
  g_autoptr(GArray) ranked = g_array_sized_new(FALSE, FALSE, sizeof(Ranked), pods->len);
  for (unsigned i = 0; i < pods->len; i++) {
    Ranked entry = rank(g_ptr_array_index(pods, i), nodes, now_us);
    g_array_append_val(ranked, entry);
  }
  g_array_sort(ranked, compare);
  GPtrArray *victims = g_ptr_array_new_with_free_func(unref_object);
  for (unsigned i = 0; i < MIN(count, ranked->len); i++)
    g_ptr_array_add(victims, object_ref(g_array_index(ranked, Ranked, i).pod));
  return victims;
}

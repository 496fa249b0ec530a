#include "clusterd/node/pod/pod_fit.h"

#include "base/json.h"
#include "clusterd/client/node_match.h"
#include "clusterd/node/pressure/pod_use.h"

/* An amount as upstream counts it: processor time in thousandths. */
static int64_t amount(const char *resource, Quantity quantity)
{
  return g_str_equal(resource, "cpu") ? quantity_milli(quantity) : quantity_value(quantity);
}

static char *refuse(const char *resource, int64_t requested, int64_t used, int64_t capacity, const char **reason)
{
  g_autofree char *name = g_strconcat("OutOf", resource, NULL);
  *reason = g_intern_string(name);
  return g_strdup_printf("Node didn't have enough resource: %s, requested: %" G_GINT64_FORMAT
                         ", used: %" G_GINT64_FORMAT ", capacity: %" G_GINT64_FORMAT,
                         resource, requested, used, capacity);
}

static char *out_of(const char *resource, const json_t *pod, const json_t *allocatable, const GPtrArray *others,
                    const char **reason)
{
  Quantity capacity;
  const char *text = json_str(allocatable, resource, NULL);
  if (!text || !quantity_parse(text, &capacity, NULL))
    return NULL;
  int64_t most = amount(resource, capacity), used = 0;
  if (g_str_equal(resource, "pods"))
    return (int64_t)others->len + 1 > most ? refuse(resource, 1, others->len, most, reason) : NULL;
  int64_t requested = amount(resource, pod_use_asked(pod, "requests", resource, NULL));
  for (guint i = 0; requested > 0 && i < others->len; i++)
    used += amount(resource, pod_use_asked(others->pdata[i], "requests", resource, NULL));
  return requested > 0 && requested > most - used ? refuse(resource, requested, used, most, reason) : NULL;
}

static char *out_of_any(const json_t *pod, const json_t *allocatable, const GPtrArray *others, const char **reason)
{
  static const char *const first[] = { "pods", "cpu", "memory", "ephemeral-storage", NULL };
  char *message = NULL;
  const char *name;
  json_t *value;
  for (gsize i = 0; !message && first[i]; i++)
    message = out_of(first[i], pod, allocatable, others, reason);
  json_object_foreach ((json_t *)(uintptr_t)allocatable, name, value)
    if (!message && !g_strv_contains(first, name))
      message = out_of(name, pod, allocatable, others, reason);
  return message;
}

/* --- ports ---------------------------------------------------------------------------------------------------------
 */

static bool is_any(const char *address)
{
  return !*address || g_str_equal(address, "0.0.0.0") || g_str_equal(address, "::");
}

static bool conflicts(const json_t *first, const json_t *second)
{
  const char *one = json_str(first, "hostIP", ""), *other = json_str(second, "hostIP", "");
  int64_t port = json_int(first, "hostPort", 0);
  return port > 0 && port == json_int(second, "hostPort", 0) &&
         g_str_equal(json_str(first, "protocol", "TCP"), json_str(second, "protocol", "TCP")) &&
         (is_any(one) || is_any(other) || g_str_equal(one, other));
}

/* Whether any port of the host that POD wants is one of OTHER's. */
static bool share_port(const json_t *pod, const json_t *other)
{
  const json_t *container, *theirs, *port, *their_port;
  size_t a, b, c, d;
  json_array_foreach (json_at(pod, "spec", "containers", NULL), a, container)
    json_array_foreach (json_object_get(container, "ports"), b, port)
      json_array_foreach (json_at(other, "spec", "containers", NULL), c, theirs)
        json_array_foreach (json_object_get(theirs, "ports"), d, their_port)
          if (conflicts(port, their_port))
            return true;
  return false;
}

char *pod_fit_refusal(const json_t *pod, const json_t *node, const json_t *allocatable, const GPtrArray *others,
                      const char **reason)
{
  char *message = out_of_any(pod, allocatable, others, reason);
  if (message)
    return message;
  if (node && !node_match_required(pod, node)) {
    *reason = "NodeAffinity";
    return g_strdup("Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
  }
  for (guint i = 0; i < others->len; i++)
    if (share_port(pod, others->pdata[i])) {
      *reason = "NodePorts";
      return g_strdup("Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports");
    }
  return NULL;
}

/* PodNodeSelector and PodTolerationRestriction (off by default): annotations of a namespace that say where its pods run
 * and which taints they may tolerate. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/admission/tolerations.h"

#define NODE_SELECTOR "scheduler.alpha.kubernetes.io/node-selector"
#define DEFAULT_TOLERATIONS "scheduler.alpha.kubernetes.io/defaultTolerations"
#define ALLOWED_TOLERATIONS "scheduler.alpha.kubernetes.io/tolerationsWhitelist"

/* The namespace's annotation KEY; the caller frees; NULL: it has none. */
static char *annotation_of(const AdmissionRequest *request, const char *key)
{
  g_autoptr(Object) namespace_ = admission_find(request, "", "v1", "namespaces", NULL, request->target->namespace_);
  return namespace_ ? g_strdup(json_str(json_at(object_json(namespace_), "metadata", "annotations", NULL), key, NULL))
                    : NULL;
}

/* --- node selectors ------------------------------------------------------------------------------------------------
 */

/* {"a": "b", …} of "a=b,…"; NULL when it is not such a text. New reference. */
static json_t *parse_selector(const char *text)
{
  g_autoptr(json_t) selector = json_object();
  g_auto(GStrv) terms = g_strsplit(text, ",", -1);
  for (int i = 0; terms[i]; i++) {
    char *value = strchr(g_strstrip(terms[i]), '=');
    if (!*terms[i])
      continue;
    if (!value)
      return NULL;
    *value++ = '\0';
    json_object_set_new(selector, g_strstrip(terms[i]), json_string(g_strstrip(value)));
  }
  return g_steal_pointer(&selector);
}

static bool select_nodes(void *state, AdmissionRequest *request, GError **error)
{
  const char *key;
  json_t *value;
  if (!admission_creates(request, "", "pods"))
    return true;
  g_autofree char *text = annotation_of(request, NODE_SELECTOR);
  g_autoptr(json_t) wanted = text ? parse_selector(text) : json_object();
  if (!wanted)
    return admission_forbid(request, error, "invalid selector: [%s]", text);
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  json_object_foreach (wanted, key, value) {
    const json_t *given = json_object_get(json_object_get(spec, "nodeSelector"), key);
    if (given && !json_equal(given, value))
      return admission_forbid(request, error,
                              "pod node label selector conflicts with its namespace node label selector");
  }
  if (json_object_size(wanted))
    json_object_update(json_ensure_object(spec, "nodeSelector", NULL), wanted);
  return true;
}

/* --- tolerations ---------------------------------------------------------------------------------------------------
 */

/* *LIST gets the annotation's array (NULL: there is none), a new reference. */
static bool read_tolerations(const AdmissionRequest *request, const char *key, json_t **list, GError **error)
{
  g_autofree char *text = annotation_of(request, key);
  *list = NULL;
  if (!text || !*text)
    return true;
  g_autoptr(json_t) value = json_parse(text, strlen(text), false, error);
  if (!value)
    return false;
  if (!json_is_array(value))
    return admission_forbid(request, error, "the namespace's annotation %s is no list of tolerations", key);
  *list = g_steal_pointer(&value);
  return true;
}

/* Two that ask the same of a taint in different ways. */
static bool conflict(const json_t *first, const json_t *second)
{
  size_t i, j;
  json_t *a, *b;
  json_array_foreach (first, i, a)
    json_array_foreach (second, j, b)
      if (g_str_equal(json_str(a, "key", ""), json_str(b, "key", "")) &&
          g_str_equal(json_str(a, "effect", ""), json_str(b, "effect", "")) && !toleration_covers(a, b) &&
          !toleration_covers(b, a))
        return true;
  return false;
}

static bool is_best_effort(const json_t *pod)
{
  size_t i;
  json_t *container;
  json_array_foreach (json_at(pod, "spec", "containers", NULL), i, container)
    if (json_object_size(json_at(container, "resources", "requests", NULL)) ||
        json_object_size(json_at(container, "resources", "limits", NULL)))
      return false;
  return true;
}

static bool add_tolerations(void *state, AdmissionRequest *request, GError **error)
{
  g_autoptr(json_t) defaults = NULL;
  if (!admission_creates(request, "", "pods"))
    return true;
  if (!read_tolerations(request, DEFAULT_TOLERATIONS, &defaults, error))
    return false;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  if (conflict(defaults, json_object_get(spec, "tolerations")))
    return admission_forbid(request, error, "namespace tolerations and pod tolerations conflict");
  if (json_array_size(defaults))
    json_object_set_new(spec, "tolerations", tolerations_merge(defaults, json_object_get(spec, "tolerations")));
  if (!is_best_effort(request->object))
    toleration_add(spec, "node.kubernetes.io/memory-pressure", "NoSchedule");
  return true;
}

static bool is_allowed(const json_t *toleration, const json_t *allowed)
{
  size_t i;
  json_t *entry;
  json_array_foreach (allowed, i, entry)
    if (toleration_covers(entry, toleration))
      return true;
  return false;
}

static bool check_tolerations(void *state, const AdmissionRequest *request, GError **error)
{
  g_autoptr(json_t) allowed = NULL;
  size_t i;
  json_t *toleration;
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, "", "pods"))
    return true;
  if (!read_tolerations(request, ALLOWED_TOLERATIONS, &allowed, error))
    return false;
  if (json_array_size(allowed) == 0)
    return true;
  json_array_foreach (json_at(request->object, "spec", "tolerations", NULL), i, toleration)
    if (!is_allowed(toleration, allowed))
      return admission_forbid(request, error,
                              "pod tolerations (possibly merged with namespace default tolerations) conflict with its "
                              "namespace whitelist");
  return true;
}

const AdmissionPlugin admission_pod_node_selector = { .name = "PodNodeSelector", .mutate = select_nodes };
const AdmissionPlugin admission_pod_tolerations = { .name = "PodTolerationRestriction",
                                                    .mutate = add_tolerations,
                                                    .validate = check_tolerations };
